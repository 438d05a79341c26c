"""Where Cranelift panicked: sources and rules, never a line of a generated file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backend.cranelift.compiler import CompilerPanic, Target, compile_text
from backend.cranelift.panic_place import panic_location, panic_place, panicking_rules
from backend.cranelift.rule_edges import load_rule_map
from backend.cranelift.rule_map import RuleId, RuleMap
from clif.printer import print_functions
from fuzz.cases.casefile import read_case
from tests.paths import CORPUS

SPEED = {"opt_level": "speed", "enable_llvm_abi_extensions": "true"}
GENERATED = "cranelift-codegen/out/isle_opt.rs:24123:5"


def panic(message: str, location: str) -> CompilerPanic:
    error = CompilerPanic(message)
    error.message, error.location, error.function, error.phase = message, location, "f", "optimize"
    return error


def panic_of(name: str, isa: str) -> CompilerPanic:
    case = read_case((CORPUS / "cranelift" / f"{name}.clif").read_text()).case
    target = Target.of(isa, SPEED, case.isa_settings.get(isa, {}))
    with pytest.raises(CompilerPanic) as caught:
        compile_text(print_functions(case.functions), target)
    return caught.value


def test_a_place_in_the_sources_stays() -> None:
    place = "cranelift-codegen/src/isa/x64/lower.rs:12:3"
    assert panic_place(panic("boom", place)) == place
    shared = "cranelift-codegen/src/isle_prelude.rs:12:3"
    assert panic_place(panic("boom", shared)) == shared  # which rule called it is not known


def test_without_debug_information_it_is_the_term_that_has_no_rule() -> None:
    message = (
        "internal error: entered unreachable code: no rule matched for term iconst_u at "
        "src/prelude_opt.isle line 212; should it be partial?"
    )
    assert panic_place(panic(message, GENERATED)) == "src/prelude_opt.isle iconst_u"


def test_without_any_hint_it_is_the_generated_file_without_a_line() -> None:
    assert panic_place(panic("boom", GENERATED)) == "cranelift-codegen/out/isle_opt.rs"


def test_the_rule_that_was_being_applied_is_found() -> None:
    """``x - x`` becomes a zero, for which there is no rule."""
    found = panic_of("isub-self-i8x8", "aarch64")
    assert found.location.startswith("cranelift-codegen/out/isle_opt.rs:")
    (rule,) = panicking_rules(found)
    source = load_rule_map().source_line(rule)
    if source:
        assert source.startswith("(rule (simplify (isub ty x x))")
    assert panic_place(found) == str(rule)
    assert re.fullmatch(r"src/opts/arithmetic\.isle:\d+", str(rule))


def test_a_panic_in_a_function_that_a_rule_calls_names_the_rule_too() -> None:
    found = panic_of("bzhi-i128-amount", "x86_64")
    assert panic_location(found) == found.location
    assert "src/isa/x64/lower/isle.rs" in found.location
    (rule,) = panicking_rules(found)
    assert rule.file == "src/isa/x64/lower.isle"
    assert panic_place(found) == str(rule)


@pytest.mark.parametrize("opcode", ["smin", "smax", "umin", "umax"])
def test_rules_that_begin_alike_are_all_named(opcode: str) -> None:
    """aarch64 has no rule for i128: the first step of those for vectors panics. For some opcodes
    the compiler merges that of two rules, and the code has no line then."""
    text = (
        "function %f(i128, i128) -> i128 {\nblock0(v0: i128, v1: i128):\n"
        f"    v2 = {opcode} v0, v1\n    return v2\n}}\n"
    )
    with pytest.raises(CompilerPanic) as caught:
        compile_text(text, Target.of("aarch64", SPEED, {}))
    rules = panicking_rules(caught.value)
    assert 1 <= len(rules) <= 2
    assert {rule.file for rule in rules} == {"src/isa/aarch64/lower.isle"}
    assert panic_place(caught.value) == " or ".join(map(str, rules))
    for source in map(load_rule_map().source_line, rules):
        assert not source or f"(lower ({opcode} " in source


def test_lines_of_generated_files_belong_to_rules() -> None:
    one, two = (RuleId("mid_end", "src/opts/a.isle", line) for line in (1, 9))
    rules = RuleMap(
        {}, (), {"src/opts/a.isle": Path()}, {"isle_opt.rs": [(3, 5, one), (6, 6, two)]}
    )
    found = [rules.rule_at("isle_opt.rs", line) for line in range(2, 8)]
    assert found == [None, one, one, one, two, None]
    assert rules.rule_at("isle_x64.rs", 3) is None
