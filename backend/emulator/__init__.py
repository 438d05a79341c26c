"""Running machine code in emulation: memory, linking, the driver, the executor. Names no ISA."""
