"""Buckets of findings that are not minimised, as far as minimised ones tell."""

from __future__ import annotations

from fuzz.campaign.fault_buckets import MinimizedFault, fault_buckets
from fuzz.campaign.result import CampaignResult, FindingSummary

ON_X64 = MinimizedFault("fault on x86_64", ("x86_64",))
ON_BOTH = MinimizedFault("fault on both", ("x86_64", "aarch64"))


def finding(number: int, detail: str, isa: str = "x86_64") -> FindingSummary:
    return FindingSummary("miscompile", f"miscompile {isa} {detail}", isa, f"{number}.clif")


def test_nothing_is_presumed_while_nothing_is_minimised() -> None:
    findings = [finding(1, "result"), finding(2, "memory")]
    assert fault_buckets(findings, {}) == ["miscompile x86_64 result", "miscompile x86_64 memory"]


def test_others_of_the_bucket_are_presumed_to_be_of_the_only_fault() -> None:
    findings = [finding(1, "result"), finding(2, "result"), finding(3, "memory")]
    found = fault_buckets(findings, {"1.clif": ON_X64})
    assert found == [ON_X64.bucket, ON_X64.bucket, "miscompile x86_64 memory"]


def test_a_bucket_on_another_isa_is_presumed_only_where_the_fault_shows_there() -> None:
    findings = [finding(1, "result"), finding(2, "result", "aarch64")]
    assert fault_buckets(findings, {"1.clif": ON_X64})[1] == "miscompile aarch64 result"
    assert fault_buckets(findings, {"1.clif": ON_BOTH})[1] == ON_BOTH.bucket


def test_where_two_faults_are_in_a_bucket_nothing_is_presumed() -> None:
    findings = [finding(n, "result") for n in (1, 2, 3)]
    found = fault_buckets(findings, {"1.clif": ON_X64, "2.clif": ON_BOTH})
    assert found == [ON_X64.bucket, ON_BOTH.bucket, "miscompile x86_64 result"]


def test_a_finding_without_a_file_is_presumed_like_any_other() -> None:
    findings = [finding(1, "result"), FindingSummary("miscompile", "x", "", "")]
    assert fault_buckets(findings, {"1.clif": ON_X64})[1] == "x"


def test_a_campaign_counts_by_fault_and_leaves_known_ones_out() -> None:
    known = FindingSummary("emulator-fault", "known", "x86_64", "k.clif", known=True)
    result = CampaignResult(findings=[finding(1, "result"), finding(2, "memory"), known])
    result.faults = {"1.clif": ON_BOTH, "2.clif": ON_BOTH}
    assert result.buckets == {ON_BOTH.bucket: 2}
