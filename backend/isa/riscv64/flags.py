"""Cranelift's flags for RISC-V."""

from __future__ import annotations

from typing import Final

from backend.emulator.isa import Flags, FlagWeights

_TRIPLE: Final = "riscv64gc-unknown-linux-gnu"
#: What Cranelift does not compile without; it is on unless somebody switches it off.
_BASE: Final = ("has_m", "has_a", "has_f", "has_d", "has_zicsr", "has_zifencei")
_DRAWN: Final = ("has_zca", "has_zcd")
_PRESETS: Final = ("has_c",)
#: The least number of bits in a vector register, each of which implies those before it.
_LENGTHS: Final = tuple(1 << power for power in range(5, 17))

FLAGS: Final = Flags(
    has=frozenset((*_BASE, *_DRAWN, *_PRESETS)),
    lacks=frozenset(
        [f"has_zb{letter}" for letter in ("a", "b", "c", "s", "kb")]
        + ["has_zfa", "has_zfhmin", "has_zfh", "has_zcb", "has_zicond"]
        + ["has_v", "has_zvfh", "has_zvbb"]
        + [f"has_zvl{bits}b" for bits in _LENGTHS]
        + [f"zvl{bits}b" for bits in _LENGTHS]
    ),
    drawn=_DRAWN,
    weights=FlagWeights(all=1, none=1, levels=0, any=2),
    not_drawn=dict.fromkeys(_BASE, "Cranelift refuses a CPU without it"),
    # Cranelift takes the instructions of each for what the other one has brought.
    needs={
        "has_zcd": "has_zca",
        "has_zcb": "has_zca",
        "has_zfh": "has_zfhmin",
        "has_zvfh": "has_v",
        "has_zvbb": "has_v",
        **{f"has_zvl{bits}b": "has_v" for bits in _LENGTHS},
    },
).as_built(_TRIPLE)
