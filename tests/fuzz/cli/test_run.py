"""``clif-fuzz run``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fuzz.campaign.result import FindingSummary
from fuzz.cases.casefile import read_case
from fuzz.mutate import MUTATIONS, RollbackReason
from tests.fuzz.command import Command

SMALL = ("--inputs", 2, "--instructions", 8, "--configurations", 1)
NAMES = {
    "cases",
    "compilations",
    "executions",
    "rejected",
    "hangs",
    "traps",
    "trapping_cases",
    "findings",
    "seconds",
    "cases_per_second",
    "executions_per_second",
    "instructions",
    "live_instructions",
    "opcodes",
    "isa",
    "cranelift",
    "build",
    "seed",
    "edges",
}


def test_json_has_the_names_that_programs_rely_on(command: Command, tmp_path: Path) -> None:
    output = command("run", *SMALL, "--cases", 20, "--seed", 5, "--out", tmp_path, "--json", "-")
    facts = json.loads(output.out)
    assert output.code == 0
    assert facts.keys() >= NAMES
    assert (facts["cases"], facts["seed"]) == (20, 5)
    assert facts["isa"] == ["x86_64", "aarch64"]
    executions = [facts["by_isa"][isa]["executions"] for isa in facts["isa"]]
    assert facts["executions"] == sum(executions) >= 40
    assert 20 <= min(executions) <= max(executions) <= 40  # some are for one of them alone
    assert facts["opcode_types"].keys() == {"x86_64", "aarch64"}
    assert facts["opcode_types"]["aarch64"]["return"] == executions[1] // 2
    stages = {"generate", "print", "read", "interpret", "compile", "emulate", "compare"}
    assert facts["seconds"].keys() == stages | {"crosscheck", "total"}
    assert sum(facts["opcodes"].values()) == facts["instructions"]
    assert facts["executions_per_second"] > 0
    assert facts["findings"] == []


def test_configurations_are_compilations(command: Command, tmp_path: Path) -> None:
    options = (*SMALL, "--cases", 10, "--seed", 5, "--out", tmp_path, "--json", "-")
    one, three = (
        json.loads(command("run", *options, "--configurations", count).out) for count in (1, 3)
    )
    assert one["executions"] == SMALL[1] * one["compilations"]
    assert three["compilations"] == 3 * one["compilations"]
    assert three["executions"] == 3 * one["executions"]
    assert three["opcode_types"] == one["opcode_types"]
    assert three["findings"] == []


def test_summary_for_people(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    output = command("run", *SMALL, "--cases", 10, "--out", tmp_path, "--json", file)
    facts = json.loads(file.read_text())
    assert f"10 cases, {facts['compilations']} compilations, " in output.out
    assert f" {facts['executions']} executions in " in output.out
    for isa in ("x86_64", "aarch64"):
        assert f"{isa}: {facts['by_isa'][isa]['executions']} executions" in output.out
    assert "findings: none" in output.out
    assert json.loads(file.read_text())["cases"] == 10


def test_both_oracles(command: Command, tmp_path: Path) -> None:
    arguments = ("run", *SMALL, "--cases", 20, "--seed", 5, "--out", tmp_path, "--oracle", "both")
    facts = json.loads(command(*arguments, "--json", "-").out)
    assert facts["oracle"] == "both"
    assert facts["cross_checked"] + sum(facts["unsupported"].values()) == 40
    assert facts["seconds"]["crosscheck"] > 0
    assert all(found["kind"].endswith("-fault") for found in facts["findings"])  # known ones
    assert facts["rejected"] == {}
    output = command(*arguments)
    assert f"second oracle: {facts['cross_checked']} inputs compared" in output.out


def test_cranelifts_interpreter_alone(command: Command, tmp_path: Path) -> None:
    output = command(
        *("run", *SMALL, "--cases", 20, "--seed", 5, "--out", tmp_path, "--json", "-"),
        *("--oracle", "cranelift"),
    )
    facts = json.loads(output.out)
    assert output.code == 0
    assert (facts["oracle"], facts["cross_checked"]) == ("cranelift", 0)
    # It knows less than the generator draws: what it has no say on is rejected by reason.
    assert facts["executions"] > 20
    assert all(reason.startswith("oracle: cranelift") for reason in facts["rejected"])


def test_one_isa(command: Command, tmp_path: Path) -> None:
    output = command(
        "run",
        *SMALL,
        "--cases",
        5,
        "--seed",
        5,
        "--isa",
        "aarch64",
        "--out",
        tmp_path,
        "--json",
        "-",
    )
    facts = json.loads(output.out)
    assert facts["isa"] == ["aarch64"]
    assert facts["executions"] == 10


def test_trapping_share(command: Command, tmp_path: Path) -> None:
    output = command(
        "run", *SMALL, "--cases", 20, "--trapping-share", 1, "--out", tmp_path, "--json", "-"
    )
    assert json.loads(output.out)["trapping_cases"] == 20


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--isa", "vax"), "no emulated ISA 'vax'"),
        (("--isa", ","), "no emulated ISA"),
        (("--cases", "many"), "'many' is not a valid integer"),
        (("--cases", 0), "0 is not in the range"),
        (("--seconds", -1), "-1.0 is not in the range"),
        (("--jobs", 0), "0 is not in the range"),
        (("--oracle", "crystal-ball"), "'crystal-ball' is not"),
        (("--frobnicate",), "No such option"),
        (("--out", "/dev/null/findings"), "cannot write findings to /dev/null/findings: Not a dir"),
    ],
)
def test_bad_arguments(command: Command, args: tuple[object, ...], message: str) -> None:
    assert message in command.complaint("run", *args)


def test_a_json_file_that_cannot_be_written(command: Command, tmp_path: Path) -> None:
    output = command(
        "run", *SMALL, "--cases", 1, "--out", tmp_path, "--json", tmp_path / "no" / "file"
    )
    assert output.code == 2
    assert "No such file or directory" in output.err


def test_findings_are_listed_by_bucket(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fuzz.campaign.result import CampaignResult
    from fuzz.campaign.supervisor import Supervisor

    def run(campaign: Supervisor) -> CampaignResult:
        summaries = [
            FindingSummary("miscompile", "miscompile x86_64 result", "x86_64", f"crash-{n}.clif")
            for n in range(3)
        ]
        campaign.result.findings = [
            *summaries,
            FindingSummary("hang", "hang aarch64", "aarch64", "h.clif"),
        ]
        return campaign.result

    monkeypatch.setattr(Supervisor, "run", run)
    output = command("run", "--out", tmp_path)
    assert output.code == 1
    assert "findings: 4 in 2 buckets" in output.out
    assert "3 miscompile x86_64 result" in output.out


def test_known_faults_of_the_emulator_are_no_alarm(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fuzz.campaign.result import CampaignResult
    from fuzz.campaign.supervisor import Supervisor

    bucket = "emulator-fault x86_64 round-from-memory"

    def run(campaign: Supervisor) -> CampaignResult:
        summary = FindingSummary("emulator-fault", bucket, "x86_64", "crash-1.clif", known=True)
        campaign.result.findings = [summary]
        campaign.result.statistics.known_faults[bucket] = 7
        return campaign.result

    monkeypatch.setattr(Supervisor, "run", run)
    output = command("run", "--out", tmp_path)
    assert output.code == 0
    assert f"known: 7 {bucket}\nfindings: none\n" in output.out
    facts = json.loads(command("run", "--out", tmp_path, "--json", "-").out)
    assert facts["known_faults"] == {bucket: 7}
    assert facts["findings"][0]["kind"] == "emulator-fault"


def test_what_cannot_be_written_goes_to_stderr(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fuzz.campaign.result import CampaignResult
    from fuzz.campaign.supervisor import Supervisor

    def run(campaign: Supervisor) -> CampaignResult:
        campaign.result.error = "findings: No space left on device"
        campaign.result.unwritten = ["function %lost() {\n"]
        return campaign.result

    monkeypatch.setattr(Supervisor, "run", run)
    output = command("run", "--out", tmp_path)
    assert output.code == 2
    assert output.err == "function %lost() {\nclif-fuzz: findings: No space left on device\n"


def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path) -> None:
    """The directory goes away while it runs; a worker that crashes then has nowhere to write."""
    from fuzz.campaign.local_workers import LocalWorkers
    from fuzz.campaign.plan import CampaignPlan
    from fuzz.campaign.supervisor import Supervisor
    from fuzz.cases.case_options import CaseOptions

    out = tmp_path / "out"
    out.mkdir()
    plan = CampaignPlan(CaseOptions(inputs=2, instructions=8), seed=2, cases=100_000, out=str(out))
    pool = LocalWorkers(plan)
    campaign = Supervisor(plan, pool=pool)

    def crash(_: object) -> None:
        (worker,) = pool.workers
        if worker.done:
            return
        if campaign.result.statistics.cases and out.exists():
            out.rmdir()
        last = worker.in_flight.read()
        if not out.exists() and last is not None and last.stage.label == "compile":
            os.kill(worker.process.pid or 0, signal.SIGABRT)

    campaign.on_tick = crash
    result = campaign.run()
    assert "No such file or directory" in result.error
    (text,) = result.unwritten
    assert read_case(text).case.origin.startswith("seed 2 case ")
    assert result.findings[0].file == ""


def _wait_for_workers(pid: int, out: Path) -> None:
    """Wait until a campaign is saved and has begun its workers."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for _ in range(1200):
        if (out / "campaign.sqlite").exists() and children.read_text().split():
            return
        time.sleep(0.1)
    pytest.fail("no worker was begun")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    facts = tmp_path / "facts.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "fuzz", "run", "--jobs", "2", "--seed", "1"]
        + ["--inputs", "2", "--out", str(tmp_path), "--json", str(facts)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    _wait_for_workers(process.pid, tmp_path)
    os.killpg(process.pid, number)  # as a terminal does: to the workers too
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "cases" in out
    assert json.loads(facts.read_text())["interrupted"] is True


def test_start_up_is_quick() -> None:
    code = "import sys, fuzz.cli.run; print('numpy' in sys.modules, 'unicorn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_mutants_are_counted(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    output = command(
        *("run", *SMALL, "--cases", 40, "--seed", 5, "--mutants", 0.5, "--out", tmp_path),
        *("--json", file),
    )
    facts = json.loads(file.read_text())
    assert output.code == 0
    assert 8 <= facts["mutants"] <= 32
    assert sum(facts["mutations"].values()) >= facts["mutants"]
    assert set(facts["refused_mutations"]) <= {
        f"{name}: {reason.value}" for name in MUTATIONS for reason in RollbackReason
    }
    assert f"{facts['mutants']} mutants of {sum(facts['mutations'].values())} steps" in output.out
    assert command("run", "--mutants", "2").code == 2


