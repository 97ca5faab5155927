"""Advice as SARIF 2.1.0, which code scanning of GitHub, GitLab and Azure DevOps reads.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from drillkit.advise.rule import Advice, Rule, Severity, Table, told_proof
from drillkit.advise.touched_workloads import Survey

_LEVELS: Mapping[Severity, str] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
}
_SCORES: Mapping[Severity, str] = {"critical": "9.0", "high": "7.0", "medium": "5.0", "low": "2.0"}


def sarif(found: Survey, target: str, tables: Sequence[Table[Any, Any]], version: str) -> Any:
    """A SARIF log with one run: all rules, the results, and what could not be looked at."""
    rules = {rule.id: rule for table in tables for rule in table.rules}
    index = {name: i for i, name in enumerate(rules)}
    driver = {
        "name": "drillkit advise",
        "semanticVersion": version,
        "rules": [_rule(rule) for rule in rules.values()],
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                # Results of one target do not take the place of another's.
                "automationDetails": {"id": f"drillkit advise/{quote(target, safe='')}/"},
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {"level": "warning", "message": {"text": f"not looked at: {each}"}}
                            for each in found.unread
                        ],
                    }
                ],
                "results": [_result(each, index[each.rule], target) for each in found.advice],
            }
        ],
    }


def _rule(rule: Rule[Any, Any]) -> Any:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"security-severity": _SCORES[rule.severity]},
    }


def _result(advice: Advice, index: int, target: str) -> Any:
    lines = [f"{advice.subject}: {advice.what}. {advice.why}", f"Mend: {advice.mend}"]
    if advice.proves:
        lines.append(f"Prove: {told_proof(advice.proves, target)}")
    same = f"{advice.rule}\n{advice.subject}\n{advice.what}"
    return {
        "ruleId": advice.rule,
        "ruleIndex": index,
        "level": _LEVELS[advice.severity],
        "message": {"text": "\n".join(lines)},
        "locations": [
            {
                # What has no file is placed in one of its own name: GitHub shows nothing without.
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(advice.subject)},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": advice.subject, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"advice/v1": hashlib.sha256(same.encode()).hexdigest()},
    }
