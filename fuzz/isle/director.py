"""Directing parts of cases at Cranelift's rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import ceil
from typing import Final, Protocol

from backend.cranelift.isle import LOWERING, MID_END, units_of
from fuzz.cases.touched_rules import NOTHING_TOUCHED, TouchedRules
from fuzz.entropy import Entropy
from fuzz.generate.generator import Generator
from fuzz.generate.instruction_sets import InstructionSets
from fuzz.generate.options import Options
from fuzz.generate.writer import Writer
from fuzz.isle.emit import emit
from fuzz.isle.fragment_cache import user_cache
from fuzz.isle.fragment_pool import FragmentPool, FragmentVariant, make_pool
from fuzz.isle.touched_fragments import TouchedFragments

#: How many fragments are tried for one part.
_TRIES: Final = 4
#: Parts of a function per instruction, about.
_PARTS: Final = 0.4
#: How many times as many rules the first cases are directed at, until every rule had its turn once:
#: a short run tests most rules, too.
_FIRST_ROUND_FACTOR: Final = 3
#: One case in so many keeps drawn settings with which the mid-end's rules do not fire.
_SETTINGS_KEPT: Final = 8
#: The round-robin index of a case without one is below this.
_NUMBERS: Final = 1 << 16


class FragmentSource(Protocol):
    """What to draw fragments from."""

    def draw(self, entropy: Entropy) -> FragmentVariant | None:
        """Draw a fragment. Returns None if there are none."""


class RuleDirector:
    """Directs cases at Cranelift's rules, at all of them one after the other.

    If a change touches some of them, cases are directed at these, and have few fragments of others.

    Attributes:
        pool: the fragments of the rules of all ISAs of the options.

    Args:
        options: of the generator, with a positive ``directed_share``.
        touched: the rules that a change touches.
        cached: take fragments from the user's cache folder, and keep new ones there.

    Raises:
        IsleError: Cranelift's rules are not known.
    """

    def __init__(
        self,
        options: Options,
        touched: TouchedRules = NOTHING_TOUCHED,
        *,
        cached: bool = True,
    ) -> None:
        self._options = options
        self._touched = touched
        cache = user_cache(options.isas, options.types) if cached else None
        # Fragments take long to make, so they are made once, of everything that any ISA lowers at
        # its best. Whether a case supports the instructions of a fragment is tested when the
        # fragment is emitted.
        widest = InstructionSets(options).widest
        self.pool = make_pool(options.isas, widest("none"), widest("speed"), cache)
        self._pools: dict[tuple[str, ...], FragmentPool] = {}
        self._touched_pools: dict[tuple[str, ...], TouchedFragments] = {}

    def begin_case(
        self,
        entropy: Entropy,
        isas: Sequence[str],
        settings: dict[str, str],
        isa_settings: dict[str, dict[str, str]],
        index: int | None,
    ) -> DirectedCase:
        """Direct a case at the rules whose turn it is, or at none if it has no index."""
        pool = self.pool_for(isas)
        touched = self.touched_for(isas)
        if touched:
            number = entropy.below(_NUMBERS) if index is None else index
            return self._at_change(touched, entropy, settings, isa_settings, number)
        if index is None:
            return DirectedCase(pool, [])
        optimised = settings.get("opt_level") != "none"
        return DirectedCase(pool, self._due(pool, index, optimised=optimised))

    def pool_for(self, isas: Sequence[str]) -> FragmentPool:
        """Return the fragments of the rules of the mid-end and of these ISAs."""
        isas = tuple(isas)
        found = self._pools.get(isas)
        if found is None:
            found = self._pools[isas] = self.pool.of(set(units_of(isas)))
        return found

    def touched_for(self, isas: Sequence[str]) -> TouchedFragments | None:
        """Return the fragments of touched rules for these ISAs; None if no change is given."""
        if not self._touched:
            return None
        isas = tuple(isas)
        found = self._touched_pools.get(isas)
        if found is None:
            found = TouchedFragments(self.pool_for(isas), self._touched)
            self._touched_pools[isas] = found
        return found

    @cached_property
    def isas_of_change(self) -> tuple[str, ...]:
        """The ISAs whose rules a change touches; all if it touches any of the mid-end's."""
        touched = self.touched_for(self._options.isas)
        units = set() if touched is None else {rule.unit.name for rule in touched.rules}
        if not units or MID_END in units:
            return self._options.isas
        return tuple(isa for isa in self._options.isas if LOWERING.get(isa) in units)

    def _at_change(
        self,
        touched: TouchedFragments,
        entropy: Entropy,
        settings: dict[str, str],
        isa_settings: dict[str, dict[str, str]],
        number: int,
    ) -> DirectedCase:
        """Direct a case at touched rules; the settings are mostly such that the first one fires."""
        count = self._count
        due = [touched.round_robin(number * count + n) for n in range(count)]
        first, fragment = due[0], due[0].fragment
        if first.rule.unit.name == MID_END:
            if settings.get("opt_level") == "none" and entropy.below(_SETTINGS_KEPT):
                settings["opt_level"] = "speed"
        elif self._options.settings and first.target is not None and entropy.below(2):
            isa = first.target.isa
            settings["opt_level"] = dict(first.target.settings)["opt_level"]
            isa_settings[isa] = dict(first.target.flags)
        trapping = fragment is not None and fragment.preconditions is None
        return DirectedCase(touched, due, trapping=trapping)

    @property
    def _count(self) -> int:
        """How many fragments a case is directed at."""
        return ceil(self._options.directed_share * self._options.instructions * _PARTS)

    def _due(self, pool: FragmentPool, index: int, *, optimised: bool) -> list[FragmentVariant]:
        """Return what the case with this index is directed at."""
        count = self._count
        factor = _FIRST_ROUND_FACTOR
        last = len(pool.main) // (factor * count)  # of the cases in the first round
        first_round = min(index, last)
        first = (index + first_round * (factor - 1)) * count
        numbers = range(first, first + count * (factor if index <= last else 1))
        due = [pool.round_robin(number, optimised=optimised) for number in numbers]
        return [variant for variant in due if variant is not None]


