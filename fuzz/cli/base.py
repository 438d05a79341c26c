"""The option ``--base``: another Cranelift that findings are run against as well."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from fuzz.campaign.plan import CampaignBase, CampaignPlan
from fuzz.cli.errors import BadInput
from fuzz.cli.release_progress import ReleaseProgress
from fuzz.triage.base.messages import BaseFacts

if TYPE_CHECKING:
    from backend.cranelift.releases import Release
    from fuzz.triage.base.asker import BaseAsker

F = TypeVar("F", bound=Callable[..., Any])
_DIGITS: Final = 12
#: The base has so many times the time of a case, as it is built with little optimisation.
_SLOWER: Final = 3
#: Its program needs memory beside that of a case.
_MORE_MIB: Final = 512


def base_option(text: str) -> Callable[[F], F]:
    """Make the option."""
    return click.option("--base", "base_name", metavar="VERSION|DIR", help=text)


@dataclass(frozen=True, slots=True)
class BuiltBase:
    """A base whose program is built."""

    base: CampaignBase
    program: Path

    def facts(self, plan: CampaignPlan) -> BaseFacts:
        """Return what a process that asks it has to know."""
        seconds = _SLOWER * plan.case_seconds
        return BaseFacts(self.program, self.base.version, seconds, plan.memory_mb + _MORE_MIB)


def build_base(name: str) -> BuiltBase:
    """Build the program of a base, showing progress, unless it is there.

    Raises:
        BadInput: there is no such Cranelift, it does not build, or it is the one under test.
    """
    from backend.cranelift.release_build import InconclusiveBuildError, UnavailableError
    from backend.cranelift.releases import Release, ReleaseCompiler

    try:
        release = Release.of(name)
        _refuse_same(release, release.version)
        with ReleaseProgress(release) as progress:
            compiler = ReleaseCompiler.build(release, progress)
    except (ValueError, InconclusiveBuildError, UnavailableError, OSError) as error:
        raise BadInput(f"--base {name}: {error}") from error
    _refuse_same(release, compiler.version)
    if release.path is None:
        return BuiltBase(CampaignBase(compiler.version, compiler.version), compiler.program)
    digest = hashlib.sha256(compiler.program.read_bytes()).hexdigest()[:_DIGITS]
    return BuiltBase(CampaignBase(str(release.path), compiler.version, digest), compiler.program)


def asker_for(name: str | None) -> BaseAsker | None:
    """Return what asks a base about cases; None without a base.

    Raises:
        BadInput: as ``build_base``.
    """
    if name is None:
        return None
    from fuzz.triage.base.background_process import asker_of

    return asker_of(build_base(name).facts(CampaignPlan()))


def _refuse_same(release: Release, version: str) -> None:
    """Refuse a base that is the Cranelift under test.

    Raises:
        BadInput: it is.
    """
    from backend.cranelift.cranelift_name import cranelift_name, published

    if release.path is None:
        same = published and version == cranelift_name()
    else:
        same = not published and _has_sources_in(release.path)
    if same:
        raise BadInput(f"--base {release}: it is the Cranelift under test, so nothing would be new")


def _has_sources_in(folder: Path) -> bool:
    """Return whether the Cranelift under test was built of a folder's sources."""
    from backend.cranelift.rule_edges import RulesError, known_rules

    rules = known_rules()
    if isinstance(rules, RulesError):
        return False
    files = [path.resolve() for name, path in rules.sources.items() if name.startswith("src/")]
    codegen = folder / "cranelift" / "codegen"
    root = codegen if codegen.is_dir() else folder
    return any(root in file.parents for file in files)
