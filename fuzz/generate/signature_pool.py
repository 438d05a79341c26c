"""A pool of signatures for main functions.

Every signature of a main function needs a driver per ISA, which takes about as long to compile as a
case. So most cases draw theirs from a pool, whose drivers are soon compiled. The other cases, and
all callees, have any signature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from clif.function import AbiParam
from clif.types import I64, Type
from fuzz.entropy import Entropy, PrngEntropy
from fuzz.generate import conventions
from fuzz.generate.options import EVERY_TYPE, PLAIN_TYPES

#: Signatures per kind of main function: over plain types, and with one other type.
POOL_SIZE = 24
UNCOMMON_SIZE = 4
#: How many signatures are drawn, of which the one that suits the types of the case best is taken.
_LOOKED_AT = 4
_EXTENDED = 6


@dataclass(frozen=True, slots=True)
class DrawnSignature:
    """Parameters and results of a function.

    Attributes:
        memory: the index of the parameter that takes the region's address.
    """

    params: tuple[AbiParam, ...]
    returns: tuple[AbiParam, ...]
    memory: int | None

    def with_address(self, type_: Type) -> DrawnSignature:
        """Return the signature with an address of another type than i64."""
        params = tuple(
            AbiParam(type_) if n == self.memory else param for n, param in enumerate(self.params)
        )
        return replace(self, params=params)

    def foreign(self, types: tuple[Type, ...]) -> int:
        """Return how many of the values have a type that is not among these."""
        return sum(param.type not in types for param in self.params + self.returns)


def pick_signature(
    entropy: Entropy, types: tuple[Type, ...], multi: bool, region: bool, address: Type = I64
) -> DrawnSignature:
    """Draw a few signatures from the pool, and return the one that suits ``types`` best.

    Args:
        address: the type of the region's address.
    """
    uncommon = tuple(type_ for type_ in types if type_ not in PLAIN_TYPES)
    signatures = signature_pool(entropy.choice(uncommon) if uncommon else None, multi, region)
    drawn = [entropy.choice(signatures) for _ in range(_LOOKED_AT)]
    found = min(drawn, key=lambda signature: signature.foreign(types))
    return found if address is I64 else found.with_address(address)


@cache
def signature_pool(uncommon: Type | None, multi: bool, region: bool) -> tuple[DrawnSignature, ...]:
    """Return the pool over plain types, which is the same in every process.

    Args:
        uncommon: a further type that the signatures have.
        multi: there may be more results than fit in registers.
        region: a parameter takes the region's address.
    """
    seed = EVERY_TYPE.index(uncommon) if uncommon is not None else 0
    size = UNCOMMON_SIZE if uncommon is not None else POOL_SIZE
    entropy = PrngEntropy((POOL_SIZE, int(multi), int(region), seed))
    return tuple(_draw(entropy, uncommon, multi, region) for _ in range(size))


def _draw(entropy: Entropy, uncommon: Type | None, multi: bool, region: bool) -> DrawnSignature:
    few = [entropy.choice(PLAIN_TYPES) for _ in range(3)] + [I64]
    if uncommon is not None:
        few = [*few[2:], uncommon, uncommon]
    count = 2 + entropy.below(4)
    if entropy.below(8) == 0:
        count += entropy.below(8)  # some on the stack
    params = [abi_param(entropy, entropy.choice(few)) for _ in range(count)]
    memory = entropy.below(count + 1) if region else None
    if memory is not None:
        params.insert(memory, AbiParam(I64))
    returns = [entropy.choice(few) for _ in range(entropy.between(1, 6 if multi else 3))]
    while not multi and not conventions.fits("system_v", returns):
        returns.pop()
    return DrawnSignature(tuple(params), tuple(abi_param(entropy, t) for t in returns), memory)


def abi_param(entropy: Entropy, type_: Type) -> AbiParam:
    """Return a parameter or result of the type; some narrow integers are extended."""
    narrow = type_.is_int and type_.bits < 64 and not type_.is_vector
    if narrow and entropy.below(_EXTENDED) == 0:
        return AbiParam(type_, entropy.choice(("uext", "sext")))
    return AbiParam(type_)
