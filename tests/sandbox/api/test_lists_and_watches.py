"""Selecting, paging, tables, and watching from any version."""

from __future__ import annotations

import pytest

PODS_PATH = "/api/v1/namespaces/shop/pods"
MAPS = "/api/v1/namespaces/shop/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@pytest.fixture
def three(api, pod):
    """Pods a, b (not running) and c of tiers front, back and none."""
    for name, labels in (("a", {"tier": "front", "zone": "1"}), ("b", {"tier": "back"}), ("c", {})):
        api.made(PODS_PATH, pod(name, labels))
    api.run_pod("a", "node-1")
    api.run_pod("c", "node-2")
    return api


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier=front", ["a"]),
        ("tier==front", ["a"]),
        ("tier!=front", ["b", "c"]),
        ("tier in (front, back)", ["a", "b"]),
        ("tier notin (front)", ["b", "c"]),
        ("tier", ["a", "b"]),
        ("!tier", ["c"]),
        ("tier in (front),zone=1", ["a"]),
        ("tier=front,zone=2", []),
        ("", ["a", "b", "c"]),
    ],
)
def test_labels_select(three, selector, names):
    assert three.names(PODS_PATH, labelSelector=selector) == names


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("spec.nodeName=node-1", ["a"]),
        ("spec.nodeName=", ["b"]),
        ("status.phase!=Running", ["b"]),
        ("metadata.name=c,metadata.namespace=shop", ["c"]),
    ],
)
def test_fields_select(three, selector, names):
    assert three.names(PODS_PATH, fieldSelector=selector) == names


@pytest.mark.parametrize(
    "params",
    [
        *(
            {"labelSelector": odd}
            for odd in ("a b c", "a=b,,c", "a,", ",", "=x", "a=-", "x/y/z=1", "a in (b,-c)", "!-")
        ),
        {"fieldSelector": "spec.containers=x"},
    ],
)
def test_a_selector_that_cannot_be_understood_is_refused(three, params):
    response = three.get(PODS_PATH, **params)
    assert (response.status, response.body["reason"]) == (400, "BadRequest")


def test_a_list_across_namespaces_is_in_order(three, pod):
    three.made("/api/v1/namespaces", {"metadata": {"name": "another"}})
    three.made("/api/v1/namespaces/another/pods", pod("z"))
    assert three.names("/api/v1/pods") == ["z", "a", "b", "c"]


def test_pages_show_one_and_the_same_version_whatever_happens_between_them(three, pod):
    first = three.get(PODS_PATH, limit=2).body
    assert first["metadata"]["remainingItemCount"] == 1
    three.delete(f"{PODS_PATH}/c", gracePeriodSeconds=0)
    three.delete(f"{PODS_PATH}/a", gracePeriodSeconds=0)
    three.made(PODS_PATH, pod("bb"))
    second = three.get(PODS_PATH, limit=2, **{"continue": first["metadata"]["continue"]}).body
    assert [item["metadata"]["name"] for item in second["items"]] == ["c"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]
    assert three.names(PODS_PATH) == ["b", "bb"]


def test_a_page_of_a_forgotten_version_has_expired(three):
    token = three.get(PODS_PATH, limit=1).body["metadata"]["continue"]
    three.delete(f"{PODS_PATH}/b")
    three.store.log.forget(0)
    response = three.get(PODS_PATH, limit=1, **{"continue": token})
    assert (response.status, response.body["reason"]) == (410, "Expired")
    assert three.get(PODS_PATH, limit=1, **{"continue": "nonsense"}).status == 400


def test_a_list_at_a_future_version_times_out(three):
    response = three.get(PODS_PATH, resourceVersion=10_000)
    assert response.status == 504
    assert response.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_tables_have_the_columns_that_kubectl_prints(three):
    table = three.get(PODS_PATH, accept=TABLE).body
    shown = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert (table["kind"], shown) == ("Table", ["Name", "Ready", "Status", "Restarts", "Age"])
    assert [row["cells"][:3] for row in table["rows"]] == [
        ["a", "0/1", "Running"],
        ["b", "0/1", "Pending"],
        ["c", "0/1", "Running"],
    ]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    three.delete(f"{PODS_PATH}/a")
    assert three.get(f"{PODS_PATH}/a", accept=TABLE).body["rows"][0]["cells"][2] == "Terminating"


def open_watch(api, path, **params):
    response = api.get(path, watch="1", **params)
    assert response.status == 200, response.body
    return response.upgrade


def seen(watch):
    return [(line["type"], line["object"]["metadata"].get("name")) for line in watch.poll()]


