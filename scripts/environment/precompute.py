"""Has the environment find the ISLE rules of its build, which every run needs."""

from __future__ import annotations

import subprocess

from messages import say
from variant import Variant
from versions import ROOT


def precompute(variant: Variant) -> None:
    """Let ``fuzz.isle.precompute`` fill the user's cache folder, which takes some seconds.

    What cannot be computed now is computed when it is first needed.
    """
    command = [str(variant.python), "-m", "fuzz.isle.precompute"]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        say("could not prepare for this build; fuzzing will begin more slowly")
