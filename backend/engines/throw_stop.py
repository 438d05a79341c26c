"""Where code stops because a function throws, and how the host has it go on.

For engines without hooks: there the trap at ``AddressMap.throw`` stops the code as any other trap
does. Where code goes on is a new start of the engine, at another address and with other registers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping

from backend.emulator.guest_memory import GuestMemory
from backend.emulator.isa import Isa
from backend.emulator.machine import Machine


class ThrowStop:
    """The place at which functions throw, and what the host has answered there.

    Args:
        place: the address of the trap.

    Attributes:
        answer: what calls the host; None until it asks to be called.
        target: where code is to go on, until it does.
        refusal: why it is not to go on.
    """

    def __init__(self, isa: Isa, place: int) -> None:
        # On some ISAs the program counter is behind a trap that has stopped the code.
        self.places = range(place, place + len(isa.trap) + 1)
        self.answer: Callable[[], None] | None = None
        self.target: int | None = None
        self.refusal = ""

    def is_answered(self, program_counter: int) -> bool:
        """Call the host if code has stopped here, and return whether it has code go on."""
        if self.answer is None or program_counter not in self.places:
            return False
        self.answer()
        return self.target is not None

    def take_target(self) -> int | None:
        """Return where code is to go on, once."""
        target, self.target = self.target, None
        return target

    def take_refusal(self) -> str:
        """Return why code is not to go on, once."""
        refusal, self.refusal = self.refusal, ""
        return refusal


class StoppingMachine(Machine):
    """A machine of an engine without hooks.

    Attributes:
        thrown: where its code stops if a function throws.
        is_changed: the registers of the next start are those of a handler.
    """

    def __init__(self, isa: Isa, memory: GuestMemory) -> None:
        super().__init__(isa, memory)
        self.thrown = ThrowStop(isa, memory.places.throw)
        self.is_changed = False

    @abstractmethod
    def write_start(self, name: str, value: int) -> None:
        """Set what the next start finds in a register."""

    def catch(self, answer: Callable[[], None]) -> None:
        super().catch(answer)
        self.thrown.answer = answer

    def go_on(
        self, address: int, registers: Mapping[str, int], others: Mapping[str, int] | None = None
    ) -> None:
        self.is_changed = True
        for name, value in {**(others or {}), **registers}.items():
            self.write_start(name, value)
        self.thrown.target = address

    def refuse(self, reason: str) -> None:
        self.thrown.refusal = reason
