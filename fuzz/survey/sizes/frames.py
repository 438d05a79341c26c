"""Frames: stack slots and spilled values that lie far from the stack pointer."""

from __future__ import annotations

from functools import partial
from typing import Final

from fuzz.survey.sizes.shape import Program, Shape, function, runs_of

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_BLOCK: Final = "block0(v0: i64, v1: i64):"
#: Cranelift documents 1 GiB as the most that it compiles.
_SIZES: Final = (
    *(512 * _KIB, _MIB, 16 * _MIB, 64 * _MIB, 256 * _MIB),
    *(_GIB - 64 * _KIB, _GIB - 4 * _KIB, _GIB, _GIB + 64 * _KIB),
    *(2 * _GIB - 16, 2 * _GIB, 2 * _GIB + 64, 3 * _GIB, 4 * _GIB - 16),
)
_WITHOUT_PROBES: Final = {"enable_probestack": "false"}
_PROBES: Final = {"enable_probestack": "true", "probestack_strategy": "inline"}


def frame(size: int, slots: int = 1) -> Program:
    """Return stores to both ends and the middle of stack slots, and loads from there."""
    each = size // slots // 8 * 8
    places = [(slot, at) for slot in range(slots) for at in (0, each // 16 * 8, each - 8)]
    preamble = [f"ss{slot} = explicit_slot {each}" for slot in range(slots)]
    body = [_BLOCK]
    number = 2
    for k, (slot, at) in enumerate(places):
        body += [f"v{number} = iconst.i64 {k}", f"v{number + 1} = iadd v{k % 2}, v{number}"]
        body += [f"v{number + 2} = stack_addr.i64 ss{slot}", f"v{number + 3} = iconst.i64 {at}"]
        body += [f"v{number + 4} = iadd v{number + 2}, v{number + 3}"]
        body += [f"store notrap v{number + 1}, v{number + 4}"]
        number += 5
    total = "v0"
    for slot, at in places:
        body += [f"v{number} = stack_addr.i64 ss{slot}", f"v{number + 1} = iconst.i64 {at}"]
        body += [f"v{number + 2} = iadd v{number}, v{number + 1}"]
        body += [f"v{number + 3} = load.i64 notrap v{number + 2}"]
        body += [
            f"v{number + 4} = bxor v{number + 3}, {total}",
            f"v{number + 5} = bnot v{number + 4}",
        ]
        total, number = f"v{number + 5}", number + 6
    return Program(
        function([*body, f"return {total}"], preamble=preamble),
        runs_of(partial(_frame, len(places))),
    )


def _frame(places: int, x: int, y: int) -> int:
    total = x
    for k in range(places):
        total = ~(((y if k % 2 else x) + k) ^ total)
    return total


def argument_behind_frame(size: int) -> Program:
    """Return a function with a large frame that takes an argument from its caller's frame."""
    params = ", ".join(f"v{k}: i64" for k in range(12))
    callee = function(
        [
            f"block0({params}):",
            "v12 = stack_addr.i64 ss0",
            "store notrap v11, v12",
            "v13 = load.i64 notrap v12",
            "v14 = isub v13, v10",
            "return v14",
        ],
        "callee",
        f"({', '.join(['i64'] * 12)}) -> i64",
        [f"ss0 = explicit_slot {size}"],
    )
    main = function(
        [_BLOCK, f"v2 = call fn0({', '.join(f'v{k % 2}' for k in range(12))})", "return v2"],
        preamble=[f"fn0 = colocated %callee({', '.join(['i64'] * 12)}) -> i64 system_v"],
    )
    return Program(f"{callee}\n{main}", runs_of(lambda x, y: y - x))


def spills(n: int) -> Program:
    """Return ``n`` values that are all live at once, so that most are in the frame."""
    made = [f"v{k + 2} = imul v{k % 2}, v{k + 1}" for k in range(n)]
    sums = [f"v{n + 2 + k} = bxor v{n + 1 + k if k else 0}, v{k + 2}" for k in range(n)]

    def compute(x: int, y: int) -> int:
        value, total = y, x
        for k in range(n):
            value = value * (y if k % 2 else x) & (1 << 64) - 1
            total ^= value
        return total

    return Program(function([_BLOCK, *made, *sums, f"return v{2 * n + 1}"]), runs_of(compute))


def slots(n: int) -> Program:
    """Return ``n`` stack slots, each with a value of its own."""
    preamble = [f"ss{k} = explicit_slot 8" for k in range(n)]
    body, number, total = [_BLOCK], 2, "v0"
    for k in range(n):
        body += [f"v{number} = iconst.i64 {k}", f"v{number + 1} = bxor v{k % 2}, v{number}"]
        body += [
            f"v{number + 2} = stack_addr.i64 ss{k}",
            f"store notrap v{number + 1}, v{number + 2}",
        ]
        number += 3
    for k in range(n):
        body += [f"v{number} = stack_addr.i64 ss{k}", f"v{number + 1} = load.i64 notrap v{number}"]
        body += [f"v{number + 2} = iadd {total}, v{number + 1}"]
        total, number = f"v{number + 2}", number + 3

    def compute(x: int, y: int) -> int:
        return x + sum((y if k % 2 else x) ^ k for k in range(n))

    return Program(function([*body, f"return {total}"], preamble=preamble), runs_of(compute))


SHAPES: Final = (
    Shape("frame", "bytes", _SIZES, frame, _WITHOUT_PROBES, ("speed",)),
    Shape("frame_of_slots", "bytes", _SIZES, partial(frame, slots=4), _WITHOUT_PROBES, ("speed",)),
    Shape(
        "frame_with_probes",
        "bytes",
        (512 * _KIB, 16 * _MIB, 64 * _MIB),
        frame,
        _PROBES,
        ("speed",),
        optional=True,
    ),
    Shape(
        "argument_behind_frame", "bytes", _SIZES, argument_behind_frame, _WITHOUT_PROBES, ("speed",)
    ),
    Shape("spills", "values", (1 << 8, 1 << 11), spills),
    Shape(
        "spills_single_pass",
        "values",
        (1 << 8, 1 << 12, 1 << 15),
        spills,
        {"regalloc_algorithm": "single_pass"},
    ),
    Shape("slots", "slots", (1 << 9, 1 << 12, 1 << 15), slots),
)
