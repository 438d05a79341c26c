"""Cases: their data, their file format, their inputs, and comparing their outcomes."""