class DirectedCase:
    """What one case is directed at; implements ``CaseDirector``.

    Attributes:
        trapping: whether one of the fragments may trap.
        emitted: how many of the fragments that the case is directed at it has.

    Args:
        pool: fragments to draw from after that.
        due: the fragments that the case is directed at, the last one first.
    """

    def __init__(
        self, pool: FragmentSource, due: list[FragmentVariant], *, trapping: bool = False
    ) -> None:
        self.trapping = trapping
        self.emitted = 0
        self._pool = pool
        self._due = due

    def emit_part(self, w: Writer) -> bool:
        """Emit a fragment. Returns False if none of a few fits here."""
        for _ in range(_TRIES):
            is_due = bool(self._due)
            variant = self._due.pop() if is_due else self._pool.draw(w.entropy)
            if variant is None:
                return False
            fragment = variant.fragment
            if fragment is not None and emit(w, fragment):
                self.emitted += is_due
                return True
        return False

    def finish(self, w: Writer) -> None:
        """Emit the fragments that the case is directed at and does not have yet."""
        while self._due:
            self.emit_part(w)


def rule_director(options: Options, touched: TouchedRules = NOTHING_TOUCHED) -> RuleDirector | None:
    """Return the director for a generator with these options, and a change of Cranelift.

    Returns:
        None if the options ask for no directed parts.

    Raises:
        IsleError: Cranelift's rules are not known.
    """
    directed = options.directed_share > 0.0 and options.opcodes is None
    return RuleDirector(options, touched) if directed else None


def directed_generator(options: Options, touched: TouchedRules = NOTHING_TOUCHED) -> Generator:
    """Return a generator that directs as many parts at rules as the options ask for.

    Args:
        touched: the rules that a change touches; most of these parts are directed at them.

    Raises:
        IsleError: parts are to be directed at Cranelift's rules, and these are not known.
    """
    return Generator(options, rule_director(options, touched))
