"""Checks the run commands of Cranelift's filetests with the interpreter and with compiled code."""
