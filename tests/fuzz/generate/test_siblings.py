"""Siblings of a case: what is drawn anew, and what stays."""

from __future__ import annotations

import pytest

from clif.printer import print_functions
from clif.validity import is_valid
from fuzz.campaign.case_source import CaseSource
from fuzz.campaign.plan import CampaignPlan
from fuzz.cases.case import Case
from fuzz.cases.case_options import CaseOptions, Source
from fuzz.differential.pipeline import Pipeline

FAMILIES, SIBLINGS = 6, 3
OPTIONS = CaseOptions(inputs=4, siblings=SIBLINGS)
#: What the functions of a family may differ in.
_DRAWN_ANEW = ("opcode", "type", "flags", "imm", "cond")


@pytest.fixture(scope="module")
def families() -> list[list[Case]]:
    source = CaseSource(OPTIONS, 17)
    size = OPTIONS.family
    return [[source.case(n * size + m) for m in range(size)] for n in range(FAMILIES)]


def structure(case: Case) -> list[object]:
    """Return what siblings have in common: everything but what is drawn anew."""
    return [
        (
            function.name,
            str(function.signature),
            block.number,
            [(v.number, v.type) for v in block.params],
            [
                (
                    [(v.number, v.type) for v in (*inst.args, *inst.results)],
                    [(t.block.number, [str(arg) for arg in t.args]) for t in inst.targets],
                    inst.offset,
                    inst.trap,
                    inst.opcode.flags,
                )
                for inst in block.instructions
            ],
        )
        for function in case.functions
        for block in function.blocks
    ]


def test_siblings_have_the_structure_of_their_case(families: list[list[Case]]) -> None:
    for first, *siblings in families:
        assert len(siblings) == SIBLINGS
        for sibling in siblings:
            assert structure(sibling) == structure(first)
            assert all(is_valid(function) for function in sibling.functions)
            assert (sibling.isas, sibling.trapping) == (first.isas, first.trapping)


def test_constants_conditions_and_opcodes_are_drawn_anew(families: list[list[Case]]) -> None:
    changed = set()
    for first, *siblings in families:
        for sibling in siblings:
            pairs = zip(
                (inst for f in first.functions for inst in f.instructions()),
                (inst for f in sibling.functions for inst in f.instructions()),
                strict=True,
            )
            for one, other in pairs:
                changed |= {n for n in _DRAWN_ANEW if getattr(one, n) != getattr(other, n)}
    assert changed >= {"opcode", "imm", "cond"}
    texts = {print_functions(case.functions) for family in families for case in family}
    assert len(texts) > FAMILIES * OPTIONS.family // 2


def test_inputs_and_configuration_are_drawn_anew(families: list[list[Case]]) -> None:
    for first, *siblings in families:
        arguments = {b"".join(words.tobytes() for words in c.inputs.args) for c in siblings}
        assert len(arguments) == SIBLINGS
        assert all(c.inputs.count == first.inputs.count for c in siblings)
        assert any(
            (c.settings, c.isa_settings) != (first.settings, first.isa_settings) for c in siblings
        )


def test_siblings_compile_and_neither_trap_nor_differ() -> None:
    source, pipeline = CaseSource(OPTIONS, 18), Pipeline(OPTIONS.isas)
    for index in range(60):
        case = source.case(index)
        verdict = pipeline.check(case)
        assert (verdict.findings, verdict.rejected, verdict.hangs) == ([], [], 0)
        assert verdict.expected is not None
        assert case.trapping or not verdict.expected.traps


def test_a_sibling_does_not_depend_on_which_cases_were_made_before(
    families: list[list[Case]],
) -> None:
    size = OPTIONS.family
    for number, member in ((4, 2), (4, 1), (0, 3)):
        index = number * size + member
        case, expected = CaseSource(OPTIONS, 17).case(index), families[number][member]
        assert print_functions(case.functions) == print_functions(expected.functions)
        assert (case.settings, case.isa_settings) == (expected.settings, expected.isa_settings)
        assert case.origin == expected.origin == f"seed 17 case {index}"


def test_the_first_of_a_family_is_made_as_without_siblings(families: list[list[Case]]) -> None:
    alone = CaseSource(CaseOptions(inputs=4), 17)
    for number, (first, *_) in enumerate(families):
        assert print_functions(alone.case(number).functions) == print_functions(first.functions)


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("siblings", [0, 3])
def test_workers_take_whole_families(jobs: int, siblings: int) -> None:
    options = CaseOptions(siblings=siblings)
    plan = CampaignPlan(options, jobs=jobs)
    taken: dict[int, list[int]] = {}
    for worker in range(jobs):
        index = plan.first_case(worker)
        for _ in range(4 * options.family):
            assert plan.worker_of(index) == worker
            taken.setdefault(index // options.family, []).append(index)
            index = plan.next_case(index)
    assert sorted(taken) == list(range(4 * jobs))
    for family, indices in taken.items():
        assert indices == [family * options.family + m for m in range(options.family)]


def test_a_sweep_of_the_rules_has_no_siblings() -> None:
    assert CaseOptions(siblings=3, source=Source.RULES).family == 1
