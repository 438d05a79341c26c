"""Fixtures of the tests of the scripts."""

from tests.fuzz.triage.commits.conftest import repository

__all__ = ["repository"]
