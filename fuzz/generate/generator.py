"""A whole case: its plan, its functions from the leaves to main, its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil

from backend.cranelift.isle import LOWERING, MID_END
from clif.typed_instructions import OpcodeType
from fuzz.cases.case import Case
from fuzz.entropy import Entropy
from fuzz.generate.function import write_function
from fuzz.generate.inputs import draw_inputs
from fuzz.generate.instruction_set import Repertoire
from fuzz.generate.instruction_sets import Repertoires
from fuzz.generate.options import Options
from fuzz.generate.settings import draw_chaos, draw_isa_settings, draw_settings
from fuzz.generate.swarm import Swarm
from fuzz.generate.writer import Plan
from fuzz.isle.fragment_cache import users_shelf
from fuzz.isle.rule_fragments import Aim, Recipes, recipes

_REGION_SHARE = 0.6
_CALLEE_STEPS = 300
#: One case in so many is for one ISA alone.
_ALONE = 6
#: One case in so many has pairs that it is about; those for one ISA alone all have.
_FOCUSED = 4
_MOST_FOCUSES = 3
#: Parts of a function that a rule may be aimed at, for each instruction.
_PARTS = 0.4
#: How many times as many the first cases have, until all rules have had their turn.
_HURRY = 3
#: Instructions that a case has beside those that are budgeted for.
_ON_TOP = 40
#: About how many instructions one takes, with what it needs.
_FOCUS_COST = 4


class Generator:
    """Makes cases. A case is a function of the entropy, the options and what is supported.

    It first draws what a case is compiled for, and then makes it of what exactly these ISAs lower
    under exactly these settings and flags. Raises IsleError where parts are to be aimed at
    Cranelift's rules, and these are not known.

    Args:
        shelved: take fragments from the user's cache folder, and keep those that are made there.
    """

    def __init__(self, options: Options, *, shelved: bool = True) -> None:
        self.options = options
        self._shelved = shelved
        self.repertoires = Repertoires(options)
        self._recipes: dict[tuple[str, ...], Recipes] = {}
        if options.directed_share:
            self._recipes_for(options.isas)

    def generate(self, entropy: Entropy, turn: int | None = None) -> Case:
        """One case. It ends for every entropy, exhausted bytes included.

        Cases with consecutive numbers as their ``turn`` are aimed at all rules one after the other;
        without one, rules are drawn.
        """
        isas = self._isas(entropy)
        options = replace(self.options, isas=isas)
        settings, flags = draw_settings(entropy, options), draw_isa_settings(entropy, options)
        plan = self._plan(entropy, options, settings, flags)
        if turn is not None:
            plan.aims = self._aims(plan.recipes, turn, settings)
        return self._write(plan, flags)

    def aimed_at(self, aim: Aim, entropy: Entropy, isas: tuple[str, ...]) -> Case | None:
        """A case for these ISAs that has a fragment of a rule; None where one so drawn has not what
        the fragment is made of.

        What the mid-end does is compiled with optimisations, what an ISA does half of the time as
        the fragment alone was.
        """
        options = replace(self.options, isas=isas)
        if aim.fragment is not None and aim.fragment.demands is None:
            options = replace(options, trapping_share=1.0)  # it may trap
        settings, flags = draw_settings(entropy, options), draw_isa_settings(entropy, options)
        target = aim.recipe.target(aim.slot)
        if aim.recipe.unit.name == MID_END and settings.get("opt_level") == "none":
            settings["opt_level"] = "speed"
        elif options.settings and target and target.isa in isas and entropy.below(2):
            settings["opt_level"] = dict(target.settings)["opt_level"]
            flags[target.isa] = dict(target.flags)
        plan = self._plan(entropy, options, settings, flags)
        plan.aims = [aim]
        case = self._write(plan, flags)
        return case if plan.hits else None

    def recipes(self) -> Recipes | None:
        """What aims at rules for all ISAs of the options, if anything is to."""
        return self._recipes_for(self.options.isas)

    def _write(self, plan: Plan, flags: dict[str, dict[str, str]]) -> Case:
        entropy, isas = plan.entropy, plan.options.isas
        plan.focuses = self._focuses(entropy, plan.repertoire, alone=isas != self.options.isas)
        budgets = self._budgets(entropy)
        budgets[0] = max(3, budgets[0] - _FOCUS_COST * len(plan.focuses))
        for number, budget in enumerate(budgets[1:], 1):
            callee = write_function(plan, f"f{number}", budget, _CALLEE_STEPS, main=False)
            plan.callees.append(callee)
        main = write_function(plan, "main", budgets[0], self.options.steps, main=True)
        types = main.function.signature.param_types
        region = None if main.memory is None else (main.memory, plan.region_size)
        return Case(
            [main.function, *(callee.function for callee in plan.callees)],
            draw_inputs(entropy, types, self.options.inputs, region),
            dict(plan.settings) | plan.demands,
            flags,
            plan.trapping,
            draw_chaos(entropy, self.options),
            isas=() if isas == self.options.isas else isas,
        )

    def _recipes_for(self, isas: tuple[str, ...]) -> Recipes | None:
        """What aims at the rules of the mid-end and of these ISAs, if anything is to."""
        options = self.options
        if options.directed_share <= 0.0 or options.opcodes is not None:
            return None
        found = self._recipes.get(isas)
        if found is None:
            # Made once, for all that any ISA lowers at its best, since that takes time: whether a
            # case has what a fragment is made of is looked at when it is emitted.
            every = self._recipes.get(options.isas)
            if every is None:
                shelf = users_shelf(options.isas, options.types) if self._shelved else None
                widest = self.repertoires.widest
                every = recipes(options.isas, widest("none"), widest("speed"), shelf)
            units = {MID_END, *(LOWERING[isa] for isa in isas if isa in LOWERING)}
            found = self._recipes[isas] = every.of(units)
        return found

    def _aims(self, recipes: Recipes | None, turn: int, settings: Mapping[str, str]) -> list[Aim]:
        """What a case is aimed at that has its turn."""
        if recipes is None:
            return []
        optimised = settings.get("opt_level") != "none"
        count = ceil(self.options.directed_share * self.options.instructions * _PARTS)
        # The first time round goes faster: a short run sees most rules too.
        hurry = min(turn, len(recipes.main) // (_HURRY * count))
        first = (turn + hurry * (_HURRY - 1)) * count
        numbers = range(first, first + count * (_HURRY if hurry == turn else 1))
        aims = [recipes.in_turn(number, optimised=optimised) for number in numbers]
        return [aim for aim in aims if aim is not None]

    def _isas(self, entropy: Entropy) -> tuple[str, ...]:
        """What the case is for: all ISAs, or one of them."""
        isas = self.options.isas
        if self.options.alone and len(isas) > 1 and entropy.below(_ALONE) == _ALONE - 1:
            return (entropy.choice(isas),)
        return isas

    def _focuses(
        self, entropy: Entropy, repertoire: Repertoire, *, alone: bool
    ) -> list[OpcodeType]:
        """Pairs that the case is to have, so that rare ones get their turn. A case for one ISA
        alone is mostly about what only that one has."""
        if self.options.opcodes is not None or not (
            alone or entropy.below(_FOCUSED) == _FOCUSED - 1
        ):
            return []
        pairs = repertoire.pairs
        if alone and entropy.below(4):
            pairs = self.repertoires.own(repertoire) or pairs
        count = 1 + entropy.below(_MOST_FOCUSES) + alone
        return [entropy.choice(pairs) for _ in range(count)]

    def _plan(
        self,
        entropy: Entropy,
        options: Options,
        settings: Mapping[str, str],
        flags: Mapping[str, Mapping[str, str]],
    ) -> Plan:
        if settings.get("enable_probestack") == "true":
            # Stack probes clobber what it preserves: docs/findings.md, preserve-all-inline-probes.
            kept = tuple(name for name in options.conventions if name != "preserve_all")
            options = replace(options, call_convs=kept)
        repertoire = self.repertoires.of(options.isas, settings, flags)
        trapping = entropy.chance(options.trapping_share)
        plan = Plan(
            entropy,
            options,
            repertoire,
            Swarm(entropy, repertoire),
            canonical=settings.get("enable_nan_canonicalization") == "true",
            multi_return=settings.get("enable_multi_ret_implicit_sret") == "true",
            trapping=trapping,
            sites=1 + entropy.below(3) if trapping else 0,
            settings=settings,
            depth=3 if entropy.below(16) else 7,
            recipes=self._recipes_for(options.isas),
        )
        if entropy.chance(_REGION_SHARE) or trapping:
            plan.region_size = 16 * (1 + entropy.below(4 if entropy.below(4) else 16))
            if entropy.below(3) == 0:
                plan.readonly = 8 * entropy.below(plan.region_size // 8)
        return plan

    def _budgets(self, entropy: Entropy) -> list[int]:
        """Instructions for main and for each callee."""
        # What comes on top, joins, guards, frames, what is folded at the ends, hardly grows.
        asked = self.options.instructions
        mean = max(asked * 8 // 15, asked - _ON_TOP)
        total = max(4, mean // 2 + entropy.below(mean + 1))
        count = min(entropy.choice((0, 0, 0, 1, 1, 2, 3)), self.options.callees, total // 8)
        rest = [max(3, total // (2 * count + 2)) for _ in range(count)]
        return [max(3, total - sum(rest)), *rest]
