"""CLIF as Python data: types, opcodes, functions, builder, printer. No execution, no compiler."""
