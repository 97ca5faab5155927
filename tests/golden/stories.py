"""Runs as literals, with fixed times: each a history that a real run could have written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from drillkit.model.codec import to_data
from drillkit.model.drill import Drill
from drillkit.model.evidence import (
    Activity,
    Alert,
    Attachment,
    Backup,
    Check,
    Comparison,
    Mark,
    Measure,
    Note,
    Reading,
    RecoveryPoint,
)
from drillkit.model.records import History, Record
from tests.judge.histories import EPOCH, KILL, Tape, drill

HYPOTHESIS = {
    "before": {"gates": {"web": {"bad": "1 of 50"}}},
    "during": {"web": {"bad": 20, "longest_gap": "5s"}},
    "after": {"gates": {"web": {"bad": "1 of 50", "within": "3m"}}},
}
WEB = {"http": "http://web.shop/health", "rate": "10/s"}
DAYS_30 = 30 * 86_400.0
OPENED: dict[str, Any] = {
    "versions": {"drillkit": "0.1.0", "python": "3.11.7", "chaostoolkit-lib": "1.44.0"},
    "digests": {"drill": "0a" * 32, "experiment pod-delete": "1b" * 32},
    "identities": {
        "cluster_uid": "6f8f3a52-0000-4000-8000-2c6d1f5b9a10",
        "clock_offset_s": {"cluster": 0.012},
    },
    "vantage": {"host": "runner-1", "platform": "Linux-6.1", "python": "3.11.7"},
    "boot": "b0",
}
SANDBOX = {
    "name": "sandbox",
    "launch": {"module": "drillkit.sandbox"},
    "emulated": [
        "Nodes and zones are names: all pods run on this machine.",
        "Volumes hold nothing.",
    ],
}
PROD = {
    "name": "prod",
    "protected": True,
    "kubernetes": {"context": "prod", "cluster_uid": "6f8f3a52-0000-4000-8000-2c6d1f5b9a10"},
    "prometheus": {"url": "https://prometheus.example.com", "bearer": "env:PROMETHEUS_TOKEN"},
}


WEAK = [
    {
        "rule": "no-budget",
        "severity": "medium",
        "subject": "deployment/shop/web",
        "what": "no disruption budget covers its 3 pods",
        "why": "A drain may evict all its pods at once: nothing tells it that some must stay.",
        "mend": "kubectl apply -f - <<'EOF'\nkind: PodDisruptionBudget\n# ...\nEOF",
        "proves": "node-drain --set namespace=shop --set selector=app=web",
    },
    {
        "rule": "floating-tag",
        "severity": "medium",
        "subject": "deployment/shop/web",
        "what": "its images float: web:latest",
        "why": "Two pods of one workload may run different programs.",
        "mend": "name the version and its digest: IMAGE:VERSION@sha256:...",
    },
    {
        "rule": "root-user",
        "severity": "medium",
        "subject": "deployment/shop/web",
        "what": "may run as root: web",
        "why": "Who breaks out of a process that runs as root is root on the node.",
        "mend": "kubectl -n shop patch deployment web -p '{\"spec\": {}}'",
    },
]
UNREAD = ["autoscalers of shop: the drill itself needs no permission to list them"]


def opened(of: Drill, target: Mapping[str, Any] = SANDBOX, **more: Any) -> Tape:
    """A run that has begun: record 1, and the lock on the target."""
    told = {"operator": "ada@runner-1", "trigger": "operator", **OPENED, **more}
    tape = Tape(None)
    tape.add(
        0.0,
        "run.opened",
        run="20270115-080000-x7k2",
        drill=to_data(of),
        target=dict(target),
        **told,
    )
    tape.phase("guards", 0.1, 0.5)
    data: dict[str, Any] = {
        "undo": "kube.release-lease",
        "phase": "remove",
        "resource": "lease/drillkit/drillkit",
        "args": {},
    }
    return tape.add(0.2, "undo.planned", key="lease", **data)


def ended(tape: Tape, at: float) -> Tape:
    """Clean-up of the lock, and the last line."""
    tape.phase("cleanup", at, at + 0.3)
    done: dict[str, Any] = {
        "outcome": "undone",
        "detail": "lease/drillkit/drillkit is gone",
        "attempts": 1,
    }
    return tape.add(at + 0.2, "undo.ended", of="lease", **done).closed(at + 0.4)


def kill_pod(tape: Tape, at: float, pod: str, step: str = "kill") -> Tape:
    """An effect that nothing takes back."""
    return tape.add(
        at,
        "effect.irreversible",
        on=step,
        effect="kube.delete-pod",
        resource=f"pod/shop/{pod}",
        args={},
        reason="a deleted pod does not come back; its controller makes another",
        wait_for="a replacement that is ready",
    )


def acted(name: str, *targets: str, took_s: float = 1.2, **more: Any) -> Activity:
    """An action of an experiment."""
    return Activity(
        name, "method", "action", "succeeded", len(targets), None, took_s, targets=targets, **more
    )


def tolerated(name: str, place: Any, held: bool = True) -> Activity:
    """A probe of an experiment's own hypothesis."""
    return Activity(name, place, "probe", "succeeded", None, held, 0.02)


