"""The s390x ISA."""
