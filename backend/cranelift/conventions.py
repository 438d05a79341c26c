"""What releases of Cranelift differ in about calling conventions, found out by compiling."""

from __future__ import annotations

from functools import cache
from typing import Final

from backend.cranelift.compiler import CompileError, CompilerPanic, Target, compile_text

#: More arguments than any convention passes in registers.
_MANY: Final = 24
#: Both functions have a frame; else stack arguments alone would make one on some ISAs.
_FRAMES: Final = {"preserve_frame_pointers": "true"}


@cache
def pops_arguments(triple: str, convention: str) -> bool:
    """Return whether a callee frees its stack arguments under a convention.

    A function that does nothing then ends differently if it has stack arguments. ``winch`` does so
    since 0.137, ``tail`` always did.

    Args:
        triple: of the target.
    """
    try:
        return _code(triple, convention, 0) != _code(triple, convention, _MANY)
    except (CompileError, CompilerPanic):
        return False  # nothing of this convention is ever run


def _code(triple: str, convention: str, arguments: int) -> bytes:
    types = ", ".join(["i64"] * arguments)
    params = ", ".join(f"v{number}: i64" for number in range(arguments))
    block = f"block0({params})" if params else "block0"
    text = f"function %f({types}) {convention} {{\n{block}:\n    return\n}}"
    (compiled,) = compile_text(text, Target.of(triple, _FRAMES))
    return compiled.code
