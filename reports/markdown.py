"""Findings and campaigns as Markdown; a finding as the draft of an issue for Wasmtime."""

from __future__ import annotations

from reports.model import CampaignPage, FindingPage
from reports.page import environment

#: What happened, by kind, as the title of an issue says it.
_TITLES = {
    "miscompile": "wrong result",
    "compiler-panic": "panic",
    "compile-error": "compile error",
    "verifier-error": "verifier error",
    "compile-timeout": "compilation does not terminate",
    "compile-memory": "compilation takes too much memory",
    "unwind": "a table of frames that leads astray",
    "module": "a linked program that does something else",
    "stack-map": "a stack map that does not name what is live",
    "label": "debug information that is wrong",
    "order": "accesses to memory that are lost, doubled or out of order",
    "feature": "an instruction that the target does not have",
    "hang": "compiled code does not terminate",
    "oracles-disagree": "cranelift-interpreter computes a wrong result",
    "case": "a case",
}
#: What should have happened instead; of other kinds the inputs say it.
_EXPECTED = {
    "compiler-panic": "The function is compiled, or refused with an error.",
    "compile-error": "The function, which the verifier accepts, is compiled.",
    "verifier-error": (
        "The verifier accepts the function, and what Cranelift's own passes make of it."
    ),
    "compile-timeout": "Compiling the function ends soon.",
    "unwind": "The tables lead from each instruction back to the caller.",
    "module": "The program can be linked, and does what its functions say.",
    "stack-map": "A collector that moves what stack maps name makes no difference.",
    "label": (
        "Each value is where its label's ranges say, and code has the source location of its"
        " instruction."
    ),
    "order": (
        "Atomic operations, fences and calls happen as often and in the order as in the function, "
        "and other accesses stay between them."
    ),
    "feature": "All instructions are ones that the flags of the target allow.",
    "hang": "The code returns, as the interpreter does.",
    "compile-memory": "Compiling the function takes memory in proportion to its size.",
}
#: Findings that machine code shows when it runs.
_RUNS = ("miscompile", "module", "hang", "emulator-fault")
#: Findings that are not Cranelift's fault: whose they are.
_OTHERS = {
    "emulator-fault": "the emulator's, Unicorn's",
    "oracle-fault": "the interpreter's of clif-fuzz",
}


def finding_markdown(page: FindingPage) -> str:
    """Return the draft of an issue, its title as the first line."""
    template = environment().get_template("finding.md.j2")
    text = template.render(
        f=page,
        title=_TITLES.get(page.kind, page.kind),
        expected=_EXPECTED.get(page.kind, ""),
        other=_OTHERS.get(page.kind, ""),
        runs=page.kind in _RUNS,
    )
    return text.strip() + "\n"


def campaign_markdown(page: CampaignPage) -> str:
    """Return a campaign's figures and buckets."""
    return environment().get_template("campaign.md.j2").render(page=page).strip() + "\n"
