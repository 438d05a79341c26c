"""Tables about Cranelift: coverage, rules, what is supported."""
