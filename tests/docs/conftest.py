"""Fixtures of the tests of the pages."""

from tests.fuzz.conftest import command

__all__ = ["command"]
