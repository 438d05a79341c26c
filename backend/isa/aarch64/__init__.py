"""The AArch64 ISA."""
