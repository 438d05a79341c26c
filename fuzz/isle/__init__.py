"""Directing cases at Cranelift's rules: CLIF fragments made of their left-hand sides."""
