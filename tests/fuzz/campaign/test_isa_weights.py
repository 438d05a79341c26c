"""Weights of ISAs by what a case costs on each."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fuzz.campaign import isa_weights
from fuzz.campaign.isa_weights import measured_weights, weights_of
from fuzz.campaign.json_codec import decode, encode
from fuzz.campaign.plan import CampaignPlan
from fuzz.campaign.resume import ResumeError, resumed_plan
from fuzz.cases.case_options import CAMPAIGN_OPTIONS, CaseOptions, IsaWeight


def test_a_weight_is_the_inverse_of_the_cost_as_a_power_of_two() -> None:
    found = weights_of({"a": 1000, "b": 1300, "c": 1600, "d": 4100, "e": 1e9})
    assert found == (IsaWeight("c", 0.5), IsaWeight("d", 0.25), IsaWeight("e", 1 / 16))


def test_nothing_is_measured_on_the_usual_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isa_weights, "Pipeline", None)
    assert measured_weights(CAMPAIGN_OPTIONS) == ()


def test_another_engine_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isa_weights, "engine_of", {"x86_64": "unicorn", "aarch64": "other"}.get)
    costs = {"x86_64": 2e6, "aarch64": 9e6}
    monkeypatch.setattr(isa_weights, "_cost", lambda options, isa: costs[isa])
    assert measured_weights(CAMPAIGN_OPTIONS) == (IsaWeight("aarch64", 0.25),)
    assert measured_weights(replace(CAMPAIGN_OPTIONS, isas=("aarch64",))) == ()
    costs["third"] = 5e6  # on the usual engine: as cheap as the other one there
    engines = {"x86_64": "unicorn", "third": "unicorn", "aarch64": "other"}
    monkeypatch.setattr(isa_weights, "engine_of", engines.get)
    three = replace(CAMPAIGN_OPTIONS, isas=("x86_64", "third", "aarch64"))
    assert measured_weights(three) == (IsaWeight("aarch64", 0.25),)


def test_the_cost_of_a_case_is_measured() -> None:
    options = CaseOptions(isas=("x86_64",), inputs=4, instructions=10)
    assert isa_weights._cost(options, "x86_64") > 1000


def test_weights_are_part_of_a_campaign() -> None:
    weights = (IsaWeight("aarch64", 0.25),)
    plan = CampaignPlan(CaseOptions(isa_weights=weights))
    assert decode(CampaignPlan, json.loads(json.dumps(encode(plan)))) == plan
    labels = {"isa_weights": "--isa-weights"}
    assert resumed_plan(plan, {"isa_weights": weights}, labels) == plan
    with pytest.raises(ResumeError, match=r"has --isa-weights aarch64=0\.25, not nothing"):
        resumed_plan(plan, {"isa_weights": ()}, labels)
