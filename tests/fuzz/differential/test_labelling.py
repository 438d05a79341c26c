"""What a deviation of a labelled value is put down to."""

from __future__ import annotations

from fuzz.cases.casefile import read_case
from fuzz.differential import labelling
from fuzz.differential.pipeline import Pipeline

#: Unicorn's phaddw with one register as both operands gets the upper lanes wrong, which only the
#: label of v1 shows.
PAIRWISE = """; check: labels
test run
set opt_level=speed
target x86_64 has_sse3 has_ssse3
function %main(i16x8) -> i64 system_v {
block0(v0: i16x8):
    v1 = iadd_pairwise v0, v0
    v2 = bitcast.i64x2 little v1
    v3 = extractlane v2, 0
    return v3
}
; input: %main(0x00080007000600050004000300020001)
"""


def test_values_that_the_emulator_gets_wrong_are_no_fault_of_labels(monkeypatch):
    case = read_case(PAIRWISE).case
    verdict = Pipeline(["x86_64"]).check(case)
    (finding,) = verdict.findings
    assert finding.known
    assert finding.bucket == "emulator-fault x86_64 horizontal-same-register"
    assert finding.explanation == ("without has_ssse3 all values are in their places",)
    monkeypatch.setattr(labelling, "wrong_forms", lambda *_: [])
    (finding,) = Pipeline(["x86_64"]).check(case).findings
    assert finding.bucket == "label x86_64 value in a register"
