"""Running compiled code in an emulator. Nothing here knows an ISA by name."""
