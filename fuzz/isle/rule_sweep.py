"""A sweep of the rules: each case is directed at one rule, the next case at the next rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from backend.cranelift.isle import LOWERING, MID_END
from fuzz.cases.case import Case
from fuzz.cases.touched_rules import NOTHING_TOUCHED, TouchedRules
from fuzz.entropy import Entropy, PrngEntropy
from fuzz.generate.generator import Generator
from fuzz.generate.options import Options
from fuzz.isle.director import DirectedCase, RuleDirector
from fuzz.isle.fragment_pool import FragmentVariant

#: About how many instructions surround a fragment.
_INSTRUCTIONS: Final = 10
#: How often settings are drawn until the case supports the fragment's instructions, and how many of
#: these draws are for all ISAs; the later ones are for the rule's own ISA alone.
_TRIES, _TOGETHER = 12, 4


class _OneVariant:
    """Directs a case at one fragment of a rule; implements ``Director``.

    What the mid-end does is compiled with optimisations. What an ISA does is compiled half of the
    time with the settings under which the fragment alone fires its rule.
    """

    def __init__(self, director: RuleDirector, variant: FragmentVariant, *, settings: bool) -> None:
        fragment = variant.fragment
        self._variant = variant
        self._director = director
        self._trapping = fragment is not None and fragment.preconditions is None
        self._may_change_settings = settings
        self.case: DirectedCase | None = None

    def begin_case(
        self,
        entropy: Entropy,
        isas: Sequence[str],
        settings: dict[str, str],
        isa_settings: dict[str, dict[str, str]],
        index: int | None,
    ) -> DirectedCase:
        """Choose the settings, and direct the case at the fragment."""
        target = self._variant.target
        if self._variant.rule.unit.name == MID_END and settings.get("opt_level") == "none":
            settings["opt_level"] = "speed"
        elif self._may_change_settings and target and target.isa in isas and entropy.below(2):
            settings["opt_level"] = dict(target.settings)["opt_level"]
            isa_settings[target.isa] = dict(target.flags)
        pool = self._director.pool_for(isas)
        self.case = DirectedCase(pool, [self._variant], trapping=self._trapping)
        return self.case


class RuleSweep:
    """The sweep of a seed.

    Case ``i`` is directed at rule ``i`` modulo the number of rules, each time at another of its
    fragments.

    Args:
        options: of the cases, except for the number of instructions.
        touched: the rules that a change touches; then these are all rules of the sweep.

    Raises:
        ValueError: the options restrict the opcodes.
        IsleError: Cranelift's rules are not known.
    """

    def __init__(
        self, options: Options, seed: int, touched: TouchedRules = NOTHING_TOUCHED
    ) -> None:
        if options.opcodes is not None:
            raise ValueError("a sweep of the rules needs all opcodes")
        share = options.directed_share or Options().directed_share
        options = replace(options, instructions=_INSTRUCTIONS, callees=0, directed_share=share)
        self._director = RuleDirector(options, touched)
        self._touched = self._director.touched_for(options.isas)
        self._generator = Generator(options, self._director)
        self._options = options
        self.seed = seed

    @property
    def rules(self) -> int:
        """The number of rules, which is the length of a round of the sweep."""
        return len(self._touched.rules if self._touched else self._director.pool.main)

    def case(self, index: int) -> Case:
        """Return case ``index``; an ordinary one if the rule's fragment cannot be emitted."""
        variant = self._variant(index)
        for number in range(_TRIES if variant.fragment is not None else 0):
            isas = self._options.isas if number < _TOGETHER else self._own(variant, number)
            case = self._try(variant, PrngEntropy((self.seed, index, number)), isas)
            if case is not None:
                return self._named(case, index, variant)
        case = self._generator.generate(PrngEntropy((self.seed, index)))
        return self._named(case, index, None)

    def _variant(self, index: int) -> FragmentVariant:
        if self._touched:
            return self._touched.round_robin(index)
        variant = self._director.pool.round_robin(index, optimised=True)
        assert variant is not None
        return variant

    def _try(
        self, variant: FragmentVariant, entropy: Entropy, isas: tuple[str, ...]
    ) -> Case | None:
        """Make a case for these ISAs. Returns None if it does not have the fragment."""
        director = _OneVariant(self._director, variant, settings=self._options.settings)
        case = self._generator.generate(entropy, isas=isas, director=director)
        return case if director.case is not None and director.case.emitted else None

    def _own(self, variant: FragmentVariant, number: int) -> tuple[str, ...]:
        """Return the ISA of the rule; for a rule of the mid-end one of all, by turns."""
        isas = self._options.isas
        own = tuple(isa for isa in isas if LOWERING.get(isa) == variant.rule.unit.name)
        return own or (isas[number % len(isas)],)

    def _named(self, case: Case, index: int, variant: FragmentVariant | None) -> Case:
        about = f", about {variant.rule.place}" if variant is not None else ""
        case.origin = f"sweep of seed {self.seed} case {index}{about}"
        return case
