"""Static analyses of a case: value ranges, hazards, data flow and termination.

``AnalysisResults`` runs all of them. The mutator asks it what a change must leave alone, and after
a change whether the case is still as safe as before; the minimiser asks it whether memory flags are
true.
"""
