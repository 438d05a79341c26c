"""The error of everything that looks at a change."""

from __future__ import annotations


class ChangeError(Exception):
    """What a change touches cannot be found out; the message, of one line, says why."""
