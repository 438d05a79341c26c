"""Cases without an outcome: importing and beginning with them are refused for the same reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.corpus.importer import import_folder
from fuzz.corpus.seeds import FUEL, SeedReader
from fuzz.differential.oracle import DEFAULT_FUEL

TEXT = """\
test run
target x86_64

function %f(i64) -> i64 {{
    {entities}
block0(v0: i64):
    {body}
    return v1
}}
; run: %f(9) == 9
"""


@pytest.mark.parametrize(
    ("entities", "body", "reason"),
    [
        ("", "v1 = load.i64 notrap v0", "what it does is not defined: "),
        ("", "v1 = load.i64 v0", "uses memory that it is not given"),
        (
            "",
            "jump block1\nblock1:\n    brif v0, block1, block2\nblock2:\n    v1 = iconst.i64 1",
            "runs for more than ",
        ),
        (
            "fn0 = %g(i64) -> i64",
            "v1 = call fn0(v0)",
            "oracle: call: %g is not defined in this case",
        ),
    ],
)
def test_both_refuse_it_for_the_same_reason(
    tmp_path: Path, entities: str, body: str, reason: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.clif").write_text(TEXT.format(entities=entities, body=body))
    imported = import_folder(folder, tmp_path / "out", ("x86_64",))
    (of_import,) = imported.rejections.counts
    (seeds,) = SeedReader(("x86_64",)).read(folder).refused
    assert imported.written == 0
    assert of_import.startswith(reason)
    of_seeds = seeds.reason.replace(f"{FUEL:,}", f"{DEFAULT_FUEL:,}")
    assert of_seeds.removeprefix("the interpreter cannot run it: ") == of_import.removeprefix(
        "oracle: "
    )


def test_both_note_that_inputs_trap(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    text = TEXT.format(entities="", body="trapnz v0, user7\n    v1 = iadd v0, v0")
    (folder / "a.clif").write_text(text)
    assert import_folder(folder, out, ("x86_64",)).written == 1
    (seed,) = SeedReader(("x86_64",)).read(folder).cases
    (written,) = out.glob("*.clif")
    assert "; trapping\n" in written.read_text()
    assert "; trapping\n" in seed.text
