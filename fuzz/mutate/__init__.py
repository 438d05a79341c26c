"""Mutations: changes to CLIF that make valid cases of valid cases.

A case may come from anywhere: analyses of its functions (``fuzz.analysis``) find what must not
change. They run again after each mutation, which is rolled back if the case has become less safe.
A mutation is a function in a file of its own, and an entry in ``registry``.
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
