"""Generation of whole cases: settings, functions from the leaves to main, inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from clif.typed_instructions import OpcodeType
from fuzz.cases.case import Case
from fuzz.entropy import Entropy
from fuzz.generate.case_plan import CasePlan
from fuzz.generate.conventions import probes_clobber, takes_results_on_stack
from fuzz.generate.director import CaseDirector, Director
from fuzz.generate.function import write_function
from fuzz.generate.inputs import constants_of, draw_inputs
from fuzz.generate.instruction_set import InstructionSet
from fuzz.generate.instruction_sets import InstructionSets
from fuzz.generate.isa_choice import IsaChoice, are_usual
from fuzz.generate.options import Options
from fuzz.generate.settings import draw_chaos, draw_inlining, draw_isa_settings, draw_settings
from fuzz.generate.siblings import Family
from fuzz.generate.swarm import Swarm

_REGION_SHARE = 0.6
_CALLEE_STEPS = 300
#: One case in so many has required instructions; every case for a single ISA has.
_REQUIRING = 4
_MOST_REQUIRED = 3
#: About how many instructions a case has in addition to the budgeted ones.
_ON_TOP = 40
#: About how many instructions a required one takes, including what computes its operands.
_REQUIRED_COST = 4


class Generator:
    """Makes cases; a case is a function of the entropy, the options and what is supported.

    A generator first draws the settings that a case is compiled with. Then it composes the case of
    the instructions that the case's ISAs support under exactly these settings.

    Args:
        director: decides what some parts of the cases are, as many as ``options.directed_share``
            says. Without a director every part is drawn.
    """

    def __init__(self, options: Options, director: Director | None = None) -> None:
        self.options = options
        self.instruction_sets = InstructionSets(options)
        self._director = director
        self._choice = IsaChoice(options.isas, options.isa_weights, alone=options.alone)

    def generate(
        self,
        entropy: Entropy,
        index: int | None = None,
        *,
        isas: tuple[str, ...] | None = None,
        director: Director | None = None,
    ) -> Case:
        """Make a case. This ends for every entropy, even exhausted bytes.

        The arguments are those of ``generate_family``.
        """
        return self.generate_family(entropy, index, isas=isas, director=director).case

    def generate_family(
        self,
        entropy: Entropy,
        index: int | None = None,
        *,
        isas: tuple[str, ...] | None = None,
        director: Director | None = None,
    ) -> Family:
        """Make a case, of which siblings can be made.

        Args:
            index: cases with consecutive indices are directed at everything that the director
                covers, one after the other. What a case without an index is directed at is drawn.
            isas: the ISAs that the case is for; drawn if not given.
            director: replaces the generator's own director.
        """
        isas = self._choice.draw(entropy) if isas is None else isas
        options = replace(self.options, isas=isas)
        settings, flags = draw_settings(entropy, options), draw_isa_settings(entropy, options)
        directed = None
        director = director or self._director
        if director is not None:
            directed = director.begin_case(entropy, isas, settings, flags, index)
            if directed.trapping:
                options = replace(options, trapping_share=1.0)
        plan = self._plan(entropy, options, settings, flags)
        case = self._write(plan, flags, directed)
        return Family(case, plan.redrawable, plan.instruction_set, self.options)

    def _write(
        self, plan: CasePlan, flags: dict[str, dict[str, str]], directed: CaseDirector | None
    ) -> Case:
        entropy, isas = plan.entropy, plan.options.isas
        plan.required = self.draw_required(
            entropy, plan.instruction_set, alone=len(isas) == 1 < len(self.options.isas)
        )
        budgets = self.draw_budgets(entropy)
        budgets[0] = max(3, budgets[0] - _REQUIRED_COST * len(plan.required))
        for number, budget in enumerate(budgets[1:], 1):
            callee = write_function(plan, directed, f"f{number}", budget, _CALLEE_STEPS, main=False)
            plan.callees.append(callee)
        main = write_function(plan, directed, "main", budgets[0], self.options.steps, main=True)
        types = main.function.signature.param_types
        region = None if main.memory is None else (main.memory, plan.region_size)
        functions = [main.function, *(callee.function for callee in plan.callees)]
        constants = constants_of(functions)
        return Case(
            functions,
            draw_inputs(entropy, types, self.options.inputs, region, constants),
            dict(plan.settings) | plan.required_settings,
            flags,
            plan.trapping,
            draw_chaos(entropy, self.options),
            draw_inlining(entropy, self.options, len(plan.callees)),
            isas=() if isas == self.options.isas and are_usual(isas) else isas,
        )

    def draw_required(
        self, entropy: Entropy, instruction_set: InstructionSet, *, alone: bool
    ) -> list[OpcodeType]:
        """Draw the (opcode, type) pairs that the case must contain.

        Drawn with the same weight, rare ones occur often enough. A case for a single ISA mostly
        requires what only that ISA supports.
        """
        if self.options.opcodes is not None or not (
            alone or entropy.below(_REQUIRING) == _REQUIRING - 1
        ):
            return []
        opcode_types = instruction_set.opcode_types
        if alone and entropy.below(4):
            opcode_types = self.instruction_sets.own(instruction_set) or opcode_types
        count = 1 + entropy.below(_MOST_REQUIRED) + alone
        return [entropy.choice(opcode_types) for _ in range(count)]

    def _plan(
        self,
        entropy: Entropy,
        options: Options,
        settings: Mapping[str, str],
        flags: Mapping[str, Mapping[str, str]],
    ) -> CasePlan:
        if settings.get("enable_probestack") == "true":
            kept = tuple(c for c in options.conventions if not probes_clobber(c))
            options = replace(options, call_convs=kept)
        instruction_set = self.instruction_sets.of(options.isas, settings, flags)
        trapping = entropy.chance(options.trapping_share)
        plan = CasePlan(
            entropy,
            options,
            instruction_set,
            Swarm(entropy, instruction_set),
            canonical_nans=settings.get("enable_nan_canonicalization") == "true",
            multi_return=settings.get("enable_multi_ret_implicit_sret") == "true"
            and takes_results_on_stack(options.isas),
            trapping=trapping,
            sites=1 + entropy.below(3) if trapping else 0,
            settings=settings,
            depth=3 if entropy.below(16) else 7,
        )
        if entropy.chance(_REGION_SHARE) or trapping:
            plan.region_size = 16 * (1 + entropy.below(4 if entropy.below(4) else 16))
            plan.named_region = options.stage_parts and entropy.below(2) == 1
            if entropy.below(3) == 0:
                plan.readonly = 8 * entropy.below(plan.region_size // 8)
        return plan

    def draw_budgets(self, entropy: Entropy) -> list[int]:
        """Return the numbers of instructions of main and of each callee."""
        # What is not budgeted (joins, guards, frames, keep-alive code) hardly grows with the
        # options.
        asked = self.options.instructions
        mean = max(asked * 8 // 15, asked - _ON_TOP)
        total = max(4, mean // 2 + entropy.below(mean + 1))
        count = min(entropy.choice((0, 0, 0, 1, 1, 2, 3)), self.options.callees, total // 8)
        rest = [max(3, total // (2 * count + 2)) for _ in range(count)]
        return [max(3, total - sum(rest)), *rest]
