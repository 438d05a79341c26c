"""What holds of executors on Unicorn holds of those on Bochs, for the ISA that it emulates."""

from __future__ import annotations

import pytest

from tests.backend.emulator import machine
from tests.backend.emulator.test_conventions import *  # noqa: F403
from tests.backend.emulator.test_executor import *  # noqa: F403
from tests.backend.emulator.test_executor_poison import *  # noqa: F403
from tests.backend.emulator.test_executor_traps import *  # noqa: F403
from tests.backend.emulator.test_throwing import *  # noqa: F403
from tests.backend.engines.installed import needs_bochs, runs

pytestmark = needs_bochs

for name in (
    "test_a_fault_where_cranelift_knows_no_trap_is_a_violation",
    "test_a_violation_names_the_access_that_failed",
    "test_data_is_not_executed",
    "test_signing_return_addresses_executes_and_changes_nothing",
    "test_a_relocation_out_of_reach_is_refused",  # of the ISA that Bochs does not emulate
    "test_upper_bits_of_other_results_are_free",
):
    del globals()[name]


@pytest.fixture(autouse=True)
def _on_bochs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    called_with = getattr(request.node, "callspec", None)
    isa = called_with.params.get("isa") if called_with else None
    if isa is not None and not runs("bochs", isa):
        pytest.skip(f"Bochs does not emulate {isa}")
    monkeypatch.setattr(machine, "ENGINE", "bochs")
