"""Keeps what commits do with a case, so that a second call goes on where the first one ended."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from backend.cranelift.disk_cache import folder, save
from fuzz.cases.build_identity import build_identity
from fuzz.cases.case import Case
from fuzz.cases.casefile import print_case
from fuzz.differential.finding import FindingKind
from fuzz.triage.bisect.tester import Basis, CrossReleaseSignature, Examination, Failure


def case_key(case: Case, isas: tuple[str, ...]) -> str:
    """Return a digest of a case, the ISAs that it is run on, and all that runs it here."""
    text = print_case(case, isas=isas)
    identity = build_identity().digest
    return hashlib.sha256(f"{identity} {isas}\n{text}".encode()).hexdigest()[:32]


def load(build_key: str, case_key: str) -> Examination | None:
    """Return what is kept of a build and a case; None if nothing is."""
    try:
        return _of_json(json.loads(_file(build_key, case_key).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(build_key: str, case_key: str, examination: Examination) -> None:
    """Keep what a build does with a case, unless that depends on how fast it went."""
    if examination.basis is Basis.CASE:
        save(_file(build_key, case_key), json.dumps(_to_json(examination)))


def _file(build_key: str, case_key: str) -> Path:
    return folder() / "commits" / "results" / case_key / f"{build_key}.json"


def _to_json(examination: Examination) -> dict[str, Any]:
    def failure(found: Failure) -> dict[str, Any]:
        signature = dataclasses.asdict(found.signature) | {"kind": found.signature.kind.value}
        return {"signature": signature, "bucket": found.bucket, "reason": found.reason}

    return {
        "failures": [failure(found) for found in examination.failures],
        "compiled": examination.compiled,
        "agrees": examination.agrees,
        "note": examination.note,
    }


def _of_json(facts: dict[str, Any]) -> Examination:
    def failure(found: dict[str, Any]) -> Failure:
        signature = found["signature"]
        kind = FindingKind(signature["kind"])
        return Failure(
            CrossReleaseSignature(kind, signature["isa"], signature["text"]),
            found["bucket"],
            found["reason"],
        )

    failures = tuple(failure(found) for found in facts["failures"])
    return Examination(failures, facts["compiled"], facts["agrees"], facts["note"])
