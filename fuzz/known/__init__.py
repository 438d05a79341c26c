"""Known faults: of the Cranelift under test, and of the user's own list.

Which of them the Cranelift under test has is found out by running each fault's case, never by a
version.
"""
