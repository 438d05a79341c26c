"""Bisection: which release of Cranelift began to fail on a case, or stopped failing."""
