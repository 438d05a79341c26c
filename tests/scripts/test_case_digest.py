"""Digests of cases: the same for the same options, others for another seed."""

from click.testing import CliRunner

from scripts.benchmarks.case_digest import main


def digests(*arguments: str) -> list[str]:
    result = CliRunner().invoke(main, ["--cases", "3", "--mutants", "1", *arguments])
    assert result.exit_code == 0, result.output
    return [line.split()[2] for line in result.output.splitlines()]


def test_digests_follow_the_seed() -> None:
    cases, mutants = digests()
    assert digests() == [cases, mutants]
    assert set(digests("--seed", "17")).isdisjoint({cases, mutants})