def test_a_mutant_of_a_seed_can_be_printed(command: Command) -> None:
    plain = command("fmt", *SMALL, "5:3").out
    directed = command("fmt", *SMALL, "5:3", "--rules-share", 1).out
    assert directed.count("\n") > command("fmt", *SMALL, "5:3", "--rules-share", 0).out.count("\n")
    mutant = command("fmt", *SMALL, "5:3", "--mutants", 1).out
    assert mutant.startswith("; origin: seed 5 case 3, mutated: ")
    assert mutant != plain
    assert command("fmt", *SMALL, "5:3", "--mutants", 1).out == mutant


def test_a_file_can_be_mutated(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "case.clif"
    file.write_text(command("fmt", *SMALL, "5:3").out)
    mutant = command("fmt", file, "--mutate", 3, "--seed", 8)
    assert mutant.code == 0
    steps = mutant.out.splitlines()[0].partition(", mutated: ")[2].split(", ")
    assert len(steps) == 3
    assert set(steps) <= set(MUTATIONS)
    other = command("fmt", file, "--mutate", 3, "--seed", 9)
    assert other.out != mutant.out
    read_case(mutant.out)


def test_ingredients_can_be_left_out(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    few = ("run", *SMALL, "--cases", 40, "--seed", 2, "--out", tmp_path, "--json", file)
    command(*few)
    everything = json.loads(file.read_text())
    command(*few, "--without", "vectors,rules,settings")
    rest = json.loads(file.read_text())
    assert any("x" in pair.split(".")[-1] for pair in everything["opcode_types"]["aarch64"])
    assert not any("x" in pair.partition(".")[2] for pair in rest["opcode_types"]["aarch64"])


def test_unknown_ingredients(command: Command) -> None:
    output = command("run", "--without", "salt")
    assert output.code == 2
    assert "no 'salt'; there are settings, " in output.err
