"""Directing parts of cases at Cranelift's rules."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Final

from backend.cranelift.isle import LOWERING, MID_END
from fuzz.entropy import Entropy
from fuzz.generate.generator import Generator
from fuzz.generate.instruction_sets import InstructionSets
from fuzz.generate.options import Options
from fuzz.generate.writer import Writer
from fuzz.isle.emit import emit
from fuzz.isle.fragment_cache import user_cache
from fuzz.isle.fragment_pool import FragmentPool, FragmentVariant, make_pool

#: How many fragments are tried for one part.
_TRIES: Final = 4
#: Parts of a function per instruction, about.
_PARTS: Final = 0.4
#: How many times as many rules the first cases are directed at, until every rule had its turn once:
#: a short run tests most rules, too.
_FIRST_ROUND_FACTOR: Final = 3


class RuleDirector:
    """Directs cases at Cranelift's rules, at all of them one after the other.

    Attributes:
        pool: the fragments of the rules of all ISAs of the options.

    Args:
        options: of the generator, with a positive ``directed_share``.
        cached: take fragments from the user's cache folder, and keep new ones there.

    Raises:
        IsleError: Cranelift's rules are not known.
    """

    def __init__(self, options: Options, *, cached: bool = True) -> None:
        self._options = options
        cache = user_cache(options.isas, options.types) if cached else None
        # Fragments take long to make, so they are made once, of everything that any ISA lowers at
        # its best. Whether a case supports the instructions of a fragment is tested when the
        # fragment is emitted.
        widest = InstructionSets(options).widest
        self.pool = make_pool(options.isas, widest("none"), widest("speed"), cache)
        self._pools: dict[tuple[str, ...], FragmentPool] = {}

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
        if index is None:
            return DirectedCase(pool, [])
        optimised = settings.get("opt_level") != "none"
        return DirectedCase(pool, self._due(pool, index, optimised=optimised))

    def pool_for(self, isas: Sequence[str]) -> FragmentPool:
        """Return the fragments of the rules of the mid-end and of these ISAs."""
        isas = tuple(isas)
        found = self._pools.get(isas)
        if found is None:
            units = {MID_END, *(LOWERING[isa] for isa in isas if isa in LOWERING)}
            found = self._pools[isas] = self.pool.of(units)
        return found

    def _due(self, pool: FragmentPool, index: int, *, optimised: bool) -> list[FragmentVariant]:
        """Return what the case with this index is directed at."""
        options = self._options
        count = ceil(options.directed_share * options.instructions * _PARTS)
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
        self, pool: FragmentPool, due: list[FragmentVariant], *, trapping: bool = False
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


def rule_director(options: Options) -> RuleDirector | None:
    """Return the director for a generator with these options.

    Returns:
        None if the options ask for no directed parts.

    Raises:
        IsleError: Cranelift's rules are not known.
    """
    directed = options.directed_share > 0.0 and options.opcodes is None
    return RuleDirector(options) if directed else None


def directed_generator(options: Options) -> Generator:
    """Return a generator that directs as many parts at rules as the options ask for.

    Raises:
        IsleError: parts are to be directed at Cranelift's rules, and these are not known.
    """
    return Generator(options, rule_director(options))
