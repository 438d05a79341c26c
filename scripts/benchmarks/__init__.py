"""Measurements of clif-fuzz itself. They are run from the checkout and are not in the wheel.

Each is a module with a ``--help``: ``python -m scripts.benchmarks.NAME``.

``time_to_detection``
    CPU seconds until selfcheck's and injected faults are detected, for given case options. Changes
    of the generator are judged by it.
``rule_fault_detection``
    The same for wrong ISLE rules, in a build of its own.
``stage_fault_detection``
    The same for faults of other stages, with and without what is drawn for single stages.
``mixtures``
    What different numbers of configurations, siblings and inputs cost, and what they cover.
``minimizing``
    Sizes and times of minimising failing cases, and whether two cases of one fault end as the same
    minimal case.
``deduplication``
    How many buckets the findings of ten faults end in.
``buckets_per_fault``
    In how many buckets the findings of planted faults end, as found, minimised and merged.
``attribution``
    How often the part is named into which a fault was injected.
``coverage_guidance``
    Edges and ISLE rules that a fuzz target reaches with libFuzzer and without.
``case_digest``
    Whether a change leaves drawn cases and mutants as they were.
``try_filetests``
    What check, replay, fmt, corpus import and minimize make of a folder of CLIF files, such as
    Cranelift's filetests.
``compile_throughput``
    Compile throughput of builds of the extension, side by side.

What they share: ``injected_faults`` (faults as a faulty compiler has them) with
``injected_fault_kinds``, ``detection`` (cases until each fault is detected), ``failing_cases``
(large generated cases in which one shows), ``transplant`` (a real finding inside of a large case),
``compiler_breakdowns``, ``rule_faults`` (a table of wrong ISLE rules), ``stage_faults`` (one of
faults elsewhere, in ``stage_faults_*``), ``detect_rule_fault`` and ``detect_stage_fault`` (one
process for one of them). The figures of ``clif-fuzz bench``, which users see, are in
``fuzz.bench``.
"""
