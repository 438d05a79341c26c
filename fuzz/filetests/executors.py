"""The executors of run commands: all commands of one function in one call."""

from __future__ import annotations

from fuzz.filetests.answer import Answer, skipped
from fuzz.filetests.emulated import emulated
from fuzz.filetests.interpreted import interpreted
from fuzz.filetests.program import Program


def answers(program: Program, executor: str, name: str) -> list[Answer]:
    """The answers to all run commands of a function, in order.

    ``executor`` is ``interp`` or the name of an emulated ISA.
    """
    commands = program.commands[name]
    common = _common_reason(program, name)
    if common is not None:
        return [common] * len(commands)
    if executor == "interp":
        return interpreted(program, name, commands)
    return emulated(program, executor, name, commands)


def _common_reason(program: Program, name: str) -> Answer | None:
    """Why nobody can carry out the commands of a function."""
    header = program.header
    if not header.runs:
        kinds = ", ".join(dict.fromkeys(header.tests))
        return skipped(f"run commands mean nothing to 'test {kinds}'")
    if program.features:
        return skipped(f"needs Cargo features of Cranelift: {', '.join(program.features)}")
    reason = program.why_not_called(name)
    return skipped(reason) if reason else None
