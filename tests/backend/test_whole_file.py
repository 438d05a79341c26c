"""Files are written in full or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backend.whole_file import write_whole


@pytest.mark.parametrize("durable", [True, False])
def test_the_content_is_replaced_and_nothing_else_is_left(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "case.clif"
    for text in ("first", "second"):
        write_whole(text, path, durable=durable)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "case.clif"
    write_whole("first", path)
    with pytest.raises(UnicodeEncodeError):
        write_whole("\ud800", path)
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole("text", tmp_path / "missing" / "case.clif")


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_the_umask_decides_who_may_read_it(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_whole("text", tmp_path / "case.clif")
    finally:
        os.umask(before)
    assert (tmp_path / "case.clif").stat().st_mode & 0o777 == 0o666 & ~mask
