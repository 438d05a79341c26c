"""Bisection by commit: which commit of a repository began to fail on a case, or stopped failing."""
