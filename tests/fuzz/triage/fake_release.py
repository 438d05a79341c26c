"""The linked Cranelift behind the face of a release."""

from __future__ import annotations

from backend.cranelift.compiler import Target, compile_text
from backend.cranelift.releases import ReleaseCode


def compile_as_release(text: str, target: Target, chaos: bytes = b"") -> list[ReleaseCode]:
    """Compile a text as a release does."""
    return [
        ReleaseCode(
            c.name,
            c.code,
            c.relocations,
            c.traps,
            c.alignment,
            c.block_starts,
            c.instructions,
            c.clif or "",
            c.cpu_features,
        )
        for c in compile_text(text, target, chaos=chaos, clif=True)
    ]
