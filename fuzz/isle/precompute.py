"""Computing ahead what all cases of a build need: matrices, flags that count, rules, fragments.

Without it the first minute of fuzzing would go into this. For the pinned release most of it ships
with the sources (``backend.cranelift.shipped``), and only the map of rules is left, which depends
on the binary and is made after building. For any other build all of it is computed when it is first
needed, and kept in the user's cache folder.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, product
from typing import Any, Final

from backend.cranelift import support_matrix
from backend.cranelift.compiler import Target
from backend.cranelift.isle import IsleError
from backend.cranelift.rule_edges import known_rules
from backend.cranelift.support_matrix import counting_flags, matrix_of, switchable
from backend.engines.names import DEFAULT_ENGINE
from backend.engines.registry import ENGINES
from backend.isa.executors import default_engine
from backend.isa.registry import DEFAULT_ISAS, DESCRIBED, ISAS
from fuzz.cases.case import default_settings
from fuzz.generate.instruction_sets import LOWERING_SETTINGS, switches
from fuzz.generate.options import EVERY_TYPE, Options
from fuzz.isle import fragment_cache
from fuzz.isle.director import RuleDirector
from fuzz.isle.fragment_cache import shipped_name, user_cache
from fuzz.isle.fragment_pool import FragmentPool
from fuzz.isle.rule_fragments import VARIANTS

#: More flags than this have too many combinations: those are probed when they are first drawn.
_MOST_FLAGS: Final = 6
#: Rules whose fragments one worker makes at a time.
_BATCH: Final = 40


def plain_targets(isas: Iterable[str] = DEFAULT_ISAS) -> Iterator[Target]:
    """Return the targets without flags that support matrices are learnt for."""
    for isa in isas:
        for values in product(("", "true"), repeat=len(LOWERING_SETTINGS)):
            drawn = {n: v for n, v in zip(LOWERING_SETTINGS, values, strict=True) if v}
            yield support_matrix.probed_target(isa, default_settings(isa) | drawn)


def flag_targets(plain: Target, counting: Iterable[str]) -> Iterator[Target]:
    """Return a target for each combination of the flags that count."""
    flags = sorted(counting)
    sizes = range(len(flags) + 1) if len(flags) <= _MOST_FLAGS else (0, 1, len(flags))
    for chosen in chain.from_iterable(combinations(flags, size) for size in sizes):
        yield Target.of(plain.isa, dict(plain.settings), dict.fromkeys(chosen, "true"))


def isa_choices() -> list[tuple[str, ...]]:
    """Return the usual choices of ISAs on the chosen engine: all that run by default, and each.

    On another engine than the default one these are all, and each ISA that this engine runs.
    """
    others = [isa for isa in DEFAULT_ISAS if ISAS[isa] is not DESCRIBED[isa]]
    each = others or DEFAULT_ISAS
    return list(dict.fromkeys([DEFAULT_ISAS, *((isa,) for isa in each)]))


def engine_choices() -> list[str]:
    """Return the names of the engines that there are here and that some ISA has a choice of."""
    able = [
        name
        for name, engine in ENGINES.items()
        if any(
            default_engine(isa) != name and not engine.missing(DESCRIBED[isa])
            for isa in DEFAULT_ISAS
        )
    ]
    return [DEFAULT_ENGINE, *(name for name in able if name != DEFAULT_ENGINE)]


def _pool(isas: tuple[str, ...], *, cached: bool = True) -> FragmentPool:
    return RuleDirector(Options(isas=isas), cached=cached).pool


# --- tasks, which worker processes carry out ---


@dataclass(frozen=True, slots=True)
class Task:
    """One step: a function of this module by name, and its arguments."""

    name: str
    arguments: tuple[Any, ...] = ()


def _rules() -> None:
    known_rules()


def _flags(plain: Target) -> None:
    counting_flags(plain, _known_flags(plain))


def _known_flags(plain: Target) -> frozenset[str]:
    return switchable(plain.isa, switches(plain.isa))


def _matrix(target: Target) -> None:
    matrix_of(target)


def _fragments(isas: tuple[str, ...], numbers: range) -> None:
    pool = _pool(isas)
    rules = [*pool.main, *pool.rest]
    for number in numbers[: max(0, len(rules) - numbers.start)]:
        for variant in range(VARIANTS):
            rules[number].chosen(variant)
    user_cache(isas, EVERY_TYPE).flush()


def run_task(task: Task) -> None:
    """Carry out a task. Its results are in the user's cache folder."""
    globals()[f"_{task.name}"](*task.arguments)


