"""What is signed of a run: in-toto Statements (v1) over the files of its manifest.

Two predicates: in-toto's own `test-result` (v0.1), which every policy engine reads, and ours, which
holds what that one has no words for. An unknown verdict is FAILED there, never WARNED: policies let
warnings pass. Format: https://github.com/in-toto/attestation/tree/main/spec/v1
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from drillkit.attest.manifest import MANIFEST, Manifest
from drillkit.judge.findings import audit_of
from drillkit.judge.people import people_of
from drillkit.judge.run_history import RunRead, read_run
from drillkit.model.audit import Audit
from drillkit.model.codec import to_data
from drillkit.model.drill import Objectives
from drillkit.model.evidence import Backup, Check
from drillkit.model.records import History, MessageSent, RunOpened
from drillkit.model.verdict import Finding, Holds, StepVerdict, Verdict

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
DRILL_RESULT = "https://drillkit.dev/attestation/drill-result/v0.1"
_RESULT = {Holds.MET: "PASSED", Holds.UNKNOWN: "FAILED", Holds.VIOLATED: "FAILED"}


def statements(
    manifest: Manifest,
    manifest_sha256: str,
    history: History,
    opened: RunOpened,
    verdict: Verdict,
    seq: int,
) -> tuple[bytes, bytes]:
    """The payloads to sign. `seq`: number of the run's line in its chain."""
    subject = [
        {"name": MANIFEST, "digest": {"sha256": manifest_sha256}},
        *(
            {"name": name, "digest": {"sha256": file.sha256}}
            for name, file in sorted(manifest.files.items())
        ),
    ]
    return (
        _encoded(subject, TEST_RESULT, _test_result(opened, verdict)),
        _encoded(subject, DRILL_RESULT, _drill_result(history, opened, verdict, seq)),
    )


def _encoded(subject: list[dict[str, Any]], kind: str, predicate: Mapping[str, Any]) -> bytes:
    statement = {
        "_type": STATEMENT,
        "subject": subject,
        "predicateType": kind,
        "predicate": predicate,
    }
    return json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()


def _test_result(opened: RunOpened, verdict: Verdict) -> dict[str, Any]:
    judged = [
        (str(each.about), each.holds)
        for several in (verdict.gates, verdict.bounds, *(step.judged for step in verdict.steps))
        for each in several
    ]
    dirty = verdict.exit_code == 5
    return {
        "result": "FAILED" if dirty else _RESULT[verdict.holds],
        "configuration": [
            {"name": name, "digest": {"sha256": digest}} for name, digest in opened.digests.items()
        ],
        "passedTests": [about for about, holds in judged if holds is Holds.MET],
        "failedTests": [about for about, holds in judged if holds is not Holds.MET],
    }


def _drill_result(
    history: History, opened: RunOpened, verdict: Verdict, seq: int
) -> dict[str, Any]:
    """What auditors ask, as data; the files that are signed with it say it in full."""
    drill, run = opened.drill, read_run(history)
    said = audit_of(run)
    return {
        "started": _date(history[0].at),
        "ended": _date(run.ended_at),
        "owner": drill.owner if drill else "",
        "cadence": str(drill.cadence) if drill and drill.cadence else None,
        "audit": to_data(said),
        "notStated": [each.name for each in fields(Audit) if not to_data(getattr(said, each.name))],
        "objectives": {
            step.name: to_data(step.declared.objectives)
            for step in run.steps.values()
            if step.declared is not None and step.declared.objectives != Objectives()
        },
        "participants": people_of(history).participants,
        "approvedBy": list(opened.approved_by),
        "told": [
            {"at": _date(record.at), "accepted": not message.why, **to_data(message)}
            for record in history
            if isinstance(message := record.entry, MessageSent)
        ],
        "steps": [_step(each) for each in verdict.steps],
        "backups": _seen(run, Backup),
        "checks": _seen(run, Check),
        "undos": dict(sorted(Counter(undo.outcome for undo in verdict.undos).items())),
        "findings": [_finding(each) for each in verdict.findings],
        "digests": dict(opened.digests),
        "run": verdict.run,
        "drill": verdict.drill,
        "target": verdict.target,
        "cluster": opened.identities.cluster_uid,
        "account": opened.identities.aws_account,
        "operator": opened.operator,
        "trigger": opened.trigger,
        "verdict": str(verdict.holds),
        "exitCode": verdict.exit_code,
        "headline": verdict.headline,
        "notProven": list(verdict.not_proven),
        "emulated": list(opened.emulated),
        "versions": dict(opened.versions),
        "chain": {"seq": seq},
    }


def _step(step: StepVerdict) -> dict[str, Any]:
    return {
        "name": step.name,
        "uses": step.uses,
        "holds": str(step.holds),
        "end": step.end,
        "rtoSeconds": step.rto_s,
        "rpoSeconds": step.rpo_s,
        "recoverySeconds": step.recovery_s,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "about": str(finding.about),
        "holds": str(finding.holds),
        "severity": finding.severity,
        "owner": finding.owner,
        "due": finding.due.isoformat() if finding.due else None,
        "ticket": finding.ticket,
    }


def _seen(run: RunRead, kind: type[Backup | Check]) -> list[dict[str, Any]]:
    """Evidence of that kind, with the step it belongs to."""
    return [
        {"step": step.name, **to_data(seen.what)}
        for step in run.steps.values()
        for seen in step.evidence
        if isinstance(seen.what, kind)
    ]


def _date(at: float) -> str | None:
    """None: no date can be so."""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return None
