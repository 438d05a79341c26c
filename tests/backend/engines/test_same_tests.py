"""What holds of executors in this process holds of those in processes of their own.

These are the very tests of ``tests/backend/emulator``. Left out are those of Unicorn's own words
and of its engine.
"""

from __future__ import annotations

import pytest

from tests.backend.emulator import machine
from tests.backend.emulator.test_conventions import *  # noqa: F403
from tests.backend.emulator.test_executor import *  # noqa: F403
from tests.backend.emulator.test_executor_poison import *  # noqa: F403
from tests.backend.emulator.test_executor_traps import *  # noqa: F403
from tests.backend.emulator.test_throwing import *  # noqa: F403
from tests.backend.engines.installed import needs_qemu

pytestmark = needs_qemu

for name in (
    "test_a_fault_where_cranelift_knows_no_trap_is_a_violation",
    "test_a_violation_names_the_access_that_failed",
    "test_data_is_not_executed",
    "test_signing_return_addresses_executes_and_changes_nothing",
):
    del globals()[name]


@pytest.fixture(autouse=True)
def _on_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ENGINE", "qemu-user")
