"""Faults of exceptions: another handler, another payload, a register that is lost on the way.

Exception tables, and the tables of frames that lead to them, are changed as a compiler would that
wrote them wrongly. Cases are drawn that throw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, cast

from backend.cranelift.compiler import CompileError, CompilerPanic
from backend.emulator.linker import Compiled
from backend.emulator.unwind_tables import UNWINDING, HasUnwindTables
from backend.emulator.unwinder import THROWING, HasHandlers
from backend.isa.registry import ISAS
from clif.function import Function, Handler, Inst
from fuzz.cases.case import Case
from fuzz.cases.target import target_of
from fuzz.differential.pipeline import Injection
from fuzz.selfcheck.editing import pairs_of_one_type
from fuzz.selfcheck.faults_unwind import TableInstruction, instructions
from fuzz.selfcheck.registry import clif_fault, fault

Entry = tuple[str, int, int]
Site = tuple[int, int | None, Sequence[Entry]]

_HANDLERS: Final = ("tag", "default")
_NOP: Final = 0
#: The bits of an instruction's byte that number the register.
_NUMBER: Final = 0x3F


class _Changed:
    """A function's code with other exception tables, or another table of frames."""

    def __init__(
        self,
        compiled: Compiled,
        sites: Sequence[Site] | None = None,
        section: bytes | None = None,
    ) -> None:
        self._compiled = compiled
        self._section = section
        self.handler_sites = cast(HasHandlers, compiled).handler_sites if sites is None else sites

    def debug_frame(self, isa: Any) -> bytes | None:
        if self._section is not None:
            return self._section
        return cast(HasUnwindTables, self._compiled).debug_frame(isa)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


def site_fault(name: str, summary: str, change: Callable[[Site, Random], Site | None]) -> None:
    """Register a change of every exception table of a program.

    Args:
        change: returns another table; None where the fault is not possible.
    """

    def inject(case: Case, rng: Random) -> Injection | None:
        if not _handlers(case.functions):
            return None
        seed = rng.random()

        def code(_: Case, isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
            drawn = Random(seed)
            return [_with_sites(compiled, change, drawn) for compiled in program]

        return Injection(code=code)

    fault(name, summary, throwing=True)(inject)


def _with_sites(
    compiled: Compiled, change: Callable[[Site, Random], Site | None], rng: Random
) -> Compiled:
    sites = cast(HasHandlers, compiled).handler_sites
    changed = [change(site, rng) or site for site in sites]
    return cast(Compiled, _Changed(compiled, changed)) if sites else compiled


def _other_handler(site: Site, rng: Random) -> Site | None:
    """Have an entry lead to the handler of another one."""
    address, offset, entries = site
    places = [n for n, (kind, *_) in enumerate(entries) if kind in _HANDLERS]
    pairs = [(a, b) for a in places for b in places if entries[a][2] != entries[b][2]]
    if not pairs:
        return None
    at, other = rng.choice(pairs)
    changed = list(entries)
    changed[at] = (*entries[at][:2], entries[other][2])
    return address, offset, changed


def _next_tag(site: Site, _: Random) -> Site:
    address, offset, entries = site
    changed = [(kind, n + (kind == "tag"), place) for kind, n, place in entries]
    return address, offset, changed


def _truncated(site: Site, _: Random) -> Site:
    address, offset, entries = site
    return address, offset, entries[:-1]


def _default_first(site: Site, _: Random) -> Site | None:
    address, offset, entries = site
    first = [entry for entry in entries if entry[0] == "default"]
    return (address, offset, [*first, *entries]) if first and len(entries) > 1 else None


def _larger_frame(site: Site, _: Random) -> Site:
    address, offset, entries = site
    return address, (offset or 0) + 16, entries


def _other_context(site: Site, _: Random) -> Site | None:
    """Have a context lie beside where it does."""
    address, offset, entries = site
    changed = [(k, n + 8 if k == "stack" else n ^ (k == "register"), p) for k, n, p in entries]
    return None if changed == list(entries) else (address, offset, changed)


for _name, _summary, _change in (
    ("exception-other-handler", "an exception goes to the handler of another tag", _other_handler),
    ("exception-other-tag", "an exception table has other tags", _next_tag),
    ("exception-table-truncated", "an exception table lacks its last entry", _truncated),
    ("exception-default-first", "the default of an exception table comes first", _default_first),
    ("exception-frame-offset", "a handler gets another stack pointer", _larger_frame),
    ("exception-context-place", "a context is looked for beside its place", _other_context),
):
    site_fault(_name, _summary, _change)


def _lost_register(case: Case, rng: Random) -> Injection | None:
    """Have the tables of frames of all functions lack a saved register."""
    seed = rng.random()

    def code(case: Case, isa: str, program: Sequence[Compiled]) -> Sequence[Compiled]:
        drawn = Random(seed)
        return [_without_register(compiled, case, isa, drawn) for compiled in program]

    return Injection(code=code)


def _without_register(compiled: Compiled, case: Case, isa: str, rng: Random) -> Compiled:
    try:
        found = cast(HasUnwindTables, compiled).debug_frame(target_of(case, isa).handle)
    except (CompileError, CompilerPanic):
        return compiled
    section = bytearray(found or b"")
    described = ISAS[isa]
    kept = {described.frame_pointer, described.return_register, described.stack_pointer}
    registers = (THROWING.of(described).tables or UNWINDING.of(described)).registers
    places = [
        each
        for each in instructions(bytes(section), described.byte_order)
        if each.name == "offset" and registers[section[each.at] & _NUMBER] not in kept
    ]
    if not places:
        return compiled
    _erase(section, rng.choice(places))
    return cast(Compiled, _Changed(compiled, section=bytes(section)))


def _erase(section: bytearray, instruction: TableInstruction) -> None:
    end = instruction.at + instruction.size
    section[instruction.at : end] = bytes([_NOP] * instruction.size)


def _restores(isa: str) -> bool:
    """Whether a handler may find registers preserved."""
    throwing = THROWING.of_any(ISAS[isa])
    return throwing is not None and bool(throwing.restored)


fault(
    "exception-register-lost",
    "a register that a callee has saved is not restored for the handler",
    isas=tuple(filter(_restores, ISAS)),
    throwing=True,
)(_lost_register)


# --- what handlers are handed ---


def _handlers(functions: list[Function]) -> list[Handler]:
    calls: list[Inst] = [inst for f in functions for inst in f.instructions() if inst.handlers]
    return [handler for inst in calls for handler in inst.handlers]


def _with_payload(functions: list[Function]) -> list[Handler]:
    return [h for h in _handlers(functions) if {"exn0", "exn1"} & set(map(str, h.target.args))]


@clif_fault(
    "exception-payload-swapped", "the words of a payload change", _with_payload, throwing=True
)
def _payload_swapped(handler: Handler) -> None:
    other = {"exn0": "exn1", "exn1": "exn0"}
    handler.target.args = [
        other[arg] if isinstance(arg, str) else arg for arg in handler.target.args
    ]


def _with_pairs(functions: list[Function]) -> list[tuple[Handler, int, int]]:
    return [
        (handler, *pair)
        for handler in _handlers(functions)
        for pair in pairs_of_one_type(handler.target.args)
    ]


@clif_fault(
    "exception-values-swapped", "values that a handler is handed change", _with_pairs, throwing=True
)
def _values_swapped(choice: tuple[Handler, int, int]) -> None:
    handler, left, right = choice
    args = handler.target.args
    args[left], args[right] = args[right], args[left]
