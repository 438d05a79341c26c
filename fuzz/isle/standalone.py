"""A function that holds one fragment and nothing else."""

from __future__ import annotations

from clif.function import AbiParam, Function, Signature, Value
from clif.memory_access import address_operand
from clif.types import I64, Type
from fuzz.generate.case_plan import CasePlan
from fuzz.generate.writer import MemoryObject, Writer
from fuzz.isle.emit import emit
from fuzz.isle.fragment import Fragment

_REGION: int = 64
_STEPS: int = 1000


def standalone(
    plan: CasePlan, fragment: Fragment, name: str = "main"
) -> tuple[Function, int | None]:
    """Return a function with the fragment, and the index of a parameter.

    The function's other parameters are the fragment's operands, its results are the fragment's
    results.

    Args:
        plan: should allow any number of results.

    Returns:
        The function, and the index of the parameter that takes the address of a region of 64 bytes;
        None if the fragment does not access memory.

    Raises:
        ValueError: the fragment does not fit.
    """
    function = Function(name, Signature())
    w = Writer(plan, function, _STEPS)
    memory = any(address_operand(step.instruction.opcode) is not None for step in fragment.steps)
    if memory:
        address = w.value(w.address)
        w.block.params.append(address)
        w.memory.append(MemoryObject(_REGION, base=address))
    params = [
        w.value(type_) for type_ in (*fragment.operands, *(() if fragment.operands else (I64,)))
    ]
    w.block.params.extend(params)
    for param in params:
        w.pool.add(param)
    mark = w.pool.mark()
    waiting = list(params)

    def operand(w: Writer, type_: Type, taken: list[Value]) -> Value:
        value = next(value for value in waiting if value.type is type_)
        waiting.remove(value)
        w.pool.use(value)
        return value

    if not emit(w, fragment, operand):
        raise ValueError(f"the fragment of {fragment.steps[-1].instruction.name} does not fit")
    results = w.pool.since(mark)
    w.emit("return", *results)
    entry = function.blocks[0].params
    function.signature = Signature(
        tuple(AbiParam(param.type) for param in entry),
        tuple(AbiParam(value.type) for value in results),
    )
    return function, 0 if memory else None
