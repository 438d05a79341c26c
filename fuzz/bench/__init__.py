"""The figures of this project, as ratios within one run: ``clif-fuzz bench``.

All times are CPU time, but where jobs are counted by the clock. What is compared was measured by
turns or side by side in one process, so that a busy machine slows all of it down alike.
"""
