"""The process that asks a campaign's base about findings."""

from __future__ import annotations

import os
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from backend.isa.registry import DEFAULT_ISAS, ISAS
from fuzz.campaign.process_limits import die_with_parent
from fuzz.cases.casefile import CaseFileError, read_case
from fuzz.differential.base_answer import BaseAnswer
from fuzz.differential.recorded_failure import read_recorded_failure
from fuzz.triage.background_messages import NO_PACE
from fuzz.triage.background_process import Pace
from fuzz.triage.base.asker import BaseAsker, unclear
from fuzz.triage.base.messages import Answer, BaseFacts, Question, Ready
from fuzz.triage.base.program import BaseProgram

#: Added to the campaign's niceness, as for the process that minimises.
_NICENESS: Final = 5


def asker_of(facts: BaseFacts) -> BaseAsker:
    """Return what asks a base that was built."""
    program = BaseProgram(facts.program, facts.version, facts.seconds, facts.memory_mb)
    return BaseAsker(program)


def serve(
    connection: Connection,
    share: float,
    directory: str,
    asker: BaseAsker,
    niceness: int = _NICENESS,
) -> None:
    """Answer questions until this process is killed.

    Args:
        share: of this process's time that may be used for work.
        directory: for temporary files.
        niceness: is added to that of the campaign.
    """
    die_with_parent()
    os.nice(niceness)
    tempfile.tempdir = directory
    pace = Pace(share, connection)
    while True:
        pace.keep()
        connection.send(Ready())
        message = connection.recv()
        while message == NO_PACE:
            pace.share = 1.0
            message = connection.recv()
        assert isinstance(message, Question)
        connection.send(Answer(_answer(asker, Path(message.file))))


def _answer(asker: BaseAsker, file: Path) -> BaseAnswer:
    try:
        text = file.read_text(encoding="utf-8")
        case_file = read_case(text)
    except (OSError, UnicodeDecodeError, CaseFileError) as error:
        return unclear(f"the file cannot be read: {error}")
    isas = tuple(isa for isa in case_file.isas if isa in ISAS) or DEFAULT_ISAS
    return asker.ask(case_file.case, isas, read_recorded_failure(text))
