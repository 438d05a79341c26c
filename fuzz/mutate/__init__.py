"""Mutating cases, on CLIF itself: valid cases out of valid cases.

Nothing needs to be known of how a case was made: what must not be touched is found by analyses of
its functions (``facts``), and after each step they say whether the case is still as safe as before.
"""

from fuzz.mutate.mutator import Mutant, Mutator, Refusal, crossover, mutate, mutator_of
from fuzz.mutate.registry import MUTATIONS, Mutation

__all__ = [
    "MUTATIONS",
    "Mutant",
    "Mutation",
    "Mutator",
    "Refusal",
    "crossover",
    "mutate",
    "mutator_of",
]
