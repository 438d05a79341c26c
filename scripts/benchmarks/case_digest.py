"""Print a digest of drawn cases and one of mutants, to see whether a change leaves them as they
were.

    python -m scripts.benchmarks.case_digest [--cases N] [--mutants N] [--seed S]

A change that only moves or renames things must leave both digests the same. The CPU time per case
is printed with them; the first cases are slower if fragments have to be made.
"""

from __future__ import annotations

import hashlib
from time import process_time

import click

from fuzz.campaign.case_source import CaseSource
from fuzz.cases.case_options import CaseOptions
from fuzz.cases.casefile import print_case


@click.command()
@click.option("--cases", default=1000, show_default=True, help="Drawn cases.")
@click.option("--mutants", default=300, show_default=True, help="Mutants.")
@click.option("--seed", default=16, show_default=True, help="The seed; mutants have the next one.")
def main(cases: int, mutants: int, seed: int) -> None:
    """Print the digests of the printed text and inputs of cases and mutants."""
    for name, count, source in (
        ("cases", cases, CaseSource(CaseOptions(), seed)),
        ("mutants", mutants, CaseSource(CaseOptions(mutant_share=1.0), seed + 1)),
    ):
        digest, start = hashlib.sha256(), process_time()
        for index in range(count):
            case = source.case(index)
            digest.update(print_case(case, isas=case.isas).encode())
        milliseconds = 1000 * (process_time() - start) / max(1, count)
        print(f"{count} {name}: {digest.hexdigest()}  {milliseconds:.2f} ms each")


if __name__ == "__main__":
    main()
