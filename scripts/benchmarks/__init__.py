"""Measurements of the harness itself; none of it is in the wheel."""
