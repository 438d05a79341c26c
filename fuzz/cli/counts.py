"""What runs and proofs have said of rules, read from the files that they wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.cases.touched_rules import NOTHING_TOUCHED, TouchedRules
from fuzz.cli.errors import BadInput

if TYPE_CHECKING:
    from fuzz.survey.rules import RunCounts


def counts_of_run(run_file: str) -> tuple[RunCounts, TouchedRules]:
    """Read the counts from a file that ``run --json`` wrote, and what the run was directed at.

    Raises:
        BadInput: it is not such a file.
    """
    from fuzz.survey.rules import RunCounts

    try:
        facts = json.loads(Path(run_file).read_text(encoding="utf-8"))
        tables = [
            {
                isa: {str(rule): int(n) for rule, n in counts.items()}
                for isa, counts in table.items()
            }
            for table in (facts["rule_cases"], facts["rule_inputs"])
        ]
        touched = _touched_of_run(facts.get("touched"))
        return RunCounts(*tables), touched
    except OSError as error:
        raise BadInput(f"{run_file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{run_file}: not written by clif-fuzz run --json") from error


def _touched_of_run(change: dict[str, Any] | None) -> TouchedRules:
    if change is None:
        return NOTHING_TOUCHED
    changed, users = (tuple(map(str, change[key])) for key in ("changed", "users"))
    return TouchedRules(changed, users, str(change["since"]))


def proofs_of_run(proofs_file: str) -> dict[str, dict[str, str]]:
    """Read what is proved from a file that ``prove --rules --json`` wrote.

    Returns:
        By a rule's group and place, what is known at each type.

    Raises:
        BadInput: it is not such a file.
    """
    try:
        facts = json.loads(Path(proofs_file).read_text(encoding="utf-8"))
        return {
            str(rule["rule"]): {str(name): str(status) for name, status in rule["types"].items()}
            for rule in facts["rules"]
        }
    except OSError as error:
        raise BadInput(f"{proofs_file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{proofs_file}: not written by clif-fuzz prove --rules --json") from error
