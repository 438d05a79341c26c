"""Which engines are there, and what each of them runs: asked of the engines themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from backend.engines.features import FEATURES, supported_flags
from backend.engines.guest_process import EngineError
from backend.engines.registry import ENGINES
from backend.isa.executors import default_engine, executor_for
from backend.isa.registry import ISAS


@dataclass(frozen=True, slots=True)
class EngineSupport:
    """What an engine runs of an ISA.

    Attributes:
        version: of what runs it; empty if that is not there.
        missing: why it does not run it here, in one line; empty if it does.
        flags: Cranelift's flags whose instructions it runs rightly.
        lacks: the others.
    """

    engine: str
    isa: str
    version: str
    missing: str
    flags: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


def engine_support(isas: Iterable[str]) -> Iterator[EngineSupport]:
    """Yield what each engine runs of each ISA. Every instruction that is in question is run."""
    for name, engine in ENGINES.items():
        for isa in isas:
            described = ISAS[isa]
            version, missing = engine.version(described), engine.missing(described)
            if missing:
                yield EngineSupport(name, isa, version, missing)
                continue
            try:
                flags = supported_flags(described, executor_for(isa, name))
            except EngineError as error:
                yield EngineSupport(name, isa, version, str(error).removeprefix(f"{isa}: "))
                continue
            lacks = FEATURES.of(described).keys() - flags
            yield EngineSupport(name, isa, version, "", tuple(sorted(flags)), tuple(sorted(lacks)))


def lines(table: Iterable[EngineSupport]) -> Iterator[str]:
    """Yield the table for people."""
    for row in table:
        engine = ENGINES[row.engine]
        if row.missing:
            yield f"{row.engine} {row.isa}: left out: {row.missing}"
            continue
        default = ", the default" if row.engine == default_engine(row.isa) else ""
        yield f"{row.engine} {row.isa}: {row.version}, {engine.kind}{default}"
        yield f"  runs   {' '.join(row.flags)}"
        yield f"  lacks  {' '.join(row.lacks) or 'nothing that Cranelift has a flag for'}"


def to_json(table: Iterable[EngineSupport]) -> list[dict[str, object]]:
    """Return the table for programs."""
    return [asdict(row) for row in table]
