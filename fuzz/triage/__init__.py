"""From findings to faults: which findings show the same fault, and which part is at fault.

``bucket`` names what identifies a fault, ``deduplicate`` merges the findings of one fault,
``attributor`` attributes a failing case to a part of Cranelift or of this harness, and ``bisect``
finds the release of Cranelift in which it began to fail.
"""
