"""Machine code in terms, by Ghidra's SLEIGH (``pypcode``)."""
