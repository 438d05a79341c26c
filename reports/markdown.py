"""Findings and campaigns as Markdown; a finding as the draft of an issue for Wasmtime."""

from __future__ import annotations

from reports.model import CampaignPage, FindingPage
from reports.page import environment


def finding_markdown(page: FindingPage) -> str:
    """Return the draft of an issue, its title as the first line."""
    return environment().get_template("finding.md.j2").render(f=page).strip() + "\n"


def campaign_markdown(page: CampaignPage) -> str:
    """Return a campaign's figures and buckets."""
    return environment().get_template("campaign.md.j2").render(page=page).strip() + "\n"
