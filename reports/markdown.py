"""A finding as Markdown, ready to be read over and put into an issue at Wasmtime."""

from __future__ import annotations

from reports.model import CampaignPage, FindingPage
from reports.page import environment


def finding_markdown(page: FindingPage) -> str:
    """The text of an issue, its title as the first line."""
    return environment().get_template("finding.md.j2").render(f=page).strip() + "\n"


def campaign_markdown(page: CampaignPage) -> str:
    """A campaign's figures and buckets."""
    return environment().get_template("campaign.md.j2").render(page=page).strip() + "\n"
