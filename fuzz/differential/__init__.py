"""One case through oracle, compiler and emulator, and what a difference between them means."""
