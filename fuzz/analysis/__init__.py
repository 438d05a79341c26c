"""What is true of a function: ranges, hazards, data flow, termination."""
