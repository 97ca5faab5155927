"""What is signed of a run: in-toto Statements (v1) over the files of its manifest.

Two predicates: in-toto's own `test-result` (v0.1), which every policy engine reads, and ours, which
holds what that one has no words for. An unknown verdict is FAILED there, never WARNED: policies let
warnings pass. Format: https://github.com/in-toto/attestation/tree/main/spec/v1
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from drillkit.attest.manifest import MANIFEST, Manifest
from drillkit.model.records import RunOpened
from drillkit.model.verdict import Holds, Verdict

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
DRILL_RESULT = "https://drillkit.dev/attestation/drill-result/v0.1"
_RESULT = {Holds.MET: "PASSED", Holds.UNKNOWN: "FAILED", Holds.VIOLATED: "FAILED"}


def statements(
    manifest: Manifest, manifest_sha256: str, opened: RunOpened, verdict: Verdict, seq: int
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
        _encoded(subject, DRILL_RESULT, _drill_result(opened, verdict, seq)),
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


def _drill_result(opened: RunOpened, verdict: Verdict, seq: int) -> dict[str, Any]:
    return {
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
        "emulated": list(opened.target.emulated) if opened.target else [],
        "versions": dict(opened.versions),
        "chain": {"seq": seq},
    }
