"""The x86-64 ISA."""
