"""CLIF as Python data: types, opcodes, functions, and analyses without a compiler."""
