"""The values in scope, by type, and which of them are unused."""

from __future__ import annotations

from clif.function import Value
from clif.types import Type
from fuzz.entropy import Entropy

_RECENT = 6


class ValuePool:
    """The values that dominate the current position.

    Scopes nest as control flow does. ``mark`` begins a scope whose values do not dominate the code
    after it, and ``release`` ends it.
    """

    def __init__(self) -> None:
        self._log: list[Value] = []
        self._by_type: dict[Type, list[Value]] = {}
        self._unused: dict[Type, list[Value]] = {}
        self._used: set[Value] = set()

    def add(self, value: Value) -> None:
        """Add a value to the current scope."""
        type_ = value.type
        self._log.append(value)
        values = self._by_type.get(type_)
        if values is None:
            self._by_type[type_] = [value]
            self._unused[type_] = [value]
        else:
            values.append(value)
            self._unused[type_].append(value)

    def has(self, type_: Type) -> bool:
        """Return whether there is a value of the type."""
        return bool(self._by_type.get(type_))

    def use(self, value: Value) -> None:
        """Mark a value as used."""
        self._used.add(value)

    def unused(self, type_: Type) -> Value | None:
        """Return the newest unused value of a type, or None. It stays unused until ``use``."""
        waiting = self._unused.get(type_)
        while waiting:
            if waiting[-1] not in self._used:
                return waiting[-1]
            waiting.pop()
        return None

    def pick(self, entropy: Entropy, type_: Type, unused: float) -> Value | None:
        """Return a value of a type and mark it as used, or return None if there is no such value.

        Args:
            unused: the probability that an unused value is preferred.
        """
        values = self._by_type.get(type_)
        if not values:
            return None
        if entropy.chance(unused):
            waiting = self.unused(type_)
            if waiting is not None:
                self._used.add(waiting)
                return waiting
        count = len(values)
        if count > _RECENT and entropy.below(2):
            value = values[count - 1 - entropy.below(_RECENT)]
        else:
            value = values[entropy.below(count)]
        self._used.add(value)
        return value

    def mark(self) -> int:
        """Return the beginning of a scope, for ``since`` and ``release``."""
        return len(self._log)

    def since(self, mark: int) -> list[Value]:
        """Return the unused values of a scope, the oldest first."""
        return [value for value in self._log[mark:] if value not in self._used]

    def candidates(self) -> dict[Type, list[Value]]:
        """Return a few values of each type as they are now, the newest last."""
        return {type_: values[-4:] for type_, values in self._by_type.items() if values}

    def release(self, mark: int) -> None:
        """End a scope and remove its values."""
        while len(self._log) > mark:
            value = self._log.pop()
            self._by_type[value.type].pop()
            self._used.add(value)

    def types(self) -> list[Type]:
        """Return the types of the values, in the order of the first value of each type."""
        return [type_ for type_, values in self._by_type.items() if values]
