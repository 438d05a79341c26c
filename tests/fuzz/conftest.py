"""Fixtures of the tests of ``fuzz``."""

from __future__ import annotations

import pytest

from tests.fuzz.command import Command


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)
