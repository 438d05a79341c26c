"""Has the environment compute, after building, what all cases of the build need."""

from __future__ import annotations

import subprocess

from messages import say
from variant import ROOT, Variant


def precompute(variant: Variant) -> None:
    """Let ``fuzz.isle.precompute`` fill the user's cache folder; it shows its progress itself.

    For the pinned release most of it ships with the sources, and this takes seconds. What cannot be
    computed now is computed when it is first needed.
    """
    command = [str(variant.python), "-m", "fuzz.isle.precompute"]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        say("could not prepare for this build; fuzzing will begin more slowly")
