"""Writing findings as files that can be replayed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.engines.names import DEFAULT_ENGINE
from backend.isa.executors import engine_of
from backend.isa.registry import DESCRIBED, ISAS
from backend.whole_file import write_whole
from clif.byte_order import ByteOrder
from clif.outcome import Outcomes
from fuzz.cases.build_identity import BUILD, build_identity
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.differential.finding import KNOWN, KNOWN_FAULTS, Finding


def finding_text(
    finding: Finding,
    case: Case,
    expected: Outcomes | None,
    isas: Sequence[str],
    more: Sequence[str] = (),
) -> str:
    """Return the text of a finding's file: the case, with the explanation in comments at its top.

    Of several configurations the file has the one that fails, and of ISAs with several byte orders
    those of the one, if that matters. The inputs that fail come first in
    the file. The explanation numbers inputs as they were before.

    Args:
        more: further lines of explanation.
    """
    case = case.configured(finding.configuration)
    if finding.byte_order is not None:
        case = _in_its_byte_order(case, finding, finding.byte_order, isas)
    if finding.inputs:
        rest = [row for row in range(case.inputs.count) if row not in finding.inputs]
        order = [*finding.inputs, *rest]
        case = replace(case, inputs=case.inputs.select(order))
        expected = _select(expected, order)
    notes = [f"finding: {finding.kind.value}", f"isa: {finding.isa}", f"bucket: {finding.bucket}"]
    notes += [KNOWN] * finding.known
    notes.append(f"{BUILD}: {build_identity()}")
    if finding.isa in DESCRIBED and (engine := engine_of(finding.isa)) != DEFAULT_ENGINE:
        notes.append(f"engine: {engine}")
    return print_case(case, expected, isas=isas, notes=[*notes, *finding.explanation, *more])


def _in_its_byte_order(case: Case, finding: Finding, order: ByteOrder, isas: Sequence[str]) -> Case:
    """Return the case for the ISAs of a byte order, unless the finding's ISA has the other one."""
    if finding.isa and ISAS[finding.isa].byte_order != order:  # its code was interpreted, not run
        return replace(case, order=order)
    return case.in_byte_order(order, case.isas or isas)


def _select(outcomes: Outcomes | None, rows: Sequence[int]) -> Outcomes | None:
    if outcomes is None:
        return None
    place = {old: new for new, old in enumerate(rows)}
    index = np.array(rows)
    return Outcomes(
        outcomes.types,
        [words[index] for words in outcomes.results],
        outcomes.status[index],
        {place[row]: code for row, code in outcomes.traps.items()},
        {place[row]: detail for row, detail in outcomes.details.items()},
        None if outcomes.memory is None else outcomes.memory[index],
    )


def folder_of(finding: Finding, directory: Path) -> Path:
    """Return the folder for a finding's file: known faults have one of their own."""
    return directory / KNOWN_FAULTS if finding.known else directory


def artifact_name(text: str) -> str:
    """Return ``crash-<sha1 of the text>.clif``; libFuzzer names its artifacts in the same way."""
    digest = hashlib.sha1(text.encode(), usedforsecurity=False)
    return f"crash-{digest.hexdigest()}.clif"


def write_finding(text: str, directory: Path) -> Path:
    """Write a finding's file with ``write_whole``, unless it exists.

    The directory must exist, but that for known faults in an existing one is made.

    Raises:
        OSError: it cannot be written.
    """
    path = directory / artifact_name(text)
    if not path.exists():
        if directory.name == KNOWN_FAULTS:
            directory.mkdir(exist_ok=True)
        write_whole(text, path)
    return path


def check_directory(directory: Path) -> None:
    """Make the directory, and check that files can be written there.

    Raises:
        OSError: it cannot be made, or no file can be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".try-") as file:
        file.write(b"clif-fuzz")
        file.flush()
        os.fsync(file.fileno())