def met() -> Tape:
    """Law 1: what cannot be undone was written down before it happened; everything else is undone
    and shown.
    """
    of = drill(
        description="One of three web pods is deleted while users are served.",
        probes={"web": WEB},
        hypothesis=HYPOTHESIS,
        steps=[KILL],
    )
    tape = opened(of).phase("before", 0.5, 8).probe("web", 0, 30, rate=10, bad=[(10.1, 10.35)])
    tape.gate(7.9, "before", "web", total=50)
    tape.add(7.95, "weaknesses.found", found=WEAK, more=2, unread=UNREAD)
    tape.phase("steps", 8, 14).step("kill", 8, 14)
    tape.see(8.2, tolerated("all pods are ready", "before"), step="kill")
    kill_pod(tape, 10.0, "web-5d9c-x7k2p").mark("kill", disrupted=10.0, recovered=12.4)
    tape.see(12.4, Check("ready pods of app=web in shop", "step", 3, ">=", 3), step="kill")
    tape.see(12.5, acted("delete pods", "pod/shop/web-5d9c-x7k2p", took_s=2.5), step="kill")
    tape.see(13.0, tolerated("all pods are ready", "after"), step="kill")
    tape.see(13.5, Attachment("chaostoolkit-kill.log", "text/plain", "c4" * 32, 1199), step="kill")
    tape.phase("after", 14, 28).gate(27.9, "after", "web", total=50)
    return ended(tape, 28)


