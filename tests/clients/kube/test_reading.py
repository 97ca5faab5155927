"""Reads: pages, retries, and what a cluster tells about itself."""

from __future__ import annotations

from email.utils import format_datetime

import pytest

from drillkit.clients.kube import NotServed
from drillkit.clients.kube.client import READ_ATTEMPTS
from drillkit.clients.kube.permissions import needs
from drillkit.clients.kube.resources import (
    DEPLOYMENTS,
    NETWORK_CHAOS,
    NODES,
    PODS,
    Resource,
)
from drillkit.clock import utc
from drillkit.model.errors import Absent, Denied, Throttled, Unanswered, Unavailable, Unreachable
from tests.clients.kube.conftest import refused, said, scripted
from tests.crash.world import Stage


def test_a_list_is_read_page_by_page(stage: Stage) -> None:
    everything = stage.kube.list(PODS, "shop", limit=2)
    assert len(everything) == len(stage.cluster.store.list(("", "pods"), "shop")) > 4
    assert len({pod["metadata"]["uid"] for pod in everything}) == len(everything)


def test_a_list_whose_pages_expired_is_taken_in_one_piece() -> None:
    kube, script, _ = scripted(
        said(200, {"metadata": {"continue": "x"}, "items": [{"n": 1}]}),
        refused(410, "the provided continue parameter is too old"),
        said(200, {"metadata": {}, "items": [{"n": 1}, {"n": 2}]}),
    )
    assert kube.list(PODS, "shop", selector="app=web") == [{"n": 1}, {"n": 2}]
    assert script.sent[1].query == {"limit": "500", "labelSelector": "app=web", "continue": "x"}
    assert "limit" not in script.sent[2].query


def test_selectors_choose_on_the_server(stage: Stage) -> None:
    assert len(stage.kube.list(PODS, "shop", selector="app=web")) == 3
    node = stage.kube.list(PODS, "shop", selector="app=web")[0]["spec"]["nodeName"]
    here = stage.kube.list(PODS, fields=f"spec.nodeName={node}")
    assert here
    assert {pod["spec"]["nodeName"] for pod in here} == {node}


def test_a_missing_object_is_absent_and_find_gives_none(stage: Stage) -> None:
    with pytest.raises(Absent, match=r"cannot get deployment/shop/nope"):
        stage.kube.get(DEPLOYMENTS, "nope", "shop")
    assert stage.kube.find(DEPLOYMENTS, "nope", "shop") is None


def test_a_resource_whose_crd_is_missing_says_so(stage: Stage) -> None:
    unknown = Resource("example.com", "v1", "widgets", kind="Widget")
    with pytest.raises(NotServed, match="is its CRD installed"):
        stage.kube.list(unknown, "shop")
    assert not stage.kube.serves(unknown)
    assert stage.kube.serves(NETWORK_CHAOS)
    assert stage.kube.serves(PODS)


def test_an_object_in_no_namespace_is_not_looked_for_in_default(stage: Stage) -> None:
    with pytest.raises(ValueError, match="needs a namespace"):
        stage.kube.get(PODS, "web-1")


@pytest.mark.parametrize(
    "error", [Unreachable("no route"), Unanswered("broke"), refused(503, "starting")]
)
def test_a_read_is_tried_again_after_passing_trouble(error: object) -> None:
    kube, script, ticks = scripted(error, said(200, {"metadata": {"uid": "u"}}))  # type: ignore[arg-type]
    assert kube.get(NODES, "n1")["metadata"]["uid"] == "u"
    assert len(script.sent) == 2
    assert 0.1 < sum(ticks.slept) < 1


def test_a_read_waits_as_long_as_the_server_wishes_but_not_for_ever() -> None:
    kube, _, ticks = scripted(
        refused(429, "busy", retry_after="2"),
        refused(429, "busy", retry_after="3600"),
        said(200, {}),
    )
    kube.get(NODES, "n1")
    assert ticks.slept == [2.0, 10.0]


def test_a_read_gives_up_after_a_bounded_number_of_attempts() -> None:
    kube, script, _ = scripted(*[refused(503, "starting")] * 10)
    with pytest.raises(Unavailable, match="in trouble"):
        kube.get(NODES, "n1")
    assert len(script.sent) == READ_ATTEMPTS


def test_a_read_begins_no_further_attempt_when_its_time_is_over() -> None:
    kube, script, ticks = scripted(*[refused(429, "busy", retry_after="10")] * 10)
    ticks.at += 0
    with pytest.raises(Throttled):
        kube.get(NODES, "n1")
    assert len(script.sent) <= READ_ATTEMPTS


def test_a_refusal_is_not_tried_again() -> None:
    kube, script, _ = scripted(refused(403, 'User "ann" cannot get nodes'))
    with pytest.raises(Denied, match=r"user ann \(context prod\) may not"):
        kube.get(NODES, "n1")
    assert len(script.sent) == 1


def test_the_cluster_tells_who_it_is_and_what_time_it_has(stage: Stage) -> None:
    assert (
        stage.kube.cluster_uid()
        == stage.cluster.get(("", "namespaces"), "", "kube-system")["metadata"]["uid"]
    )
    assert stage.kube.server_version().startswith("v1.")
    assert abs(stage.kube.clock_offset_s()) <= 0.5


def test_a_clock_that_is_ahead_is_measured() -> None:
    kube, _, ticks = scripted(said(200, {}, date="Mon, 12 Jan 1970 13:47:40 GMT"))
    ticks.at = 1_000_000.0  # 13:46:40
    assert kube.clock_offset_s() == pytest.approx(60.5)


def test_permissions_are_asked_for_without_passing_the_gate(stage: Stage) -> None:
    stage.cluster.store.policy = lambda access: access.verb != "delete"
    stage.kube.fence.close("the run is over")
    assert all(map(stage.kube.may, needs("create", PODS, "shop", subresource="eviction")))
    assert not any(map(stage.kube.may, needs("delete", PODS, "shop")))


def test_a_log_is_read_as_text(stage: Stage) -> None:
    stage.cluster.store.pod_log = lambda pod, container, previous, tail: (
        f"{container} {previous} {tail}\n"
    )
    pod = stage.kube.list(PODS, "shop", selector="app=web")[0]["metadata"]["name"]
    assert stage.kube.log(pod, "shop", container="web", tail=7) == "web False 7\n"


def test_something_else_than_an_api_server_is_told_apart() -> None:
    from drillkit.clients.kube import Response

    page = Response(200, {}, b"<html>Sign in</html>")
    kube, _, _ = scripted(page, page, page, page)
    with pytest.raises(Unanswered, match="is a proxy in between"):
        kube.get(NODES, "n1")


def test_what_the_cluster_dates_is_compared_with_the_clusters_clock() -> None:
    an_hour_ahead = said(200, {}, date=format_datetime(utc(1_000_000.0 + 3600)))
    kube, script, ticks = scripted(an_hour_ahead)
    assert kube.now() == pytest.approx(1_003_600.5)
    ticks.sleep(60)
    assert kube.now() == pytest.approx(1_003_660.5)
    assert [sent.path for sent in script.sent] == ["/version"], "compared once"


def test_clocks_that_agree_within_what_a_date_tells_are_one_clock() -> None:
    kube, _, ticks = scripted(said(200, {}, date=format_datetime(utc(1_000_000.0))))
    assert kube.now() == ticks.now()
