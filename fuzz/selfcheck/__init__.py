"""Self-check: faults are injected between oracle and executor, and the pipeline must detect each.

``faults_*.py`` hold the faults, a short function each; ``registry`` collects them, and ``check``
runs cases until each fault is detected.
"""