def violated() -> Tape:
    """A group, several probes, slow and lost requests told apart; what held is told too."""
    probes = {
        "web": {**WEB, "slow": "250ms"},
        "orders-through-the-front-page": WEB,
        "cache": {**WEB, "control": True},
    }
    during = {
        "web": {"bad": 5, "p95": "100ms"},
        "orders-through-the-front-page": {"bad": 20, "longest_gap": "1s"},
    }
    lag = {"name": "lag", "uses": "chaostoolkit", "hypothesis": {"during": {"web": {"p99": "2s"}}}}
    group = {"name": "storm", "parallel": [{**KILL, "name": "kill"}, lag], "on_failure": "continue"}
    last = [{"name": "report", "uses": "command"}, {"name": "never", "uses": "wait"}]
    of = drill(probes=probes, hypothesis={**HYPOTHESIS, "during": during}, steps=[group, *last])
    tape = (
        opened(of)
        .phase("before", 0.5, 8)
        .gate(7.9, "before", "web", total=50)
        .phase("steps", 8, 22)
    )
    tape.probe("web", 0, 30, rate=10, bad=[(9.5, 12.0)], cause="slow", slow={9.5: 0.3, 12.0: 0.005})
    tape.probe("orders-through-the-front-page", 0, 30, rate=10, bad=[(9.0, 12.1)], cause="5xx")
    tape.probe("cache", 0, 30, rate=10, control=True)
    tape.step("kill", 8, 14, group="storm").mark("kill", disrupted=9.0, recovered=12.0)
    for i in range(9):
        kill_pod(tape, 9.0 + i / 100, f"orders-7f6b-{i}")
    tape.see(
        13, acted("delete pods", *(f"pod/shop/orders-7f6b-{i}" for i in range(9))), step="kill"
    )
    tape.step("lag", 8, 15, group="storm").undo(9.4, "networkchaos/shop/lag", step="lag")
    tape.see(10, Check("networkchaos/shop/lag", "in-effect", True, "==", True), step="lag")
    tape.see(
        14.5,
        acted("delay traffic", "pod/shop/web-1", "pod/shop/web-2", undo_guaranteed=False),
        step="lag",
    )
    gone = "networkchaos/shop/lag is gone"
    tape.add(
        14.8,
        "undo.ended",
        on="lag",
        of="networkchaos/shop/lag",
        outcome="undone",
        detail=gone,
        attempts=1,
    )
    tape.step("report", 16, 21, "failed", "`curl` ended with 22: not found")
    tape.step("never", 21, 21.01, "skipped", "an earlier step did not succeed (report): not proven")
    tape.phase("after", 22, 28).gate(27.9, "after", "web", total=50)
    return ended(tape, 28)


def not_believed() -> Tape:
    """Law 4: a control probe that fails too, and a fault that was healed by somebody, leave
    nothing proven.
    """
    of = drill(
        probes={"web": WEB, "cache": {**WEB, "control": True}}, hypothesis=HYPOTHESIS, steps=[KILL]
    )
    tape = (
        opened(of)
        .phase("before", 0.5, 8)
        .gate(7.9, "before", "web", total=50)
        .phase("steps", 8, 14)
        .step("kill", 8, 14)
    )
    tape.probe("web", 0, 30, rate=10, bad=[(9.0, 12.1)], cause="timeout", dropped={13: 4})
    tape.probe("cache", 0, 30, rate=10, bad=[(9.2, 11.8)], cause="timeout", control=True)
    kill_pod(tape, 9.0, "web-5d9c-x7k2p").mark("kill", disrupted=9.0, recovered=12.0)
    for at, found in ((9.5, True), (10.5, False), (11.5, None)):
        why = "403 forbidden" if found is None else ""
        tape.see(
            at, Check("networkchaos/shop/lag", "in-effect", True, "==", found, why), step="kill"
        )
    tape.phase("after", 14, 28).gate(27.9, "after", "web", total=50)
    return ended(tape, 28)


def refused() -> Tape:
    """Law 6: a selector that matches nothing is no success. Law 9: a secret is a reference
    here, too.
    """
    of = drill(probes={"web": WEB}, hypothesis=HYPOTHESIS, steps=[KILL], target="prod")
    tape = opened(of, PROD, trigger="cron").add(
        0.3,
        "guard.decided",
        place="start",
        guard="window 02:00-05:00 Europe/Berlin",
        holds="met",
        why="",
    )
    why = (
        "step `kill`: expected ready pods of app=nope in namespace shop, found none: no pod "
        "matches; check the labels"
    )
    tape.add(0.4, "guard.decided", place="start", guard="start", holds="violated", why=why)
    return ended(tape, 0.6)


