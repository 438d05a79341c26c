"""s390x, as data."""

from __future__ import annotations

from typing import Final

from backend.emulator.convention import ArgumentRegisters, Convention, ResultRegisters
from backend.emulator.isa import Isa
from backend.isa.s390x.flags import FLAGS

# r14 holds the return address, and r1 belongs to whoever stands between caller and callee.
_SAVED: Final = tuple(f"r{n}" for n in range(6, 14))
_SAVED_FLOATS: Final = tuple(f"f{n}" for n in range(8, 16))
_VECTORS: Final = tuple(f"v{n}" for n in range(32))
_VOLATILE: Final = ("r0", *(f"r{n}" for n in range(2, 6)))
_PASSED: Final = ArgumentRegisters(5, 4, vectors=8, wide=False)
_RETURNED: Final = ResultRegisters(4, 4, 16, vectors=8, wide=False)
# r6 carries the last integer argument, and the callee preserves it.
_ARGUMENTS: Final = frozenset(["r6"])
_ALL_ARGUMENTS: Final = frozenset(
    [
        *("r2", "r3", "r4", "r5", "r6", "v0", "v2", "v4", "v6"),
        *(f"v{n}" for n in range(24, 32)),
    ]
)

S390X: Final = Isa(
    name="s390x",
    aliases=frozenset(["systemz", "zarch"]),
    package="backend.isa.s390x",
    triple="s390x-unknown-linux-gnu",
    by_default=False,
    pointer_bytes=8,
    byte_order="big",
    stack_alignment=8,
    trap=b"\x00\x00",
    ends_block=frozenset(["br", "j", "jg", "bras"]),
    other_jumps=frozenset(["bras"]),  # over a constant, which it leaves the address of
    capstone=("SYSZ", "BIG_ENDIAN"),
    frame_pointer="",
    stack_pointer="r15",
    return_register="r14",
    pinned="",
    conventions={
        "system_v": Convention(
            _SAVED,
            _SAVED_FLOATS,
            arguments=_ARGUMENTS,
            passed=_PASSED,
            results=_RETURNED,
            exceptions=True,
            sret=True,
            extends_results=True,
        ),
        "fast": Convention(
            _SAVED,
            _SAVED_FLOATS,
            arguments=_ARGUMENTS,
            passed=_PASSED,
            results=_RETURNED,
            sret=True,
            extends_results=True,
        ),
        "tail": Convention(
            _SAVED[2:],
            _SAVED_FLOATS,
            passed=ArgumentRegisters(6, 4, vectors=8, wide=False),
            results=ResultRegisters(6, 4, 18, vectors=8, wide=False),
            exceptions=True,
            extends_results=True,
            little_lanes=True,
        ),
        "windows_fastcall": Convention(
            _SAVED,
            _SAVED_FLOATS,
            arguments=_ARGUMENTS,
            passed=_PASSED,
            results=_RETURNED,
            sret=True,
            extends_results=True,
        ),
        "preserve_all": Convention(
            (*_VOLATILE, *_SAVED),
            vectors=_VECTORS,
            arguments=_ALL_ARGUMENTS,
            passed=_PASSED,
            results=ResultRegisters(0, 0, 0),
            exceptions=True,
        ),
    },
    flags=FLAGS,
    settings={"enable_multi_ret_implicit_sret": "true"},  # else i128 results are refused
    tail_call_settings={},
    probe_strategies=frozenset(["inline"]),
    save_area=160,
    late_traps=True,
    lengths=(2, 4, 4, 6),
)
