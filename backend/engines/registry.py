"""The engines, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backend.engines.bochs import Bochs
from backend.engines.engine import Engine
from backend.engines.pulley import Pulley
from backend.engines.qemu_user import QemuUser
from backend.engines.unicorn import Unicorn

#: By name, the default one first.
ENGINES: Final[Mapping[str, Engine]] = {
    engine.name: engine
    for engine in (
        Unicorn(),
        QemuUser(),
        Bochs(),
        Pulley(),
    )
}