def aborted() -> Tape:
    """Laws 5 and 7: a declared bound ends the run; it is cleaned, then reported."""
    guards = {"abort": [{"probe": "web", "longest_gap": "5s"}]}
    of = drill(probes={"web": WEB}, hypothesis=HYPOTHESIS, steps=[KILL], guards=guards)
    tape = (
        opened(of)
        .phase("before", 0.5, 8)
        .gate(7.9, "before", "web", total=50)
        .phase("steps", 8, 15.4)
    )
    tape.probe("web", 0, 16, rate=10, bad=[(9.3, 99.0)], cause="timeout").step(
        "kill", 8, 15.3, "cut", "no new effect: web did not answer for 5.1 s"
    )
    tape.undo(9.1, "networkpolicy/shop/cut-off").mark("kill", disrupted=9.2)
    guard = "probe: web, longest_gap: 5s"
    tape.add(
        15.0,
        "guard.decided",
        place="abort",
        guard=guard,
        holds="violated",
        why="web did not answer for 5.1 s",
    )
    tape.add(15.1, "abort", by="guard", why=f"{guard}: web did not answer for 5.1 s")
    tape.see(
        15.2,
        Activity("cut the network", "method", "action", "cut", None, None, 6.0, "worker killed"),
        step="kill",
    )
    tape.add(
        15.6,
        "undo.ended",
        on="kill",
        of="networkpolicy/shop/cut-off",
        outcome="undone",
        detail="networkpolicy/shop/cut-off is gone",
        attempts=2,
    )
    return ended(tape, 15.5)


def recovered() -> Tape:
    """Laws 3 and 5: killed in the middle of a line, cleaned up after the machine was restarted,
    never called met.
    """
    of = drill(probes={"web": WEB}, hypothesis=HYPOTHESIS, steps=[KILL])
    tape = opened(of).phase("before", 0.5, 8).gate(7.9, "before", "web", total=50).phase("steps", 8)
    tape.probe("web", 0, 12, rate=10, bad=[(9.3, 9.6)]).step("kill", 8).undo(
        9.1, "node/ip-10-0-1-7"
    )
    tape.add(REBOOT, "journal.torn", bytes=61, text='{"n":31,"at":1800000012.3,"mono":')
    tape.add(REBOOT + 0.1, "run.recovered", by="grace@runner-2", boot="b1").phase(
        "cleanup", REBOOT + 0.2, REBOOT + 2
    )
    done: dict[str, Any] = {"detail": "node/ip-10-0-1-7 is schedulable", "attempts": 1}
    tape.add(REBOOT + 1, "undo.ended", of="node/ip-10-0-1-7", outcome="undone", **done)
    lease: dict[str, Any] = {"detail": "lease/drillkit/drillkit is held by nobody", "attempts": 1}
    return tape.add(REBOOT + 1.5, "undo.ended", of="lease", outcome="already-undone", **lease)


REBOOT = 3 * 3600.0
"""When the machine of `recovered` is back, and its monotonic clock has begun anew."""


def dirty() -> Tape:
    """Law 2: users are relieved first; an undo that fails blocks no other, and is not hidden."""
    of = drill(probes={"web": WEB}, hypothesis=HYPOTHESIS, steps=[KILL])
    tape = (
        opened(of)
        .phase("before", 0.5, 8)
        .gate(7.9, "before", "web", total=50)
        .phase("steps", 8, 14)
        .step("kill", 8, 14)
    )
    tape.probe("web", 0, 30, rate=10, bad=[(9.3, 9.6)]).mark("kill", disrupted=9.2, recovered=10.0)
    for name in ("node/ip-10-0-1-7", "node/ip-10-0-2-9"):
        tape.undo(9.1, name)
    for name in ("rds/drill-copy", "namespace/dr-x7k2", "volume/keepsake"):
        tape.undo(9.2, name, phase="remove")
    tape.phase("after", 14, 28).gate(27.9, "after", "web", total=50).phase("cleanup", 28, 60)
    tape.add(
        28.1,
        "undo.ended",
        of="node/ip-10-0-1-7",
        outcome="undone",
        detail="schedulable",
        attempts=1,
    )
    tape.add(
        28.2,
        "undo.ended",
        of="node/ip-10-0-2-9",
        outcome="already-undone",
        detail="somebody was first",
        attempts=1,
    )
    tape.add(29.0, "undo.failed", of="rds/drill-copy", why="403: not allowed to delete", attempts=3)
    tape.add(
        30.0,
        "undo.ended",
        of="namespace/dr-x7k2",
        outcome="never-happened",
        detail="absent for 30 s",
        attempts=4,
    )
    tape.add(
        30.5,
        "undo.ended",
        of="volume/keepsake",
        outcome="kept",
        detail="handed over to sre@example.com",
        attempts=1,
    )
    lease: dict[str, Any] = {
        "detail": "lease/drillkit/drillkit belongs to run 20270115-090000-kk22",
        "attempts": 1,
    }
    tape.add(31.0, "undo.ended", of="lease", outcome="not-ours", **lease)
    return tape.closed(60)


