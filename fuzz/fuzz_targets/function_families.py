"""Families of functions that grow in one way with their size, for the target ``limits``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final


def _function(body: Iterable[str], params: str = "i64, i64", returns: str = "i64") -> str:
    lines = [line if line.startswith("block") else f"    {line}" for line in body]
    return "\n".join([f"function %main({params}) -> {returns} system_v {{", *lines, "}"]) + "\n"


def long_chain(n: int) -> str:
    """Return ``n`` operations, each on the result of the one before."""
    names = ("iadd", "imul", "bxor", "isub")
    body = [f"v{k + 2} = {names[k % 4]} v{k + 1}, v{k % 2}" for k in range(n)]
    return _function(["block0(v0: i64, v1: i64):", *body, f"return v{n + 1}"])


def wide(n: int) -> str:
    """Return ``n`` values that are all live at once."""
    made = [f"v{k + 2} = imul v{k % 2}, v{max(0, k + 1 - k % 7)}" for k in range(n)]
    sums = [f"v{n + 2 + k} = bxor v{n + 1 + k if k else 0}, v{k + 2}" for k in range(n)]
    return _function(["block0(v0: i64, v1: i64):", *made, *sums, f"return v{2 * n + 1}"])


def same_value(n: int) -> str:
    """Return the same expression ``n`` times, for global value numbering to merge."""
    body = []
    for k in range(n):
        body += [f"v{2 * k + 2} = iadd v0, v1", f"v{2 * k + 3} = bxor v{2 * k + 1}, v{2 * k + 2}"]
    return _function(["block0(v0: i64, v1: i64):", *body, f"return v{2 * n + 1}"])


def constants(n: int) -> str:
    """Return a chain of ``n`` additions of constants, for reassociation to fold."""
    body = []
    for k in range(n):
        body += [
            f"v{2 * k + 2} = iconst.i64 {k}",
            f"v{2 * k + 3} = iadd v{2 * k + 1}, v{2 * k + 2}",
        ]
    return _function(["block0(v0: i64, v1: i64):", *body, f"return v{2 * n + 1}"])


def jumps(n: int) -> str:
    """Return ``n`` blocks, each a jump to the next."""
    body = ["block0(v0: i64, v1: i64):", "jump block1"]
    for k in range(1, n):
        body += [f"block{k}:", f"jump block{k + 1}"]
    return _function([*body, f"block{n}:", "return v0"])


def diamonds(n: int) -> str:
    """Return a sequence of ``n`` branches whose two sides join again."""
    body = ["block0(v0: i64, v1: i64):", "jump block1(v0)"]
    for k in range(n):
        first, value = 3 * k + 1, 10 + 4 * k
        body += [f"block{first}(v{value}: i64):"]
        body += [f"brif v{value}, block{first + 1}, block{first + 2}"]
        body += [f"block{first + 1}:", f"v{value + 1} = iadd v{value}, v1"]
        body += [f"jump block{first + 3}(v{value + 1})"]
        body += [f"block{first + 2}:", f"v{value + 2} = bxor v{value}, v1"]
        body += [f"jump block{first + 3}(v{value + 2})"]
    last = 10 + 4 * n
    return _function([*body, f"block{3 * n + 1}(v{last}: i64):", f"return v{last}"])


def nested_branches(n: int) -> str:
    """Return branches nested ``n`` deep, each of which may leave for a common exit."""
    body = ["block0(v0: i64, v1: i64):", "jump block1"]
    for k in range(1, n + 1):
        body += [f"block{k}:", f"v{k + 1} = iadd v{k if k > 1 else 0}, v1"]
        body += [f"brif v{k + 1}, block{k + 1}, block{n + 2}(v{k + 1})"]
    body += [f"block{n + 1}:", f"jump block{n + 2}(v0)"]
    return _function([*body, f"block{n + 2}(v{n + 2}: i64):", f"return v{n + 2}"])


def nested_loops(n: int) -> str:
    """Return loops nested ``n / 8`` deep, with one loop-carried value."""
    depth = n // 8
    body = ["block0(v0: i64, v1: i64):", "jump block1(v0)"]
    for k in range(1, depth + 1):
        body += [f"block{k}(v{k + 1}: i64):", f"jump block{k + 1}(v{k + 1})"]
    top = depth + 2
    body += [f"block{depth + 1}(v{top}: i64):", f"jump block{depth + 2}(v{top})"]
    for k in range(depth, 0, -1):
        at, value = 2 * depth + 2 - k, 2 * depth + 3 - k
        body += [f"block{at}(v{value}: i64):", f"v{value + 2 * depth} = iadd v{value}, v1"]
        v = f"v{value + 2 * depth}"
        body += [f"brif {v}, block{k}({v}), block{at + 1}({v})"]
    end, value = 2 * depth + 2, 2 * depth + 3
    return _function([*body, f"block{end}(v{value}: i64):", f"return v{value}"])


def table(n: int) -> str:
    """Return a ``br_table`` with ``n`` entries for 16 blocks."""
    entries = ", ".join(f"block{1 + k % 16}" for k in range(n))
    body = ["block0(v0: i64, v1: i64):", "v2 = ireduce.i32 v0"]
    body += [f"br_table v2, block17, [{entries}]"]
    for k in range(1, 18):
        body += [f"block{k}:", f"v{k + 2} = iconst.i64 {k}", f"return v{k + 2}"]
    return _function(body)


def block_params(n: int) -> str:
    """Return a loop that rotates ``n / 8`` loop-carried values."""
    count = n // 8
    start = ", ".join(f"v{k % 2}" for k in range(count))
    params = ", ".join(f"v{k + 2}: i64" for k in range(count))
    rotated = ", ".join(f"v{(k + 1) % count + 2}" for k in range(count))
    body = ["block0(v0: i64, v1: i64):", f"jump block1({start})", f"block1({params}):"]
    body += [f"v{count + 2} = isub v2, v1"]
    body += [f"brif v{count + 2}, block1({rotated}), block2"]
    return _function([*body, "block2:", f"return v{count + 1}"])


def memory(n: int) -> str:
    """Return ``n`` stores to and loads from a stack slot, for alias analysis."""
    body = ["ss0 = explicit_slot 4096", "block0(v0: i64, v1: i64):", "v2 = stack_addr.i64 ss0"]
    value = "v0"
    for k in range(n):
        body += [f"store notrap {value}, v2+{k * 8 % 4096}"]
        value = f"v{k + 3}"
        body += [f"{value} = load.i64 notrap v2+{(k * 8 + 64 * (k % 3)) % 4096}"]
    return _function([*body, f"return {value}"])


def calls(n: int) -> str:
    """Return ``n`` calls whose arguments are the results of the calls before."""
    body = ["sig0 = (i64, i64) -> i64 system_v", "fn0 = %callee sig0", "block0(v0: i64, v1: i64):"]
    body += [f"v{k + 2} = call fn0(v{k + 1}, v{k})" for k in range(n)]
    return _function([*body, f"return v{n + 1}"])


def selects(n: int) -> str:
    """Return a chain of ``n`` comparisons and selects."""
    body = []
    for k in range(n):
        compared, chosen = 2 * k + 2, 2 * k + 3
        body += [f"v{compared} = icmp ult v{chosen - 2}, v0"]
        body += [f"v{chosen} = select v{compared}, v{chosen - 2}, v1"]
    return _function(["block0(v0: i64, v1: i64):", *body, f"return v{2 * n + 1}"])


def tree(n: int) -> str:
    """Return a balanced tree of additions over ``n`` loads."""
    body, level, number = ["block0(v0: i64, v1: i64):"], [], 2
    for k in range(n):
        body.append(f"v{number} = load.i64 v0+{8 * k}")
        level.append(number)
        number += 1
    while len(level) > 1:
        above = []
        for left, right in zip(level[::2], level[1::2], strict=False):
            body.append(f"v{number} = iadd v{left}, v{right}")
            above.append(number)
            number += 1
        level = above + level[len(above) * 2 :]
    return _function([*body, f"return v{level[0]}"])


#: By name: makes the family's function of a size.
FAMILIES: Final[dict[str, Callable[[int], str]]] = {
    family.__name__: family
    for family in (
        long_chain,
        wide,
        same_value,
        constants,
        jumps,
        diamonds,
        nested_branches,
        nested_loops,
        table,
        block_params,
        memory,
        calls,
        selects,
        tree,
    )
}
