"""Filetests: run commands against what the interpreter and the compiled code do."""
