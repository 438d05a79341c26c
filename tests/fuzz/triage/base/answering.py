"""A process that answers a campaign's questions as the names of the files say.

It imports little, since tests start many.
"""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz.differential.base_answer import BaseAnswer, BaseStatus
from fuzz.triage.background_messages import NO_PACE
from fuzz.triage.base.messages import Answer, Question, Ready


def answer(connection: Connection, share: float, directory: str) -> None:
    """Answer with the status that a file's name has before its dot, or do what it says."""
    while True:
        connection.send(Ready())
        message = connection.recv()
        while message == NO_PACE:
            message = connection.recv()
        assert isinstance(message, Question)
        file = Path(message.file)
        with (file.parent / "asked").open("a") as log:
            log.write(f"{file.name}\n")
        words = file.stem.split("-")
        if words[0] == "fatal" or (words[0] == "once" and _asked(file) == 1):
            os._exit(1)
        if words[0] == "slow":
            time.sleep(60)
        status = {"old": BaseStatus.FAILS, "other": BaseStatus.OTHER_FAILURE}
        connection.send(Answer(BaseAnswer(status.get(words[0], BaseStatus.RIGHT), words[0])))


def _asked(file: Path) -> int:
    return (file.parent / "asked").read_text().split().count(file.name)
