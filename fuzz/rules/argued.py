"""Rules that cannot fire in a case of ours for a reason that only a person can give.

An entry is the unit and the text of the rule, so that it goes stale when the rule changes; a test
says so then.
"""

from __future__ import annotations

from typing import Final

ARGUED: Final[dict[tuple[str, str], str]] = {}
