"""Cranelift's own names of ISAs, for their rules and for building releases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CraneliftNames:
    """Cranelift's names of one ISA.

    Attributes:
        rules: the folder of its lowering rules, which is the name of their set too.
        feature: the feature of ``cranelift-codegen`` that it is compiled with.
    """

    rules: str
    feature: str


#: The architecture of triples, where it is not called as the ISA.
ARCHITECTURES: Final[Mapping[str, str]] = {"riscv64": "riscv64gc"}

#: By name of the ISA.
CRANELIFT_NAMES: Final[Mapping[str, CraneliftNames]] = {
    "x86_64": CraneliftNames("x64", "x86"),
    "aarch64": CraneliftNames("aarch64", "arm64"),
    "riscv64": CraneliftNames("riscv64", "riscv64"),
    "s390x": CraneliftNames("s390x", "s390x"),
}
