"""Cranelift's own names of ISAs, for their rules and in triples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class CraneliftNames:
    """Cranelift's names of one ISA.

    Attributes:
        rules: the name of the set of its lowering rules. Several ISAs may share one.
        folder: of the lowering rules, by default called as their set is.
    """

    rules: str
    folder: str = field(default="")

    def __post_init__(self) -> None:
        if not self.folder:
            object.__setattr__(self, "folder", self.rules)


_PULLEY: Final = CraneliftNames("pulley", "pulley_shared")


#: The architecture of triples, where it is not called as the ISA.
ARCHITECTURES: Final[Mapping[str, str]] = {"riscv64": "riscv64gc"}

#: By name of the ISA.
CRANELIFT_NAMES: Final[Mapping[str, CraneliftNames]] = {
    "x86_64": CraneliftNames("x64"),
    "aarch64": CraneliftNames("aarch64"),
    "riscv64": CraneliftNames("riscv64"),
    "s390x": CraneliftNames("s390x"),
    "pulley64": _PULLEY,
    "pulley32": _PULLEY,
    "pulley64be": _PULLEY,
    "pulley32be": _PULLEY,
}


def _rule_groups() -> dict[str, str]:
    owners: dict[str, list[str]] = {}
    for isa, names in CRANELIFT_NAMES.items():
        owners.setdefault(names.rules, []).append(isa)
    return {rules: isas[0] if len(isas) == 1 else rules for rules, isas in owners.items()}


#: What reports call the rules of each set: by their ISA, or by the set's name if several share it.
RULE_GROUPS: Final[Mapping[str, str]] = _rule_groups()
