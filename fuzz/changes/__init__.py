"""What a change of Cranelift touches: which of its rules, and which other code."""
