"""Making a failing case as small as possible while it fails in the same way.

There is one pass per file; ``registry`` lists them and ``engine`` repeats them until none of them
changes the case any more. A step is taken only if the case gets smaller (``order``), stays sound
(``soundness``), and an ``interestingness`` test still accepts it.
"""
