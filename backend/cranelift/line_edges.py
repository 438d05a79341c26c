"""The edges of lines of Cranelift's own Rust code, to tell whether these lines were reached."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from backend.cranelift import _cranelift, edge_counters, post_dominators


def edges_of_lines(file: str, lines: Collection[int]) -> Mapping[int, frozenset[int]]:
    """Return the edges after which each of these lines runs.

    A line may have none: it has no code, or the compiler merged its code with that of others. Code
    that is inlined in several places has edges in each.

    Args:
        file: the end of its path, such as ``src/alias_analysis.rs``.
    """
    with edge_counters.uncounted():  # reading debug information runs in the extension too
        pcs = edge_counters.edge_pcs().tolist()
        inside = {index for index, _ in _lines(pcs, file)}
        if not inside:
            return {}
        passed = [
            (edge, at)
            for function in post_dominators.functions_of(
                pcs, edge_counters.entry_pcs(), sorted(inside)
            )
            for edge in function.edges
            for block in function.post_dominators(pcs[edge])
            for at in function.blocks[block].instructions
        ]
        found: dict[int, set[int]] = {}
        for index, line in _lines([at for _, at in passed], file):
            if line in lines:
                found.setdefault(line, set()).add(passed[index][0])
    return {line: frozenset(edges) for line, edges in found.items()}


def _lines(addresses: list[int], file: str) -> list[tuple[int, int]]:
    """Return the lines of a file that addresses belong to: index of the address, line."""
    try:
        name = Path(file).name
        files, rows = _cranelift.source_lines(Path(_cranelift.__file__), addresses, name)
    except (OSError, ValueError):
        return []  # no debug information
    own = {n for n, path in enumerate(files) if path.replace("\\", "/").endswith(f"/{file}")}
    return [(index, line) for index, number, line in rows if number in own]
