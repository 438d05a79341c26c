"""The RISC-V ISA of 64 bits."""
