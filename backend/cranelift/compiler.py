"""Compiles CLIF for targets: the part of the extension that the rest of the project uses."""

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
from backend.cranelift.isa_names import ARCHITECTURES

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
    """An ISA with its settings; hashable, so that results can be cached by target.

    Attributes:
        isa: its name as in a ``target`` line, or a whole triple.
        settings: the shared settings that differ from Cranelift's defaults, sorted.
        flags: the ISA's own settings that differ, sorted.
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
        """Return the target of an ISA with settings and ISA flags."""
        return cls(
            isa, tuple(sorted((settings or {}).items())), tuple(sorted((flags or {}).items()))
        )

    @property
    def triple(self) -> str:
        """The triple; of an ISA that is only an architecture, that of Linux."""
        if "-" in self.isa or self.isa.startswith("pulley"):
            return self.isa
        architecture = ARCHITECTURES.get(self.isa, self.isa)
        return f"{architecture}-unknown-linux-gnu"

    @property
    def handle(self) -> TargetIsa:
        """The extension's object for this target, made once.

        Raises:
            SettingsError: the ISA is not in this build, or a setting is wrong.
        """
        return _handle(self)

    def compile(
        self,
        functions: Functions,
        *,
        clif: bool = False,
        chaos: bytes = b"",
        inlining: bytes = b"",
        labels: bool = False,
    ) -> list[Compiled]:
        """Compile all functions; see ``Functions.compile``."""
        return functions.compile(
            _handle(self), clif=clif, chaos=chaos, inlining=inlining, labels=labels
        )

    def optimize(
        self, functions: Functions, *, chaos: bytes = b"", inlining: bytes = b""
    ) -> list[str]:
        """Optimise all functions; see ``Functions.optimize``."""
        return functions.optimize(_handle(self), chaos=chaos, inlining=inlining)

    def compile_each(
        self, functions: Functions
    ) -> list[Compiled | VerifierError | CompileError | CompilerPanic]:
        """Compile each function; see ``Functions.compile_each``."""
        return functions.compile_each(_handle(self))

    def __str__(self) -> str:
        """Return the words of a ``target`` line, and the shared settings in brackets."""
        text = " ".join([self.isa, *(f"{name}={value}" for name, value in self.flags)])
        if self.settings:
            text += f" [{' '.join(f'{name}={value}' for name, value in self.settings)}]"
        return text


@lru_cache(maxsize=256)  # settings are drawn at random, so few come twice
def _handle(target: Target) -> TargetIsa:
    return TargetIsa(target.triple, dict(target.settings), dict(target.flags))


def compile_text(
    text: str, target: Target, *, clif: bool = False, chaos: bytes = b""
) -> list[Compiled]:
    """Read and compile a text. Whoever compiles it more than once should keep ``Functions``."""
    return target.compile(Functions(text), clif=clif, chaos=chaos)
