"""What `advise` says of databases, caches, backups, objectives and alerts; and the command."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drillkit.advise.of_alerts import ALERTS, SLOS, Watching, receivers
from drillkit.advise.of_aws import CACHES, CLUSTERS, INSTANCES, Account
from drillkit.advise.of_velero import (
    EACH_LOCATION,
    EACH_NAMESPACE,
    EACH_SCHEDULE,
    INSTALL,
    Backups,
    interval,
)
from drillkit.advise.rule import Advice
from drillkit.advise.sarif import sarif
from drillkit.advise.survey import TABLES
from drillkit.advise.touched_workloads import Survey
from drillkit.clients.prometheus import AlertRule
from drillkit.clients.velero.state import newest
from drillkit.model.slo import Counter, Probed, Ratio, Slo
from tests.conftest import CommandLine, Sandbox

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
DATABASE = {
    "DBInstanceIdentifier": "orders",
    "DBInstanceStatus": "available",
    "MultiAZ": True,
    "BackupRetentionPeriod": 14,
    "DeletionProtection": True,
    "LatestRestorableTime": NOW - timedelta(minutes=4),
    "CertificateDetails": {"ValidTill": NOW + timedelta(days=900)},
}


def of_database(account: Account | None = None, **changes: Any) -> dict[str, str]:
    account = account or Account(NOW, proven={"orders": "2026-02-01"})
    found = INSTANCES.judge({**DATABASE, **changes}, "rds/orders", account, account.knows)
    return {each.rule: each.severity for each in found}


def test_a_hardened_database_is_left_in_peace() -> None:
    assert of_database() == {}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"MultiAZ": False}, {"rds-single-az": "high"}),
        ({"MultiAZ": False, "ReadReplicaSourceDBInstanceIdentifier": "a"}, {}),
        ({"MultiAZ": False, "DBClusterIdentifier": "a", "DeletionProtection": False}, {}),
        ({"BackupRetentionPeriod": 0}, {"rds-retention": "critical"}),
        ({"BackupRetentionPeriod": 1}, {"rds-retention": "medium"}),
        ({"DeletionProtection": False}, {"rds-unprotected": "high"}),
        ({"LatestRestorableTime": NOW - timedelta(hours=3)}, {"rds-behind-rpo": "critical"}),
        ({"CertificateDetails": {"ValidTill": NOW}}, {"rds-certificate": "high"}),
        ({"CertificateDetails": None, "LatestRestorableTime": "soon", "MultiAZ": "?"}, {}),
    ],
)
def test_each_weakness_of_a_database(changes: Any, found: dict[str, str]) -> None:
    assert of_database(**changes) == found


def test_a_restore_that_was_never_proven_is_told_unless_nobody_knows() -> None:
    assert of_database(Account(NOW)) == {"restore-never-proven": "high"}
    assert of_database(Account(NOW, unread={"proven": "no reports"})) == {}


def test_the_rpo_that_a_drill_promises_decides() -> None:
    strict = Account(NOW, proven={"orders": "x"}, rpos={"orders": timedelta(minutes=1)})
    assert of_database(strict) == {"rds-behind-rpo": "critical"}


def test_weaknesses_of_clusters_and_caches() -> None:
    account = Account(NOW, proven={"a": "x"})
    weak = {"DBClusterIdentifier": "a", "DBClusterMembers": [{}], "DeletionProtection": False}
    found = {e.rule for e in CLUSTERS.judge({**weak, "BackupRetentionPeriod": 1}, "a", account)}
    assert found == {"aurora-one-member", "rds-unprotected", "rds-retention"}
    strong = {**weak, "DBClusterMembers": [{}, {}], "DeletionProtection": True}
    assert not list(CLUSTERS.judge({**strong, "BackupRetentionPeriod": 7}, "a", account))

    def of_cache(members: int, failover: str, kept: int) -> set[str]:
        shards = [{"NodeGroupMembers": [{}] * members}]
        group = {
            "AutomaticFailover": failover,
            "SnapshotRetentionLimit": kept,
            "NodeGroups": shards,
        }
        return {e.rule for e in CACHES.judge({"ReplicationGroupId": "c", **group}, "c", account)}

    assert of_cache(1, "disabled", 0) == {"cache-no-replica", "cache-no-backup"}
    assert of_cache(2, "disabled", 7) == {"cache-no-replica"}
    assert of_cache(2, "enabled", 7) == set()


def schedule(**spec: Any) -> Any:
    meta = {"name": "shop-daily", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": meta, "spec": {"schedule": "0 3 * * *", **spec}}


def backup(name: str, at: str, phase: str = "Completed") -> Any:
    return {
        "metadata": {"name": name, "creationTimestamp": at},
        "status": {"phase": phase, "startTimestamp": at, "errors": 1},
    }


def of_velero(given: Any, *backups: Any, **claims: bool) -> set[str]:
    facts = Backups(NOW, installed=True, schedules=[given], claims=claims)
    facts.newest = {"shop-daily": newest(backups)}
    tables: tuple[tuple[Any, Any], ...] = (
        (INSTALL, None),
        (EACH_SCHEDULE, given),
        *((EACH_NAMESPACE, n) for n in claims),
    )
    return {e.rule for table, each in tables for e in table.judge(each, "x", facts, facts.knows)}


GOOD = backup("b1", "2026-03-04T03:00:00Z")


def test_weaknesses_of_schedules() -> None:
    assert of_velero(schedule(), GOOD, shop=True) == set()
    assert of_velero(schedule(paused=True), GOOD) == {"schedule-paused"}
    failed = backup("b2", "2026-03-04T04:00:00Z", "PartiallyFailed")
    assert of_velero(schedule(), GOOD, failed) == {"schedule-failing"}
    assert of_velero(schedule(), backup("b0", "2026-03-01T03:00:00Z")) == {"schedule-late"}
    assert of_velero(schedule()) == {"schedule-late"}
    loose = schedule(template={"snapshotVolumes": False})
    assert of_velero(loose, GOOD, shop=True) == {"volumes-not-in-backup"}
    assert of_velero(loose, GOOD, shop=False) == set()
    some = schedule(template={"includedNamespaces": ["shop"], "excludedNamespaces": ["x"]})
    assert of_velero(some, GOOD, shop=True) == set()
    assert of_velero(some, GOOD, pay=False) == {"namespace-not-in-backup"}


def test_weaknesses_of_locations() -> None:
    facts = Backups(NOW, installed=True, schedules=[schedule()], locked={"b": False, "l": True})

    def found(bucket: str, phase: str) -> set[str]:
        spec = {"provider": "aws", "objectStorage": {"bucket": bucket}}
        each = {"metadata": {"name": "default"}, "spec": spec, "status": {"phase": phase}}
        return {e.rule for e in EACH_LOCATION.judge(each, "x", facts)}

    assert found("l", "Available") == found("unknown", "Available") == set()
    assert found("b", "Unavailable") == {"location-unavailable", "no-object-lock"}
    facts.locations = [{"spec": {"config": {"region": "eu-central-1"}}}]
    assert {e.rule for e in INSTALL.judge(None, "velero", facts)} == {"one-region"}
    assert {e.rule for e in INSTALL.judge(None, "velero", Backups(NOW))} == {"no-velero"}
    assert {e.rule for e in INSTALL.judge(None, "v", Backups(NOW, installed=True))} == {
        "no-schedule"
    }


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("0 3 * * *", 24),
        ("0 */6 * * *", 6),
        ("@every 90m", 1.5),
        ("@daily", 24),
        ("nonsense", None),
    ],
)
def test_how_far_apart_backups_are(cron: str, hours: float | None) -> None:
    assert interval(cron, NOW) == (None if hours is None else timedelta(hours=hours))


def slo(query: str) -> Slo:
    sli = Ratio(good=Counter(query), total=Counter("requests_total"))
    return Slo(name="api", title="", target=0.99, window=timedelta(days=30), sli=sli)


def rule(query: str = "", severity: str = "critical", **annotations: str) -> AlertRule:
    return AlertRule("Burns", query, {"severity": severity}, annotations)


def test_an_objective_that_nobody_watches_is_told() -> None:
    def found(*rules: AlertRule) -> set[str]:
        watching = Watching(list(rules))
        given = slo('good_total{job="web"}')
        return {e.rule for e in SLOS.judge(given, "slo/api", watching, watching.knows)}

    assert found() == found(rule("up == 0")) == {"slo-without-alert"}
    assert found(rule("rate(good_total{job='x'}[5m]) < 1")) == set()
    assert found(rule('burn_rate{slo="api"} > 14')) == set()
    unread = Watching(unread={"rules": "refused"})
    assert not list(SLOS.judge(slo("a{b='c'}"), "slo/api", unread, unread.knows))
    probed = Slo(name="p", title="", target=0.9, window=timedelta(days=1), sli=Probed("web"))
    assert not list(SLOS.judge(probed, "slo/p", Watching(), Watching().knows))


ROUTES = {
    "route": {
        "receiver": "null",
        "routes": [
            {"match": {"severity": "critical"}, "receiver": "pager", "continue": True},
            {"matchers": ['severity =~ "warning|critical"'], "receiver": "chat"},
        ],
    },
    "receivers": [{"name": "null"}, {"name": "pager", "pagerduty_configs": [{}]}, {"name": "chat"}],
}


def test_an_alert_that_reaches_nobody_is_told() -> None:
    assert receivers({"severity": "critical"}, ROUTES["route"]) == {"pager", "chat"}  # type: ignore[arg-type]
    assert receivers({"severity": "info"}, ROUTES["route"]) == {"null"}  # type: ignore[arg-type]

    def found(given: AlertRule, routes: Any = ROUTES) -> set[str]:
        watching = Watching([given], routes)
        return {e.rule for e in ALERTS.judge(given, "alert/Burns", watching, watching.knows)}

    assert found(rule(runbook_url="https://wiki.example.com/burns")) == set()
    assert found(rule()) == {"alert-without-runbook"}
    assert found(rule(severity="warning")) == set()
    lost = {**ROUTES, "receivers": [{"name": "pager"}]}
    assert found(rule(runbook_url="x"), lost) == {"alert-without-route"}
    assert found(rule(runbook_url="x"), {}) == set()  # there is no Alertmanager to ask


def test_sarif_names_what_has_no_file_by_a_uri_and_tells_what_was_not_looked_at() -> None:
    """SARIF 2.1.0: 3.4.3 (`uri` is a URI reference), 3.20 (invocation), 3.58 (notification)."""
    one = Advice(
        "alert-without-runbook", "low", "alert/Burns fast: 100%", "w", "y", "m", "detection"
    )
    log = sarif(Survey((one,), (), ("rules: not allowed",)), "prod/eu", TABLES, "1.0")
    (run,) = log["runs"]
    (result,) = run["results"]
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "alert/Burns%20fast%3A%20100%25"
    assert result["message"]["text"].endswith("Prove: drillkit run detection --target prod/eu")
    (invocation,) = run["invocations"]
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["message"]["text"] == "not looked at: rules: not allowed"
    assert run["automationDetails"]["id"] == "drillkit advise/prod%2Feu/"


@pytest.mark.slow
def test_the_command_tells_why_how_to_mend_and_what_would_prove_it(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    ran = drillkit("advise", "-t", "sandbox", "--sarif", "a.sarif", "--fail-on", "critical")
    assert ran.code == 0, ran.said
    assert "deployment/shop/orders: no disruption budget covers its 2 pods" in ran.out
    assert "deployment/shop/web: no disruption budget" not in ran.out
    prove = "prove  drillkit run node-drain --target sandbox --set namespace=shop"
    assert prove in ran.out
    log = json.loads((drillkit.folder / "a.sarif").read_text())
    (run,) = log["runs"]
    known = run["tool"]["driver"]["rules"]
    assert all(known[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    told = [each["message"]["text"] for each in run["results"]]
    assert any(f"Prove: drillkit {prove.partition('drillkit ')[2]}" in text for text in told)
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]
    assert run["automationDetails"]["id"] == "drillkit advise/sandbox/"
    ran = drillkit("advise", "-t", "sandbox", "-n", "shpo", "--fail-on", "low")
    assert ran.code == 2, ran.said
    assert "expected a namespace `shpo`, found none; did you mean `shop`?" in ran.said
    ran = drillkit("advise", "-t", "sandbox", "-n", "shop", "--json", "--fail-on", "high")
    assert ran.code == 1, ran.said
    data = json.loads(ran.out)
    assert {each["rule"] for each in data["advice"]} >= {"no-budget", "one-replica"}
    assert data["unread"] == []


FRAIL = """
apiVersion: v1
kind: Namespace
metadata: {name: frail}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: frail}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - name: api
        image: shop/api:1.2.3
        readinessProbe: {httpGet: {path: /h, port: 80}}
        livenessProbe: {httpGet: {path: /h, port: 80}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: one, namespace: frail}