def date(at: float) -> datetime:
    return datetime.fromtimestamp(EPOCH + at, UTC)


def restore() -> Tape:
    """A restore: RTO in its parts, RPO by what was found, a budget by time and by events, what
    people noted.
    """
    steps = [
        {
            "name": "database",
            "uses": "rds.point-in-time-restore",
            "with": {"source": "microservices-dev-db"},
            "objectives": {"rto": "45m", "rpo": "10m"},
            "checks": [
                {"canary": "heartbeat"},
                {"sql": "select count(*) from orders", "expect": "> 0"},
            ],
        }
    ]
    during = {"api": {"budget": "1%"}}
    of = drill(
        drill="monthly-dr",
        window={"hours": "08:00-12:00", "timezone": "Europe/Berlin"},
        cadence="monthly",
        audit={
            "scope": {"in": ["shop", "its database"], "out": ["billing"]},
            "scenario": {"type": "component", "announced": True},
            "references": {"plan": "DRP 4.2"},
            "participants": {"ada@example.com": "incident lead"},
            "remedy": {"violated": "30d"},
        },
        hypothesis={"before": {"slo": ["api"]}, "during": during},
        steps=steps,
    )
    slos = {
        "api": {"target": 0.995, "window_s": DAYS_30, "kind": "prometheus", "n_window": 5_000_000.0}
    }
    tape = opened(of, PROD, trigger="cron", slos=slos).phase("before", 0.5, 8)
    query = 'sum(increase(http_requests_total{code!~"5.."}[60s]))'
    tape.see(7, Reading("api", query, 60, 9990.0, 10_000.0, place="before"))
    tape.gate(7.5, "before", "api", total=10_000, bad=10).phase("steps", 8, 1400)
    tape.add(
        8.0,
        "step.started",
        on="database",
        uses="rds.point-in-time-restore",
        disturbs="none",
        group="",
    )
    for moment, at in (
        ("disrupted", 8.5),
        ("decided", 20),
        ("started", 25),
        ("restored", 1000),
        ("ready", 1100),
        ("warm", 1250),
        ("verified", 1300),
    ):
        tape.see(at, Mark(moment, at, simulated=moment == "disrupted"), step="database")  # type: ignore[arg-type]
    tape.undo(24.0, "rds/monthly-dr-x7k2", phase="remove", step="database")
    tape.see(900, Alert("RDSCopyRunning", {"severity": "info"}, "firing", date(880), expected=True))
    tape.see(
        20,
        Backup(
            name="db-XYZ",
            of="rds instance/microservices-dev-db, continuous",
            how="latest",
            between=(date(-7 * 86_400.0), date(-300.0)),
            created=date(-300.0),
            bytes=20 * 1024**3,
            counted="storage of the original",
            place="account 123456789012",
            region="eu-central-1",
            encrypted=True,
            kms_key="arn:aws:kms:eu-central-1:123456789012:key/k-1",
            immutable=False,
            lock="none: whoever shortens its retention, which is 7 days, deletes it",
        ),
        step="database",
    )
    tape.see(1200, RecoveryPoint(date(-20.0), "canary", date(8.5)), step="database")
    tape.see(1201, RecoveryPoint(date(-300.0), "latest-restorable", date(8.5)), step="database")
    tape.see(1250, Check("canary heartbeat", "restored-data", True, "==", True), step="database")
    tape.see(
        1290, Check("select count(*) from orders", "restored-data", 0, ">", 12_043), step="database"
    )
    differs = (
        ("multi_az", "true", "false"),
        ("parameter_group", "shop-pg15", "default.postgres15"),
    )
    compared = Comparison("settings", "microservices-dev-db", 31, differs, allowed=("multi_az",))
    tape.see(1295, compared, Measure("restored data", 52_428_800, "bytes"), step="database")
    tape.see(1320, Reading("api", query, 1400, 219_900.0, 220_000.0))
    tape.see(
        1330,
        Note(
            "ada",
            "parameter group is not in Terraform",
            "action-item",
            "bob@example.com",
            date(86_400 * 14).date(),
        ),
    )
    tape.see(1335, Note("ada", "the runbook names the wrong subnet group", "observation"))
    tape.add(1400, "step.ended", on="database", outcome="ok", why="").phase("after", 1400, 1410)
    gone: dict[str, Any] = {"detail": "rds/monthly-dr-x7k2 is gone", "attempts": 12}
    tape.add(1500, "undo.ended", on="database", of="rds/monthly-dr-x7k2", outcome="undone", **gone)
    slack = {"by": "slack (drillkit.yaml)", "to": "#drills"}
    tape.add(8.3, "message.sent", event="started", **slack)
    tape.add(8.4, "message.sent", event="announced", by="Kubernetes Event", to="lease ops/drillkit")
    lost: dict[str, Any] = {"by": "webhook (drillkit.yaml)", "why": "no answer within 5 s"}
    tape.add(13.2, "message.sent", event="started", to="hooks.example.com", **lost)
    return ended(tape, 1410).add(1412, "message.sent", event="violated", **slack)


