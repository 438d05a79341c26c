"""Making failing cases as small as a person would have written them.

One pass per file; ``registry`` lists them, ``engine`` runs them to a fixpoint. Each step must make
the case smaller (``size``), keep it sound (``soundness``), and keep what it shows (``judge``).
"""
