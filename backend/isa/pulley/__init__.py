"""Pulley, an ISA that is made to be interpreted, with addresses of 32 and 64 bits, of either byte
order: four ISAs for Cranelift, with one set of rules."""