def newer() -> Tape:
    """Laws 3 and 4: written by a later version; what it understands is shown, and it says what it
    did not.
    """
    tape = (
        met()
        .add(20, "evidence", type="Hologram", of="a pod", colour="blue")
        .add(21, "step.paused", on="kill", why="tea")
    )
    return tape.add(
        22,
        "evidence",
        on="kill",
        type="Check",
        name="x",
        purpose="step",
        expected=1,
        op="~=",
        found=1,
    )


def unwatched() -> Tape:
    """A wrapped experiment: nobody asked what users felt, and the report does not pretend
    to know.
    """
    of = drill(
        drill="my-experiment", owner="", steps=[{"name": "my-experiment", "uses": "chaostoolkit"}]
    )
    tape = opened(of).phase("steps", 1, 9).step("my-experiment", 1, 9)
    for place in ("before", "after"):
        tape.see(
            2 if place == "before" else 8,
            tolerated("all pods are ready", place),
            step="my-experiment",
        )
    tape.see(4, Check("ready pods of app=web in shop", "step", 3, ">=", 3), step="my-experiment")
    kill_pod(tape, 3, "web-5d9c-x7k2p", "my-experiment").mark(
        "my-experiment", disrupted=3, recovered=4
    )
    return ended(tape, 10)


def only_opened() -> Tape:
    """Nothing but record 1 was written."""
    return Tape(drill(probes={"web": WEB}, hypothesis=HYPOTHESIS, steps=[KILL]))


