"""Engines: what can run an ISA's code besides the emulator in this process."""
