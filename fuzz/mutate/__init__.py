"""Mutating cases, on CLIF itself: valid cases out of valid cases.

Nothing needs to be known of how a case was made: what must not be touched is found by analyses of
its functions (``fuzz.analysis``), and after each step they say whether the case is still as safe.
"""

from fuzz.mutate.mutator import Mutant, Mutator, RollbackReason, crossover, mutate, mutator_of
from fuzz.mutate.registry import MUTATIONS, Mutation

__all__ = [
    "MUTATIONS",
    "Mutant",
    "Mutation",
    "Mutator",
    "RollbackReason",
    "crossover",
    "mutate",
    "mutator_of",
]