def evil() -> Tape:
    """Names and texts that would like to be code."""
    script, table = (
        "<script>alert(1)</script>",
        "a | b\n## c `d` [e](javascript:f) ![g](h) <img src=x onerror=i>",
    )
    of = drill(
        description=f"{script} {table}",
        owner=script,
        probes={script: WEB},
        hypothesis={"during": {script: {"bad": 1}}},
        steps=[{"name": script, "uses": script}, {"name": "</style></svg>'\"", "uses": "wait"}],
    )
    target = {"name": f"{script}", "emulated": [script, table]}
    tape = opened(of, target, operator=script, versions={script: script}, digests={script: script})
    odd = dict.fromkeys(("rule", "severity", "subject", "what", "why", "mend", "proves"), script)
    found = [odd, {**odd, "mend": f"{table}\n```\n{script}", "subject": table}]
    tape.add(2.9, "weaknesses.found", found=[*found, *([odd] * 10)], more=1, unread=[table])
    tape.phase(script, 0.5, 3).phase("steps", 3, 8).probe(
        script, 0, 10, rate=10, bad=[(4, 6)], cause=script
    )
    tape.add(3, "step.started", on=script, uses=script, disturbs="users", group=script)
    tape.see(
        4,
        acted(script, script, table),
        Check(script, "step", script, "==", table, script),
        step=script,
    )
    tape.see(
        5,
        Note(script, table, "action-item", script),
        Measure(script, 1.5, "rows"),
        Alert(script, {}, "firing", date(1)),
    )
    tape.see(
        5,
        Attachment(f"../{script}", script, script, 3),
        Reading(script, script, 5, None, None, script),
    )
    tape.see(5, Comparison("objects", script, 3, ((script, script, table),)))
    tape.add(5, "message.sent", event=script, by=script, to=table, why=script)
    tape.undo(5, script, step=script).add(7, "undo.failed", of=script, why=script, attempts=1)
    tape.add(6, "guard.decided", place="abort", guard=script, holds="violated", why=script)
    tape.add(6, "abort", by=script, why=table).add(
        6.5, "gate.decided", place="after", sli=script, holds="unknown", why=script
    )
    return ended(tape.add(8, "step.ended", on=script, outcome=script, why=f"{script} {table}"), 9)


def long() -> Tape:
    """Twenty-five minutes: bars of five seconds, a minute in which nobody looked, an outage every
    few minutes.
    """
    of = drill(
        probes={"web": WEB},
        hypothesis={"during": {"web": {"bad": 200, "longest_gap": "5s"}}},
        steps=[KILL],
        limit="1h",
    )
    bad = [(at, at + 0.4 + at / 1000) for at in range(100, 1400, 130)]
    tape = (
        opened(of)
        .phase("steps", 10, 1450)
        .step("kill", 10, 1450)
        .mark("kill", disrupted=90, recovered=1400)
    )
    tape.probe("web", 0, 700, rate=10, bad=bad).probe("web", 760, 1500, rate=10, bad=bad)
    return ended(tape, 1500)


STORIES: Mapping[str, Callable[[], Tape]] = {
    "met": met,
    "violated": violated,
    "not-believed": not_believed,
    "refused": refused,
    "aborted": aborted,
    "recovered": recovered,
    "dirty": dirty,
    "restore": restore,
    "newer": newer,
    "unwatched": unwatched,
    "only-opened": only_opened,
    "evil": evil,
    "long": long,
}


def history_of(name: str) -> History:
    """The records of a story."""
    history = STORIES[name]().history()
    if name != "recovered":
        return history
    # Another boot: the monotonic clock begins anew, only the dates go on.
    return tuple(
        replace(r, mono=r.mono - REBOOT + 30.0) if r.mono >= REBOOT else r for r in history
    )


def journal_of(history: Sequence[Record]) -> bytes:
    """A journal as it lies on disk: each line with the SHA-256 of the one before it."""
    lines, prev = [], "0" * 64
    for r in history:
        line = {"n": r.n, "at": r.at, "mono": r.mono, "by": r.by, "kind": r.kind}
        line |= {"step": r.step} if r.step else {}
        lines.append(
            json.dumps(
                {**line, "data": r.data, "prev": prev}, separators=(",", ":"), ensure_ascii=False
            ).encode()
        )
        prev = hashlib.sha256(lines[-1]).hexdigest()
    return b"".join(line + b"\n" for line in lines)