spec:
  replicas: 1
  selector: {matchLabels: {app: one}}
  template:
    metadata: {labels: {app: one}}
    spec:
      containers: [{name: one, image: shop/one:1.2.3}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: two, namespace: frail}
spec:
  replicas: 2
  selector: {matchLabels: {app: two}}
  template:
    metadata: {labels: {app: two}}
    spec:
      containers: [{name: two, image: shop/two:1.2.3}]
---
apiVersion: v1
kind: Service
metadata: {name: one, namespace: frail}
spec: {selector: {app: one}, ports: [{port: 80}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: strict, namespace: frail}
spec: {minAvailable: 100%, selector: {matchLabels: {app: api}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api, namespace: frail}
spec:
  minReplicas: 1
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
"""
MENDED = {
    *("one-replica", "no-budget", "budget-allows-nothing", "hpa-minimum", "no-spread"),
    *("no-readiness", "no-liveness", "same-probes", "no-requests", "root-user", "writable-root"),
    "no-network-policy",
}
"""Rules whose advice can be pasted as it is."""
NO_DRILL = {"root-user", "writable-root", "no-network-policy"}
"""What an intruder would use: no drill plays one."""


@pytest.mark.slow
def test_what_can_be_pasted_is_taken_by_the_cluster_and_mends_what_it_says(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    kubectl = ["kubectl", "--kubeconfig", str(sandbox.kubeconfig)]
    subprocess.run([*kubectl, "apply", "-f", "-"], input=FRAIL, text=True, check=True)
    found = advice_on(drillkit, "frail")
    pasted = [each["mend"] for each in found if each["rule"] in MENDED]
    assert {each["rule"] for each in found} >= MENDED
    assert all(each["why"] for each in found)
    assert all(each["proves"] for each in found if each["rule"] not in NO_DRILL)
    script = "\n".join(["set -e", f"export KUBECONFIG={sandbox.kubeconfig}", *pasted])
    subprocess.run(["bash", "-c", script], check=True, capture_output=True)
    # A second pod makes a budget necessary, which is pasted the next time.
    again = [each["mend"] for each in advice_on(drillkit, "frail") if each["rule"] in MENDED]
    script = "\n".join(["set -e", f"export KUBECONFIG={sandbox.kubeconfig}", *again])
    subprocess.run(["bash", "-c", script], check=True, capture_output=True)
    assert [e for e in advice_on(drillkit, "frail") if e["rule"] in MENDED] == []


def advice_on(drillkit: CommandLine, namespace: str) -> list[dict[str, str]]:
    ran = drillkit("advise", "-t", "sandbox", "-n", namespace, "--json")
    assert ran.code == 0, ran.said
    found: list[dict[str, str]] = json.loads(ran.out)["advice"]
    return found


def test_the_rules_are_listed_without_a_target(drillkit: CommandLine) -> None:
    ran = drillkit("advise", "--rules")
    assert ran.code == 0, ran.said
    assert "one-replica" in ran.out
    assert "rds-single-az" in ran.out
