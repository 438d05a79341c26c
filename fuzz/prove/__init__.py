"""Proofs: what code does for all inputs, asked of an SMT solver instead of sampled.

``docs/prove.md`` says how. Needs the extra ``prove``.
"""
