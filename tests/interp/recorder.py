"""Records which instructions the tests of this folder run, on which types.

    python -m tests.interp.recorder FILE

runs the tests on few operands and writes the record as JSON. Tests whose expected results come from
the interpreter itself are not run.
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
    """Run the tests in this process. One that fails has run its instructions, or is missed."""
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
        patch.setattr(test_float, "_rows", few_rows)  # fractions are slow
        patch.setattr(test_integer, "_COUNT", FEW)
        pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", *map(str, files)])
    return asked


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(sorted(record())))