def _phases() -> Iterator[tuple[str, list[Task]]]:
    """Yield what is left to compute, as tasks that may run side by side; each phase needs the
    last."""
    yield "rules of the build", [Task("rules")]
    if not support_matrix.ships():
        plain = list(plain_targets())
        yield "flags that count", [Task("flags", (target,)) for target in plain]
        every = (t for p in plain for t in flag_targets(p, counting_flags(p, _known_flags(p))))
        yield "support matrices", [Task("matrix", (target,)) for target in every]
    if not fragment_cache.ships():
        for isas in isa_choices():
            pool = _pool(isas)
            size = len(pool.main) + len(pool.rest)
            batches = [range(at, at + _BATCH) for at in range(0, size, _BATCH)]
            yield (
                f"fragments for {' and '.join(isas)}",
                [Task("fragments", (isas, b)) for b in batches],
            )


def precompute(workers: int, report: Callable[[str, int, int], None]) -> None:
    """Compute what this build needs and does not have yet.

    Args:
        workers: processes to use.
        report: is told what is being computed, how many tasks are done, and of how many.
    """
    with multiprocessing.get_context("spawn").Pool(workers) as processes:
        try:
            for name, tasks in _phases():
                report(name, 0, len(tasks))
                for done, _ in enumerate(processes.imap_unordered(run_task, tasks), 1):
                    report(name, done, len(tasks))
        except IsleError:
            return  # the rules of this Cranelift are not known, and nothing is directed at them


# --- what ships ---


def matrices_to_ship() -> Any:
    """Return the contents of the shipped file of matrices, from the caches where possible."""
    plain = list(plain_targets())
    counting = [(p, _known_flags(p), counting_flags(p, _known_flags(p))) for p in plain]
    targets = {t: None for p, _, flags in counting for t in flag_targets(p, flags)}
    return support_matrix.to_ship(
        [(t, matrix_of(t, with_invalid=True).entries) for t in targets], counting
    )


def fragments_to_ship(choices: Sequence[tuple[str, ...]] | None = None) -> Any:
    """Return the contents of the shipped file of fragments, from the caches where possible."""
    return {
        shipped_name(isas, EVERY_TYPE): {
            rule.name: json.dumps(
                [fragment_cache.encode(rule.chosen(n)) for n in range(VARIANTS)],
                separators=(",", ":"),
            )
            for pool in [_pool(isas)]
            for rule in (*pool.main, *pool.rest)
        }
        for isas in choices or isa_choices()
    }


def merged(parts: Sequence[Any]) -> Any:
    """Return what several engines ship together: tables of the same names are joined."""
    first, *others = parts
    if not isinstance(first, dict):
        return first
    joined = dict(first)
    for part in others:
        for name, value in part.items():
            joined[name] = merged([joined[name], value]) if name in joined else value
    return joined


def print_progress(name: str, done: int, total: int) -> None:
    """Print a line for each tenth of the tasks that is done."""
    if done * 10 // total != (done - 1) * 10 // total:
        print(f"{name}: {done} of {total}", file=sys.stderr, flush=True)


def main() -> None:
    """Find the rules of this environment's build; ``scripts/setup`` calls this after building."""
    known_rules()


if __name__ == "__main__":
    main()
