"""Stack frames: big ones, of which a few places are used, and many slots of any alignment.

Slots of ``memory`` are initialised byte by byte, which would be too expensive here. Only the fields
that were initialised are read.
"""

from __future__ import annotations

from clif.function import StackSlot, Value
from fuzz.generate import conventions
from fuzz.generate.addresses import address_of, check_alignment
from fuzz.generate.operands import pick_canonical
from fuzz.generate.settings import all_outline_probes
from fuzz.generate.writer import Field, Writer

_BIG = (2000, 4080, 4096, 5000, 8192, 12288, 20000, 33000, 65536, 70000, 100000)
_ALIGNMENTS = (1, 2, 4, 8, 16, 16, 32, 64, 128)
_MANY = 16


def enlarge(w: Writer, convention: str) -> None:
    """Sometimes give the function a big frame, or many slots."""
    kind = w.entropy.below(24)
    if kind == 0 and not _probes_clobber(w, convention):
        _big_slot(w)
    elif kind == 1:
        for _ in range(3 + w.entropy.below(_MANY)):
            size = 1 + w.entropy.below(48)
            _use(w, StackSlot(size, w.entropy.choice(_ALIGNMENTS)), 1)


def _probes_clobber(w: Writer, convention: str) -> bool:
    """Return whether the stack probes of a big frame would clobber a preserved register."""
    probes = {**w.plan.settings, **w.plan.required_settings}.get("enable_probestack") == "true"
    return probes and conventions.probes_clobber(convention, w.plan.options.isas)


def _big_slot(w: Writer) -> None:
    plan = w.plan
    sizes = [size for size in _BIG if size <= plan.frames]
    if not sizes:
        return
    size = w.entropy.choice(sizes)
    plan.frames -= size
    _use(w, StackSlot(size, w.entropy.choice(_ALIGNMENTS)), 2 + w.entropy.below(4))
    probes = plan.settings.get("enable_probestack") == "true"
    if probes and not all_outline_probes(plan.options.isas):
        plan.required_settings["probestack_strategy"] = "inline"


def _use(w: Writer, slot: StackSlot, count: int) -> None:
    """Initialise some fields that do not overlap."""
    w.function.stack_slots.append(slot)
    share = slot.size // count
    for number in range(count):
        types = [t for t in w.pool.types() if t.bytes <= share and w.can_store(t)]
        if not types:
            continue
        type_ = w.entropy.choice(types)
        at = number * share + w.entropy.below(share - type_.bytes + 1)
        field = Field(slot, type_, share * count - type_.bytes if number == count - 1 else at)
        _store(w, field)
        w.fields.append(field)
    check_alignment(w, slot)


def access(w: Writer) -> bool:
    """Read or write a field. Returns False if there is none."""
    if not w.fields:
        return False
    field = w.entropy.choice(w.fields)
    if w.entropy.below(3) == 0:
        _store(w, field)
    else:
        address, offset = _place(w, field)
        inst = w.emit("load", address, type=field.type, results=(field.type,), offset=offset)
        w.keep(inst.results[0])
    return True


def _store(w: Writer, field: Field) -> None:
    value = pick_canonical(w, field.type)
    address, offset = _place(w, field)
    w.emit("store", value, address, type=field.type, offset=offset)


def _place(w: Writer, field: Field) -> tuple[Value, int]:
    """Return address and offset of a field: the offset is in either of them, or added."""
    kind = w.entropy.below(3)
    if kind == 0:
        return address_of(w, field.slot, field.offset), 0
    base = address_of(w, field.slot, 0)
    if kind == 1:
        return base, field.offset
    return w.op("iadd", base, w.constant(w.address, field.offset)), 0
