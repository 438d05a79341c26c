"""Surveys of Cranelift: edges and rules covered, the state of every rule, what is supported."""
