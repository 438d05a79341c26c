"""``clif-fuzz bisect``: find what began to fail on a case: a release of Cranelift, or a commit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fuzz.cli.errors import BadInput
from fuzz.cli.files import load_cases
from fuzz.cli.options import file_isas_option, json_option, read_options

if TYPE_CHECKING:
    from clif.outcome import Region


@click.command(
    epilog="""\b
  clif-fuzz bisect crash.clif --from 0.120 --to 0.135
  clif-fuzz bisect crash.clif --from 0.130 --to ~/wasmtime
  clif-fuzz bisect crash.clif --repo ~/wasmtime --from v47.0.0 --to main
"""
)
@click.argument("file", metavar="FILE")
@click.option(
    "--repo",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Find a commit of this repository instead of a release. --from and --to are revisions.",
)
@click.option("--from", "first", required=True, metavar="RELEASE", help="The earliest one.")
@click.option(
    "--to",
    "last",
    metavar="RELEASE",
    help="The latest one; by default the linked release, with --repo HEAD.",
)
@click.option(
    "--toolchain",
    metavar="NAME",
    help="A toolchain of rustup to build with: 0.136 and newer need Rust 1.96 and more.",
)
@file_isas_option("ISAs to run on, instead of the first one on which the case fails.")
@read_options
@json_option
def command(
    file: str,
    repo: Path | None,
    first: str,
    last: str | None,
    toolchain: str | None,
    isas: tuple[str, ...] | None,
    drawn_inputs: int | None,
    memory: Region | None,
    json_file: str | None,
) -> int:
    """Find the first release of Cranelift that fails on a case, or the first that no longer does.

    RELEASE is a minor version like 0.120, which stands for its last patch release; an exact
    version; or a folder with a Cranelift of your own. A release is built when it is first tested,
    which takes one to two minutes, and kept in the cache folder. A release that was never
    published, does not build, or does not support an instruction or setting of the case (chaos
    mode, before 0.134) cannot say; such releases are listed. Of a file with several cases, each is
    tested.

    With --repo the first such commit of a Wasmtime repository is found, or of one of
    cranelift-codegen alone. Commits are built in the cache folder: your checkout is not touched.
    One that does not build is skipped, as git bisect does. What was found out is kept, so after
    Ctrl-C the same command goes on.

    The exit code is 2 if nothing is found for any case.
    """
    if toolchain:
        os.environ["RUSTUP_TOOLCHAIN"] = toolchain  # for cargo and rustc
    path = Path(file)
    cases = load_cases(path, drawn_inputs, memory)
    if repo is not None:
        if any(found.case.chaos for found in cases):
            raise BadInput(f"{path}: --repo has no chaos mode to replay it with")
        from fuzz.cli.bisect_commits import bisect_commits

        ends = (first, last or "HEAD")
        return bisect_commits(path, cases, isas, repo.expanduser(), ends, json_file)
    from fuzz.cli.bisect_releases import bisect_releases

    return bisect_releases(path, cases, isas, first, last, json_file)