def test_a_watch_begins_after_the_version_it_names(api):
    api.made(MAPS, {"metadata": {"name": "before"}})
    version = api.get(MAPS).body["metadata"]["resourceVersion"]
    watch = open_watch(api, MAPS, resourceVersion=version)
    assert seen(watch) == []
    api.made(MAPS, {"metadata": {"name": "after"}})
    api.patch(f"{MAPS}/after", {"data": {"a": "1"}})
    api.delete(f"{MAPS}/after")
    assert seen(watch) == [("ADDED", "after"), ("MODIFIED", "after"), ("DELETED", "after")]
    assert seen(watch) == []


@pytest.mark.parametrize("params", [{}, {"resourceVersion": "0"}])
def test_a_watch_without_a_version_begins_with_what_there_is(api, params):
    api.made(MAPS, {"metadata": {"name": "before"}})
    watch = open_watch(api, MAPS, **params)
    assert seen(watch) == [("ADDED", "before")]
    api.made("/api/v1/namespaces/shop/secrets", {"metadata": {"name": "unwatched"}})
    assert seen(watch) == []


def test_a_deletion_is_told_with_its_own_version(api):
    api.made(MAPS, {"metadata": {"name": "gone"}})
    watch = open_watch(api, MAPS, resourceVersion=api.store.log.last)
    api.delete(f"{MAPS}/gone")
    (line,) = watch.poll()
    assert int(line["object"]["metadata"]["resourceVersion"]) == api.store.log.last


def test_an_object_that_begins_to_match_is_added_and_one_that_ceases_is_deleted(api):
    api.made(MAPS, {"metadata": {"name": "a", "labels": {"on": "no"}}})
    watch = open_watch(api, MAPS, labelSelector="on=yes")
    assert seen(watch) == []
    api.patch(f"{MAPS}/a", {"metadata": {"labels": {"on": "yes"}}})
    api.patch(f"{MAPS}/a", {"data": {"x": "1"}})
    api.patch(f"{MAPS}/a", {"metadata": {"labels": {"on": "no"}}})
    api.patch(f"{MAPS}/a", {"data": {"x": "2"}})
    assert seen(watch) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_of_one_object_sees_no_other(api):
    watch = open_watch(api, MAPS, fieldSelector="metadata.name=a")
    api.made(MAPS, {"metadata": {"name": "a"}})
    api.made(MAPS, {"metadata": {"name": "b"}})
    assert seen(watch) == [("ADDED", "a")]


def test_a_watch_below_the_log_is_told_410_and_ends(api):
    for number in range(5):
        api.made(MAPS, {"metadata": {"name": f"map-{number}"}})
    version = api.store.log.last - 3
    api.store.log.forget(2)
    watch = open_watch(api, MAPS, resourceVersion=version)
    (line,) = watch.poll()
    assert (line["type"], line["object"]["code"], line["object"]["reason"]) == (
        "ERROR",
        410,
        "Expired",
    )
    assert watch.closed


def test_the_log_is_bounded(api):
    api.store.log._limit = 10
    for number in range(50):
        api.patch("/api/v1/namespaces/shop", {"metadata": {"labels": {"n": str(number)}}})
    assert len(api.store.log.after(api.store.log.last - 10)) == 10
    assert len(api.store.log._events) < 20


def test_the_server_ends_a_watch_in_time_with_a_bookmark(api):
    watch = open_watch(
        api, MAPS, resourceVersion=api.store.log.last, timeoutSeconds=5, allowWatchBookmarks="true"
    )
    api.advance(4.9)
    assert (watch.poll(), watch.closed) == ([], False)
    api.advance(0.2)
    (line,) = watch.poll()
    assert (line["type"], line["object"]["metadata"]["resourceVersion"]) == (
        "BOOKMARK",
        str(api.store.log.last),
    )
    assert watch.closed
    endless = open_watch(api, MAPS, resourceVersion=api.store.log.last, timeoutSeconds=0)
    api.advance(600)
    assert (endless.poll(), endless.closed) == ([], False), "0 is as if nothing was said"


def test_initial_events_end_with_a_marked_bookmark(api):
    api.made(MAPS, {"metadata": {"name": "a"}})
    params = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    added, bookmark = open_watch(api, MAPS, **params).poll()
    assert added["type"] == "ADDED"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_watch_can_show_tables(api):
    api.made(MAPS, {"metadata": {"name": "a"}, "data": {"x": "1"}})
    watch = api.get(MAPS, watch="true", accept=TABLE).upgrade
    (line,) = watch.poll()
    assert line["object"]["rows"][0]["cells"][:2] == ["a", 1]
