"""Compiling for a target: what the rest of the project uses of the extension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from backend.cranelift._cranelift import (
    Compiled,
    CompileError,
    CompilerPanic,
    Functions,
    IncrementalCache,
    ReadError,
    SettingsError,
    TargetIsa,
    UnsupportedError,
    VerifierError,
    debug_assertions,
    isas,
    version,
)

__all__ = [
    "CompileError",
    "Compiled",
    "CompilerPanic",
    "Functions",
    "IncrementalCache",
    "ReadError",
    "SettingsError",
    "Target",
    "TargetIsa",
    "UnsupportedError",
    "VerifierError",
    "compile_text",
    "debug_assertions",
    "isas",
    "version",
]


@dataclass(frozen=True, slots=True)
class Target:
    """An ISA with its settings; hashable, so that whatever belongs to a target can be cached.

    Attributes:
        isa: its name as in a ``target`` line, or a whole triple.
        settings: the shared settings that differ from Cranelift's defaults, sorted.
        flags: the ISA's own that differ, sorted.
    """

    isa: str
    settings: tuple[tuple[str, str], ...] = ()
    flags: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        isa: str,
        settings: Mapping[str, str] | None = None,
        flags: Mapping[str, str] | None = None,
    ) -> Target:
        """The target of these mappings."""
        return cls(
            isa, tuple(sorted((settings or {}).items())), tuple(sorted((flags or {}).items()))
        )

    @property
    def triple(self) -> str:
        """Linux is meant where only an architecture is named."""
        if "-" in self.isa or self.isa.startswith("pulley"):
            return self.isa
        architecture = "riscv64gc" if self.isa == "riscv64" else self.isa
        return f"{architecture}-unknown-linux-gnu"

    @property
    def handle(self) -> TargetIsa:
        """What the extension compiles for. Made once.

        Raises:
            SettingsError: the ISA is not in this build, or a setting is wrong.
        """
        return _handle(self)

    def compile(
        self, functions: Functions, *, clif: bool = False, chaos: bytes = b""
    ) -> list[Compiled]:
        """Compiles all functions; raises as ``Functions.compile`` does."""
        return functions.compile(_handle(self), clif=clif, chaos=chaos)

    def compile_each(
        self, functions: Functions
    ) -> list[Compiled | VerifierError | CompileError | CompilerPanic]:
        """Compiles each function, or says what came in the way of it."""
        return functions.compile_each(_handle(self))

    def __str__(self) -> str:
        """As the words of a ``target`` line, the shared settings in brackets behind them."""
        text = " ".join([self.isa, *(f"{name}={value}" for name, value in self.flags)])
        if self.settings:
            text += f" [{' '.join(f'{name}={value}' for name, value in self.settings)}]"
        return text


@lru_cache(maxsize=256)  # settings are drawn freely: few come twice
def _handle(target: Target) -> TargetIsa:
    return TargetIsa(target.triple, dict(target.settings), dict(target.flags))


def compile_text(
    text: str, target: Target, *, clif: bool = False, chaos: bytes = b""
) -> list[Compiled]:
    """Reads and compiles in one go, for the occasional function."""
    return target.compile(Functions(text), clif=clif, chaos=chaos)
