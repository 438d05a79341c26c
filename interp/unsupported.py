"""The opcodes without a meaning, each with the reason (``clif-fuzz support --missing``)."""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[str, str]] = {
    "debugtrap": "stops for a debugger, which is no outcome that could be compared",
    "dynamic_stack_addr": "needs dynamic vector types, whose size only an ISA knows",
    "extract_vector": "needs dynamic vector types, whose size only an ISA knows",
    "stack_switch": "changes stacks whose layout only the platform defines",
    "tls_value": "thread-local storage needs a linker and a runtime",
}
