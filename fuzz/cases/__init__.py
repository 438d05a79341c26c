"""Cases: their data, their file format, comparing their outcomes, and the build that makes them.

A ``Case`` (``case``) is made with ``CaseOptions`` (``case_options``), written and read as a file
(``casefile``, with its ``case_header`` and its ``run_lines``), and exported for Cranelift's own
tools (``filetest_export``). ``compare`` finds out where the outcomes of two executors differ.
"""
