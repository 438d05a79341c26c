"""Proof that the harness sees faults: they are put between oracle and executor, and must be found.

``faults_*.py`` hold the faults, a short function each; ``registry`` collects them, ``check`` runs
cases until each is caught.
"""
