"""Measures what cases cost, as ratios: ``clif-fuzz bench``.

All times are CPU time, except for the throughput of several worker processes. Whatever is compared
is measured alternately in one process, so that a busy machine slows both sides down alike.
Measurements that only developers of clif-fuzz need are in ``scripts/benchmarks``.
"""
