"""Campaigns: many cases, on all cores or many machines, saved so that they can go on later.

Who starts whom. ``clif-fuzz run`` makes a ``CampaignPlan`` (``plan``), opens the database of the
directory (``database``) and runs a ``Supervisor`` (``supervisor``). The supervisor has a pool of
workers, which implements the protocol of ``worker_pool``: ``LocalWorkers`` (``local_workers``) are
processes on this machine, ``RayWorkers`` (``ray_workers``) are on a cluster. A ``WorkerProcess``
(``worker_process``) starts a process that runs ``worker.run_worker``: it makes case after case
(``case_source``), checks each (``fuzz.differential.pipeline``), counts it (``counters``), writes
findings as files, and sends messages. Compiler, emulator and generator are loaded by the worker
processes only, so that the supervisor cannot crash with them.

What happens in a crash. Before each stage a worker writes into shared memory which case it is
running (``in_flight``). If its process ends, or is killed because the case takes too long
(``local_workers``) or too much memory (``process_limits``), ``exit_cause`` finds out why. Another
process makes the case again and writes it as a finding (``crash_finding``), and a new worker
process goes on after the last case that was reported.

What is saved when. A finding is a file before it is counted. A worker reports its counts
(``statistics``) twice a second; the supervisor merges them into a ``CampaignResult`` (``result``),
and saves everything in one transaction, every second at first and every five seconds later. What is
not saved when the supervisor is killed is run again by ``--resume`` (``resume``), which needs the
same build (``fuzz.cases.build_identity``).
"""
