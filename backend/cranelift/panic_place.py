"""Where Cranelift panicked, so that panics of one fault have one place.

The location of a panic in code that ISLE generated says nothing: it is a line of a file in a
build's folder, and other rules move it. In the functions that rules share, it says nothing of the
rule that calls them wrongly. The calls that were open lead to the rule whose right-hand side was
running. That is the place then, a line of Cranelift's sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from backend.cranelift._cranelift import CompilerPanic
from backend.cranelift.merged_code import generated_lines, rules_behind
from backend.cranelift.rule_edges import RulesError, known_rules
from backend.cranelift.rule_map import GROUPS, RuleId

#: A location in generated code: the file without its line.
_GENERATED: Final = re.compile(r"(\S+/out/\w+\.rs)(?::\d+)*")
#: A location in the functions that rules call.
_SHARED: Final = re.compile(r"\S+/src/(?:\S+/)?(?:isle|isle_prelude|opts)\.rs(?::\d+)*")
#: What generated code says where a term has no rule for its arguments.
_NO_RULE: Final = re.compile(r"no rule matched for term (\S+) at (\S+\.isle) line \d+")


def panic_place(panic: CompilerPanic) -> str:
    """Return what identifies the fault that a panic shows: its location, or the rule's place.

    It is the rule's for panics in generated code and in functions that rules share, if the rule is
    known.
    """
    if _GENERATED.fullmatch(panic.location) or _SHARED.fullmatch(panic.location):
        rules = panicking_rules(panic)
        if rules:
            return rules_in_words(rules)
    return panic_location(panic)


def panic_location(panic: CompilerPanic) -> str:
    """Return the location of a panic in the sources.

    For generated code it is the rule's place. Where debug information does not tell the rule, it is
    the term that has no rule, or else the generated file, without a line.
    """
    generated = _GENERATED.fullmatch(panic.location)
    if generated is None:
        return panic.location
    rules = panicking_rules(panic)
    if rules:
        return rules_in_words(rules)
    term = _NO_RULE.search(panic.message)
    return generated[1] if term is None else f"{term[2]} {term[1]}"


def rules_in_words(rules: Sequence[RuleId]) -> str:
    """Return the places of rules of which one was applied."""
    return " or ".join(map(str, rules))


def panicking_rules(panic: CompilerPanic) -> tuple[RuleId, ...]:
    """Return the rule that was being applied when Cranelift panicked; none if it is unknown.

    It is the innermost one that matches instructions. What such a rule makes, others may have a
    part in that only share work: these count where there is no such rule.

    Returns:
        Several rules if the machine code does not tell them apart: what they begin with alike, the
        compiler may have merged.
    """
    rules = known_rules()
    if isinstance(rules, RulesError):
        return ()
    frames: Sequence[int] = getattr(panic, "frames", ())  # made by the extension alone
    places = (place for address in frames for place in _generated_lines(address, frames))
    found = [rule for rule in (rules.rule_at(*place) for place in places) if rule is not None]
    matching = [rule for rule in found if rule.group in GROUPS]
    if matching:
        return (matching[0],)
    return rules_behind(frames, rules) or tuple(found[:1])


_known: Final[dict[int, tuple[tuple[str, int], ...]]] = {}


def _generated_lines(address: int, others: Iterable[int]) -> tuple[tuple[str, int], ...]:
    """Return the lines of generated files at an address, the innermost first.

    Args:
        others: addresses to look up at the same time if anything is: reading debug information
            takes half a second, however few they are.
    """
    if address not in _known:
        wanted = [each for each in others if each not in _known]
        lines = generated_lines(wanted)
        _known.update({each: tuple(lines.get(each, ())) for each in wanted})
    return _known[address]
