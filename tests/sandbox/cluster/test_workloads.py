"""Deployments, StatefulSets, DaemonSets, Jobs and CronJobs on a virtual clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drillkit.sandbox.cluster.controllers import cron
from drillkit.sandbox.kube.objects import (
    CONFIGMAPS,
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    STATEFULSETS,
    condition,
    is_ready,
    labels_of,
    owners_of,
)

CLAIMS = ("", "persistentvolumeclaims")
VOLUMES = ("", "persistentvolumes")
CRONJOBS = ("batch", "cronjobs")


def restart(bench, name):
    stamp = {"kubectl.kubernetes.io/restartedAt": str(bench.cluster.time)}
    bench.patch(DEPLOYMENTS, name, {"spec": {"template": {"metadata": {"annotations": stamp}}}})


def roll_out(bench, name, seconds=120):
    """Let a rollout go on second by second; the lowest and highest number of pods seen."""
    ready, total = [], []
    for _ in range(seconds * 2):
        bench.advance(0.5)
        ready.append(len(bench.ready(f"app={name}")))
        total.append(
            sum(1 for p in bench.pods(f"app={name}") if not p["metadata"].get("deletionTimestamp"))
        )
    return min(ready), max(total)


def test_the_shop_comes_up_with_every_replica_ready_and_no_event_of_failure(shop):
    assert shop.status(DEPLOYMENTS, "web")["availableReplicas"] == 3
    assert shop.status(DEPLOYMENTS, "orders")["readyReplicas"] == 2
    assert shop.status(DAEMONSETS, "node-agent")["numberReady"] == 4
    assert shop.status(STATEFULSETS, "cache")["readyReplicas"] == 1
    assert {"Scheduled", "SuccessfulCreate", "ScalingReplicaSet"} <= shop.reasons()
    assert "FailedScheduling" not in shop.reasons()


def test_web_is_spread_over_the_three_zones(shop):
    zones = {
        labels_of(shop.get(NODES, p["spec"]["nodeName"], ""))["topology.kubernetes.io/zone"]
        for p in shop.pods("app=web")
    }
    assert zones == {"local-a", "local-b", "local-c"}


def test_a_rolling_restart_keeps_within_surge_and_unavailable(bare):
    bare.deployment(replicas=4, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}})
    bare.advance(10)
    before = set(bare.names())
    restart(bare, "app")
    lowest, highest = roll_out(bare, "app")
    assert lowest == 3
    assert highest == 5
    assert not before & set(bare.names())
    assert len(bare.ready()) == 4
    assert (
        condition(bare.get(DEPLOYMENTS, "app"), "Progressing")["reason"] == "NewReplicaSetAvailable"
    )


def test_percentages_round_surge_up_and_unavailable_down(bare):
    bare.deployment(
        replicas=3, strategy={"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    )
    bare.advance(10)
    restart(bare, "app")
    assert roll_out(bare, "app") == (3, 4)


def test_recreate_stops_everything_before_it_starts_anything(bare):
    bare.deployment(replicas=2, strategy={"type": "Recreate"})
    bare.advance(10)
    restart(bare, "app")
    assert roll_out(bare, "app") == (0, 2)
    assert len(bare.ready()) == 2


def test_a_rollout_of_an_image_that_cannot_be_pulled_keeps_the_old_pods(bare):
    bare.deployment(replicas=2, progressDeadlineSeconds=20)
    bare.advance(10)
    containers = [{"name": "app", "image": "registry/unknown:1"}]
    bare.patch(DEPLOYMENTS, "app", {"spec": {"template": {"spec": {"containers": containers}}}})
    bare.advance(60)
    assert len(bare.ready()) == 2
    waiting = [
        p["status"]["containerStatuses"][0]["state"].get("waiting", {}).get("reason")
        for p in bare.pods()
    ]
    assert "ImagePullBackOff" in waiting
    progressing = condition(bare.get(DEPLOYMENTS, "app"), "Progressing")
    assert (progressing["status"], progressing["reason"]) == ("False", "ProgressDeadlineExceeded")


def test_an_undone_rollout_brings_the_old_replica_set_back_as_a_new_revision(bare):
    bare.deployment(replicas=1)
    bare.advance(10)
    [first] = bare.store.list(REPLICASETS, "shop")
    restart(bare, "app")
    bare.advance(30)
    bare.patch(DEPLOYMENTS, "app", {"spec": {"template": {"metadata": {"annotations": None}}}})
    bare.advance(30)
    again = bare.get(REPLICASETS, first["metadata"]["name"])
    assert again["spec"]["replicas"] == 1
    assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert (
        bare.get(DEPLOYMENTS, "app")["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        == "3"
    )


def test_scaling_to_zero_and_back(shop):
    shop.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}})
    shop.advance(10)
    assert shop.pods("app=web") == []
    shop.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 3}})
    shop.advance(10)
    assert len(shop.ready("app=web")) == 3


def test_a_deleted_pod_is_replaced_by_one_with_another_uid(shop):
    victim = shop.pods("app=web")[0]
    shop.delete(PODS, victim["metadata"]["name"])
    assert len(shop.ready("app=web")) == 2
    shop.advance(5)
    assert len(shop.ready("app=web")) == 3
    assert victim["metadata"]["uid"] not in {p["metadata"]["uid"] for p in shop.pods()}


def test_deleting_a_deployment_takes_its_pods_along(shop):
    shop.delete(DEPLOYMENTS, "web")
    shop.advance(5)
    assert shop.pods("app=web") == []


def test_orphans_that_match_are_adopted_as_after_a_restore(bare):
    bare.deployment(replicas=2)
    bare.advance(10)
    before = set(bare.names())
    bare.delete(DEPLOYMENTS, "app", propagation="Orphan")
    for replica_set in bare.store.list(REPLICASETS, "shop"):
        assert owners_of(replica_set) == []
    bare.deployment(replicas=2)
    bare.advance(10)
    assert set(bare.names()) == before


def test_a_pod_whose_label_is_taken_away_is_released_and_replaced(bare):
    bare.deployment(replicas=1)
    bare.advance(10)
    [name] = bare.names()
    bare.patch(PODS, name, {"metadata": {"labels": {"app": "debug"}}})
    bare.advance(10)
    assert owners_of(bare.get(PODS, name)) == []
    assert len(bare.ready("app=app")) == 1


def test_a_stateful_set_starts_in_order_and_keeps_its_claims(bare):
    labels = {"app": "db"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "db", "image": "sandbox/db"}]},
    }
    claim = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    spec = {
        "serviceName": "db",
        "replicas": 3,
        "selector": {"matchLabels": labels},
        "template": template,
    }
    bare.create(
        STATEFULSETS,
        {"metadata": {"name": "db"}, "spec": {**spec, "volumeClaimTemplates": [claim]}},
    )
    assert bare.names() == ["db-0"]
    bare.advance(30)
    assert [p["metadata"]["name"] for p in bare.ready()] == ["db-0", "db-1", "db-2"]
    volume = bare.get(CLAIMS, "data-db-1")["spec"]["volumeName"]
    bare.delete(PODS, "db-1")
    bare.advance(10)
    assert bare.get(CLAIMS, "data-db-1")["spec"]["volumeName"] == volume
    assert bare.get(VOLUMES, volume, "")["status"]["phase"] == "Bound"
    bare.patch(STATEFULSETS, "db", {"spec": {"replicas": 1}})
    bare.advance(10)
    assert bare.names() == ["db-0"]
    assert len(bare.store.list(CLAIMS, "shop")) == 3


def test_a_stateful_set_rolls_from_the_highest_ordinal_down(bare):
    labels = {"app": "db"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "db", "image": "sandbox/db:1"}]},
    }
    spec = {
        "serviceName": "db",
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": template,
    }
    bare.create(STATEFULSETS, {"metadata": {"name": "db"}, "spec": spec})
    bare.advance(20)
    first, second = (p["metadata"]["uid"] for p in bare.pods())
    containers = [{"name": "db", "image": "sandbox/db:2"}]
    bare.patch(STATEFULSETS, "db", {"spec": {"template": {"spec": {"containers": containers}}}})
    bare.advance(3)
    assert bare.get(PODS, "db-0")["metadata"]["uid"] == first
    bare.advance(30)
    assert not {first, second} & {p["metadata"]["uid"] for p in bare.pods()}
    status = bare.status(STATEFULSETS, "db")
    assert status["currentRevision"] == status["updateRevision"]


def test_a_daemon_set_runs_once_on_every_node_even_a_cordoned_one(shop):
    shop.patch(NODES, "node-2", {"spec": {"unschedulable": True}}, "")
    [victim] = [p for p in shop.pods("app=node-agent") if p["spec"]["nodeName"] == "node-2"]
    shop.delete(PODS, victim["metadata"]["name"])
    shop.advance(10)
    assert sorted(p["spec"]["nodeName"] for p in shop.ready("app=node-agent")) == [
        "node-1",
        "node-2",
        "node-3",
        "node-4",
    ]


def job(**spec):
    pod = {
        "restartPolicy": "Never",
        "containers": [{"name": "work", "image": "sandbox/exec", "command": ["true"]}],
    }
    template = {"metadata": spec.pop("pod_metadata", {}), "spec": pod}
    return {"metadata": {"name": "work"}, "spec": {"template": template, **spec}}


def test_a_job_completes_and_is_deleted_after_its_time_to_live(bare):
    bare.create(JOBS, job(completions=2, ttlSecondsAfterFinished=30))
    bare.advance(20)
    status = bare.status(JOBS, "work")
    assert status["succeeded"] == 2
    assert condition(bare.get(JOBS, "work"), "Complete")["status"] == "True"
    bare.advance(31)
    assert bare.get(JOBS, "work") is None
    assert bare.pods() == []


def test_a_job_that_keeps_failing_reaches_its_backoff_limit(bare):
    failing = {"annotations": {"sandbox.drillkit.dev/exit-code": "3"}}
    bare.create(JOBS, job(backoffLimit=2, pod_metadata=failing))
    bare.advance(120)
    failed = condition(bare.get(JOBS, "work"), "Failed")
    assert failed["reason"] == "BackoffLimitExceeded"
    assert bare.status(JOBS, "work")["failed"] == 3


def test_a_job_is_stopped_at_its_deadline(bare):
    endless = {"annotations": {"sandbox.drillkit.dev/run-seconds": "999"}}
    bare.create(JOBS, job(activeDeadlineSeconds=10, pod_metadata=endless))
    bare.advance(15)
    assert condition(bare.get(JOBS, "work"), "Failed")["reason"] == "DeadlineExceeded"
    assert bare.pods() == []


ENDLESS = {"annotations": {"sandbox.drillkit.dev/run-seconds": "999"}}
SLOW_END = {"annotations": {"sandbox.drillkit.dev/run-seconds": "5"}}


def ends(bench, name="work"):
    """Type and reason of each condition of a Job."""
    conditions = bench.status(JOBS, name).get("conditions") or []
    return [(each["type"], each["reason"]) for each in conditions]


@pytest.mark.parametrize("options", [{}, {"grace_s": 0}], ids=["gracefully", "by force"])
def test_a_deleted_pod_of_a_job_counts_as_failed_and_is_not_replaced_beyond_the_limit(
    bare, options
):
    bare.create(JOBS, job(backoffLimit=0, pod_metadata=ENDLESS))
    bare.advance(5)
    [name] = bare.names()
    bare.delete(PODS, name, **options)
    bare.advance(60)
    assert bare.pods() == []
    assert bare.status(JOBS, "work")["failed"] == 1
    assert ends(bare) == [
        ("FailureTarget", "BackoffLimitExceeded"),
        ("Failed", "BackoffLimitExceeded"),
    ]


def test_a_failed_job_says_so_before_its_last_pod_has_gone(bare):
    bare.create(JOBS, job(backoffLimit=0, parallelism=2, completions=2, pod_metadata=ENDLESS))
    bare.advance(5)
    bare.delete(PODS, bare.names()[0])
    assert ends(bare) == [("FailureTarget", "BackoffLimitExceeded")]
    assert bare.status(JOBS, "work")["terminating"] == 2
    bare.advance(5)
    assert ends(bare)[-1] == ("Failed", "BackoffLimitExceeded")
    assert bare.status(JOBS, "work")["failed"] == 2


def test_a_deleted_pod_of_a_job_is_replaced_within_the_limit_and_the_job_completes(bare):
    bare.create(JOBS, job(backoffLimit=1, pod_metadata=SLOW_END))
    bare.advance(4)
    [first] = bare.names()
    bare.delete(PODS, first)
    bare.advance(30)
    status = bare.status(JOBS, "work")
    assert (status["failed"], status["succeeded"]) == (1, 1)
    assert ends(bare)[-1] == ("Complete", "CompletionsReached")
    assert first not in bare.names()


def test_where_only_failed_pods_are_replaced_the_next_waits_for_the_last_to_end(bare):
    policy = {"podReplacementPolicy": "Failed"}
    bare.create(JOBS, job(backoffLimit=1, pod_metadata=ENDLESS, **policy))
    bare.advance(5)
    [first] = bare.names()
    bare.delete(PODS, first)
    assert bare.names() == [first]
    assert "failed" not in bare.status(JOBS, "work")
    bare.advance(5)
    assert bare.status(JOBS, "work")["failed"] == 1
    assert len(bare.names()) == 1
    assert first not in bare.names()


def test_what_a_job_has_counted_stays_counted_when_its_pods_are_tidied_away(bare):
    bare.create(JOBS, job(completions=2, pod_metadata=SLOW_END))
    bare.advance(10)
    [done, *_] = bare.names()
    bare.delete(PODS, done)
    bare.advance(20)
    assert bare.status(JOBS, "work")["succeeded"] == 2
    assert ends(bare)[-1][0] == "Complete"


@pytest.mark.parametrize("propagation", ["Orphan", "Background", "Foreground"])
def test_nothing_holds_the_pods_of_a_job_that_is_gone(bare, propagation):
    bare.create(JOBS, job(pod_metadata=ENDLESS))
    bare.advance(5)
    bare.delete(JOBS, "work", propagation=propagation)
    bare.advance(5)
    assert bare.get(JOBS, "work") is None
    held = [each["metadata"].get("finalizers") for each in bare.pods()]
    assert held == ([None] if propagation == "Orphan" else [])


def cron_job(**spec):
    template = {"spec": {"template": job()["spec"]["template"]}}
    return {
        "metadata": {"name": "tick"},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": template, **spec},
    }


def test_a_cron_job_starts_a_job_at_each_due_time_and_keeps_a_short_history(bare):
    bare.create(CRONJOBS, cron_job(successfulJobsHistoryLimit=2))
    bare.advance(16 * 60)
    assert len(bare.store.list(JOBS, "shop")) == 2
    assert bare.status(CRONJOBS, "tick")["lastScheduleTime"] == "2026-01-01T00:15:00Z"


def test_a_suspended_cron_job_starts_nothing(bare):
    bare.create(CRONJOBS, cron_job(suspend=True))
    bare.advance(16 * 60)
    assert bare.store.list(JOBS, "shop") == []


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("*/15 * * * *", "2026-01-01T00:07", "2026-01-01T00:15"),
        ("30 3 * * *", "2026-01-01T03:30", "2026-01-02T03:30"),
        ("0 2-4/2 * * *", "2026-01-01T02:00", "2026-01-01T04:00"),
        ("0 0 1,15 * *", "2026-01-02T00:00", "2026-01-15T00:00"),
        ("0 9 * * mon-fri", "2026-01-02T10:00", "2026-01-05T09:00"),
        ("0 0 13 * 5", "2026-01-01T00:00", "2026-01-02T00:00"),
        ("0 0 29 2 *", "2026-03-01T00:00", "2028-02-29T00:00"),
        ("@monthly", "2026-01-01T00:00", "2026-02-01T00:00"),
        ("0 0 * * 7", "2026-01-01T00:00", "2026-01-04T00:00"),
        ("0 0 ? * 7", "2026-01-01T00:00", "2026-01-04T00:00"),
    ],
)
def test_a_cron_schedule_fires_next_at(schedule, after, expected):
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert cron.next_after(schedule, moment) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong", ["* * * *", "60 * * * *", "*/0 * * * *", "a * * * *", "5-1 * * * *"]
)
def test_a_wrong_cron_schedule_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        cron.next_after(wrong, datetime(2026, 1, 1, tzinfo=UTC))


def test_every_namespace_has_the_authority_of_the_api_made_anew_and_set_right(bare):
    name, key = "kube-root-ca.crt", "ca.crt"
    bare.settle()
    names = [each["metadata"]["name"] for each in bare.store.list(NAMESPACES)]
    published = bare.store.list(CONFIGMAPS, fields=f"metadata.name={name}")
    assert [each["metadata"]["namespace"] for each in published] == names
    before = bare.get(CONFIGMAPS, name)
    bare.delete(CONFIGMAPS, name)
    anew = bare.get(CONFIGMAPS, name)
    assert anew["data"] == before["data"] == {key: bare.store.authority_pem}
    assert anew["metadata"]["uid"] != before["metadata"]["uid"]
    bare.patch(CONFIGMAPS, name, {"data": {key: "mine", "more": "too"}})
    assert bare.get(CONFIGMAPS, name)["data"] == before["data"]
    bare.delete(NAMESPACES, "shop", namespace="")
    assert bare.get(CONFIGMAPS, name) is None


def test_a_deleted_namespace_ends_with_its_pods(bare):
    bare.store.create(NAMESPACES, {"metadata": {"name": "gone"}})
    bare.deployment("x", namespace="gone", replicas=2)
    bare.advance(10)
    assert len([p for p in bare.store.list(PODS, "gone") if is_ready(p)]) == 2
    bare.store.delete(NAMESPACES, "", "gone")
    bare.advance(10)
    assert bare.store.get(NAMESPACES, "", "gone") is None
    assert bare.store.list(PODS, "gone") == []
    assert bare.store.list(DEPLOYMENTS, "gone") == []
