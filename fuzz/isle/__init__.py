"""Aiming at Cranelift's rules: fragments of CLIF made from the left-hand sides of rules.

``fuzz.generate`` emits them, and they are made of its repertoire. Whoever asks for one of the two
packages gets both, in the order that works.
"""

from __future__ import annotations

import fuzz.generate as fuzz_generate

__all__ = ["fuzz_generate"]
