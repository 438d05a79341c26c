"""Which instructions, on which types, the tests of this folder ask the interpreter about.

    python -m tests.interp.recorder FILE

runs them on few operands and writes what they asked as JSON. Tests whose answers come from the
interpreter itself do not count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clif.function import Function
from clif.types import Type
from interp.machine import Machine
from tests.interp import test_float, test_integer

FOLDER = Path(__file__).parent
#: It compares the interpreter with itself; and this one must not run itself.
NOT_INDEPENDENT = ("test_together.py", "test_every_pair.py")
FEW = 40

Asked = set[tuple[str, str, tuple[str, ...]]]


def record() -> Asked:
    """Runs the tests in this process. What fails has asked all the same, or shows as a gap."""
    asked: Asked = set()
    begin, rows = Machine.__init__, test_float._rows

    def recording(machine: Machine, functions: Sequence[Function], *rest: Any) -> None:
        for function in functions:
            for inst in function.instructions():
                operands = tuple(str(arg.type) for arg in inst.args)
                asked.add((inst.opcode.name, str(inst.type), operands))
        begin(machine, functions, *rest)

    def few_rows(type_: Type, operands: int, count: int, seed: str) -> list[tuple[int, ...]]:
        return rows(type_, operands, min(count, FEW), seed)

    files = [path for path in sorted(FOLDER.glob("test_*.py")) if path.name not in NOT_INDEPENDENT]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Machine, "__init__", recording)
        patch.setattr(test_float, "_rows", few_rows)  # fractions take their time
        patch.setattr(test_integer, "_COUNT", FEW)
        pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *map(str, files)])
    return asked


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(sorted(record())))
