"""A whole case: its plan, its functions from the leaves to main, its inputs."""

from __future__ import annotations

from collections.abc import Mapping

from backend.opcodes import OPCODES
from clif.opcodes import Opcode
from fuzz.case import Case
from fuzz.entropy import Entropy
from fuzz.generate.function import write_function
from fuzz.generate.inputs import draw_inputs
from fuzz.generate.options import Options
from fuzz.generate.repertoire import Repertoire, Supported
from fuzz.generate.settings import draw_isa_settings, draw_settings
from fuzz.generate.support import probed
from fuzz.generate.swarm import Swarm
from fuzz.generate.writer import Plan

_REGION_SHARE = 0.6
_CALLEE_STEPS = 300


class Generator:
    """Makes cases. A case is a function of the entropy, the options and what is supported.

    ``supported`` is to answer True only where every target of the case lowers the combination and
    the interpreter knows the opcode; by default that is probed.
    """

    def __init__(
        self,
        options: Options,
        supported: Supported | None = None,
        opcodes: Mapping[str, Opcode] = OPCODES,
    ) -> None:
        self.options = options
        supported = supported or probed(options)
        self.repertoire = Repertoire(supported, opcodes, options.types, options.opcodes)

    def generate(self, entropy: Entropy) -> Case:
        """One case. It ends for every entropy, exhausted bytes included."""
        settings = draw_settings(entropy, self.options)
        plan = self._plan(entropy, settings)
        budgets = self._budgets(entropy)
        for number, budget in enumerate(budgets[1:], 1):
            callee = write_function(plan, f"f{number}", budget, _CALLEE_STEPS, main=False)
            plan.callees.append(callee)
        main = write_function(plan, "main", budgets[0], self.options.steps, main=True)
        types = main.function.signature.param_types
        region = None if main.memory is None else (main.memory, plan.region_size)
        return Case(
            [main.function, *(callee.function for callee in plan.callees)],
            draw_inputs(entropy, types, self.options.inputs, region),
            settings | plan.demands,
            draw_isa_settings(entropy, self.options),
            plan.trapping,
        )

    def _plan(self, entropy: Entropy, settings: Mapping[str, str]) -> Plan:
        options = self.options
        trapping = entropy.chance(options.trapping_share)
        plan = Plan(
            entropy,
            options,
            self.repertoire,
            Swarm(entropy, self.repertoire),
            canonical=settings.get("enable_nan_canonicalization") == "true",
            multi_return=settings.get("enable_multi_ret_implicit_sret") == "true",
            trapping=trapping,
            sites=1 + entropy.below(3) if trapping else 0,
            settings=settings,
            depth=3 if entropy.below(16) else 7,
        )
        if entropy.chance(_REGION_SHARE) or trapping:
            plan.region_size = 16 * (1 + entropy.below(4 if entropy.below(4) else 16))
            if entropy.below(3) == 0:
                plan.readonly = 8 * entropy.below(plan.region_size // 8)
        return plan

    def _budgets(self, entropy: Entropy) -> list[int]:
        """Instructions for main and for each callee."""
        # A third comes on top: joins, guards, what is folded at the ends.
        mean = self.options.instructions * 2 // 3
        total = max(4, mean // 2 + entropy.below(mean + 1))
        count = min(entropy.choice((0, 0, 0, 1, 1, 2, 3)), self.options.callees, total // 8)
        rest = [max(3, total // (2 * count + 2)) for _ in range(count)]
        return [max(3, total - sum(rest)), *rest]
