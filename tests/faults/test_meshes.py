"""Faults through Chaos Mesh and Istio: in effect as long as they should be, or nothing
is proven.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from drillkit.faults.dns import fail_dns
from drillkit.faults.istio import preview_delay
from drillkit.faults.network import add_latency, add_loss
from drillkit.faults.stress import stress_cpu, stress_memory
from drillkit.faults.workloads import scale_to_zero
from drillkit.model.errors import Refused, StepFailed, StepUnknown
from drillkit.sandbox.kube.objects import CRDS, Gvr, Object
from tests.faults.conftest import Scene

NETWORK: Gvr = ("chaos-mesh.org", "networkchaos")
STRESS: Gvr = ("chaos-mesh.org", "stresschaos")
DNS: Gvr = ("chaos-mesh.org", "dnschaos")
VIRTUAL: Gvr = ("networking.istio.io", "virtualservices")


def _made(scene: Scene, gvr: Gvr) -> list[Object]:
    return list(scene.cluster.store.list(gvr))


def test_latency_is_there_for_its_duration_and_then_gone(scene: Scene) -> None:
    seen: list[Object] = []
    scene.meanwhile(5, lambda: seen.extend(_made(scene, NETWORK)))
    began = scene.stage.clock.mono()
    found = add_latency(
        "chaos-mesh", "shop", "250ms", "20s", jitter="10ms", selector="app=web", count=2
    )
    assert 18 < scene.stage.clock.mono() - began < 30
    (made,) = seen
    names = sorted(p["metadata"]["name"] for p in scene.pods("web"))[:2]
    assert made["spec"]["selector"] == {"pods": {"shop": names}}
    assert made["spec"]["delay"] == {"latency": "250ms", "jitter": "10ms", "correlation": "0"}
    assert made["spec"]["duration"] == "20000ms"
    assert found["targets"] == [f"pod/shop/{name}" for name in names] == scene.touched()
    assert [(c.found, c.purpose) for c in scene.checks("in-effect")] == [(True, "in-effect")]
    assert scene.moments() == ["disrupted", "released", "recovered"]
    assert _made(scene, NETWORK) == []
    assert scene.clean().ended == ()


def test_a_fault_that_somebody_heals_proves_nothing(scene: Scene) -> None:
    def pause() -> None:
        (obj,) = _made(scene, NETWORK)
        note = {"experiment.chaos-mesh.org/pause": "true"}
        scene.cluster.store.update(
            NETWORK, {**obj, "metadata": {**obj["metadata"], "annotations": note}}
        )

    scene.meanwhile(5, pause)
    with pytest.raises(
        StepUnknown, match=r"not in effect all the time, after [4-6]\S* s: somebody paused it"
    ):
        add_latency("chaos-mesh", "shop", duration="20s", selector="app=web")
    assert [c.found for c in scene.checks("in-effect")] == [True, False]
    assert scene.clean().open == ()
    assert _made(scene, NETWORK) == []


def test_a_fault_that_is_deleted_meanwhile_proves_nothing(scene: Scene) -> None:
    def delete() -> None:
        (obj,) = _made(scene, NETWORK)
        scene.cluster.store.delete(NETWORK, "shop", obj["metadata"]["name"])

    scene.meanwhile(5, delete)
    with pytest.raises(StepUnknown, match="somebody deleted it"):
        add_latency("chaos-mesh", "shop", duration="20s", selector="app=web")


def test_the_mechanism_is_never_guessed_and_arguments_have_units(scene: Scene) -> None:
    with pytest.raises(Refused, match="mechanism: expected chaos-mesh or istio, found ''"):
        add_latency("", "shop", selector="app=web")
    with pytest.raises(Refused, match="mechanism: expected chaos-mesh, found 'istio'"):
        add_loss("istio", "shop", "app=web")
    with pytest.raises(Refused, match="latency: expected a duration"):
        add_latency("chaos-mesh", "shop", latency="200", selector="app=web")
    with pytest.raises(Refused, match="duration: expected at least 3 s"):
        add_latency("chaos-mesh", "shop", duration="1s", selector="app=web")
    with pytest.raises(Refused, match="loss: expected a percentage"):
        add_loss("chaos-mesh", "shop", "app=web", loss="some")
    with pytest.raises(Refused, match="how: expected error or random"):
        fail_dns("shop", "app=web", "orders*", how="badly")
    with pytest.raises(StepFailed, match="no pod matches"):
        add_latency("chaos-mesh", "shop", selector="app=nothing")
    assert _made(scene, NETWORK) == []


def test_without_chaos_mesh_it_says_what_is_missing(scene: Scene) -> None:
    scene.cluster.store.delete(CRDS, "", "networkchaos.chaos-mesh.org")
    with pytest.raises(
        StepFailed, match="expected Chaos Mesh in the cluster: it knows no networkchaos"
    ):
        add_latency("chaos-mesh", "shop", selector="app=web")
    scene.changed = {"customresourcedefinitions//networkchaos.chaos-mesh.org"}


def test_loss_stress_and_dns_are_what_was_asked_for(scene: Scene) -> None:
    specs: dict[str, Object] = {}

    def look(gvr: Gvr, name: str) -> None:
        scene.meanwhile(2, lambda: specs.update({name: _made(scene, gvr)[0]["spec"]}))

    look(NETWORK, "loss")
    add_loss("chaos-mesh", "shop", "app=web", loss="12.5%", duration="5s")
    look(STRESS, "cpu")
    stress_cpu("shop", "app=web", workers=2, load_percent=80, duration="5s", container="web")
    look(STRESS, "memory")
    stress_memory("shop", "app=web", size="32MB", duration="5s")
    look(DNS, "dns")
    fail_dns("shop", "app=web", "orders*, cache", duration="5s")
    assert specs["loss"]["loss"] == {"loss": "12.5", "correlation": "0"}
    assert specs["cpu"]["stressors"] == {"cpu": {"workers": 2, "load": 80}}
    assert specs["cpu"]["containerNames"] == ["web"]
    assert specs["memory"]["stressors"] == {"memory": {"workers": 1, "size": "32MB"}}
    assert (specs["dns"]["action"], specs["dns"]["patterns"]) == ("error", ["orders*", "cache"])
    assert [c.found for c in scene.checks("in-effect")] == [True] * 4


def _virtual_service(scene: Scene, **route: object) -> None:
    http = [
        {"route": [{"destination": {"host": "web"}}], **route},
        {"route": [{"destination": {"host": "web"}}]},
    ]
    spec = {"hosts": ["web"], "http": http}
    scene.cluster.store.create(VIRTUAL, {"metadata": {"name": "web"}, "spec": spec}, "shop")
    scene.changed = {"virtualservices/shop/web"}


def test_istio_delays_every_route_and_gives_back_only_its_own_fields(scene: Scene) -> None:
    _virtual_service(scene, fault={"abort": {"httpStatus": 503, "percentage": {"value": 1}}})
    before = json.dumps(
        scene.cluster.inventory()["virtualservices/shop/web"]["spec"], sort_keys=True
    )
    seen: list[Object] = []
    scene.meanwhile(5, lambda: seen.extend(_made(scene, VIRTUAL)))
    found = add_latency(
        "istio", "shop", latency="300ms", duration="10s", virtual_service="web", percent="50%"
    )
    delay = {"fixedDelay": "0.3s", "percentage": {"value": 50.0}}
    assert [route["fault"]["delay"] for route in seen[0]["spec"]["http"]] == [delay, delay]
    assert found["targets"] == ["virtualservice/shop/web"] == scene.touched()
    after = scene.cluster.inventory()["virtualservices/shop/web"]
    assert json.dumps(after["spec"], sort_keys=True) == before
    assert "drillkit" not in json.dumps(after["metadata"])
    assert [c.found for c in scene.checks("in-effect")] == [True]


def test_a_plan_tells_what_istio_sets_aside_for_a_delay(scene: Scene) -> None:
    _virtual_service(scene, retries={"attempts": 3}, timeout="2s")
    told = preview_delay(scene.stage.clients.kube, "shop", "web", "300ms", "50%", "10s")
    assert told.notes == (
        "while the delay is there, Istio sets aside `retries` of 1 of its 2 HTTP routes and "
        "`timeout` of 1 of its 2 HTTP routes",
    )


def test_istio_leaves_alone_what_it_cannot_delay(scene: Scene) -> None:
    with pytest.raises(
        StepFailed, match="expected VirtualService web in namespace shop, found none"
    ):
        add_latency("istio", "shop", virtual_service="web")
    with pytest.raises(Refused, match="expected `virtual_service`"):
        add_latency("istio", "shop")
    _virtual_service(scene, fault={"delay": {"fixedDelay": "1s", "percentage": {"value": 100}}})
    with pytest.raises(Refused, match="has a delay already at /spec/http/0/fault/delay"):
        add_latency("istio", "shop", virtual_service="web")
    obj = _made(scene, VIRTUAL)[0]
    scene.cluster.store.update(VIRTUAL, {**obj, "spec": {"hosts": ["web"], "tcp": [{"route": []}]}})
    with pytest.raises(StepFailed, match="Istio can delay only HTTP"):
        add_latency("istio", "shop", virtual_service="web")
    assert not [r for r in scene.records() if r.kind == "undo.planned"]


def test_a_delay_that_gitops_takes_away_proves_nothing_and_stays_away(scene: Scene) -> None:
    _virtual_service(scene)
    original = _made(scene, VIRTUAL)[0]["spec"]

    def heal() -> None:
        obj = _made(scene, VIRTUAL)[0]
        scene.cluster.store.update(VIRTUAL, {**obj, "spec": original})

    scene.meanwhile(5, heal)
    with pytest.raises(StepUnknown, match="somebody changed /spec/http/0/fault/delay"):
        add_latency("istio", "shop", duration="15s", virtual_service="web")
    assert _made(scene, VIRTUAL)[0]["spec"] == original


@pytest.mark.parametrize(
    ("act", "name", "said"),
    [
        (lambda: add_latency("chaos-mesh", "shop", "0ms", selector="app=web"), "latency", "0ms"),
        (
            lambda: add_latency("chaos-mesh", "shop", "0.4ms", selector="app=web"),
            "latency",
            "0.4ms",
        ),
        (lambda: add_latency("istio", "shop", "0s", virtual_service="web"), "latency", "0s"),
        (
            lambda: add_latency("istio", "shop", percent="0%", virtual_service="web"),
            "percent",
            "0%",
        ),
        (
            lambda: add_latency("istio", "shop", duration="0s", virtual_service="web"),
            "duration",
            "0s",
        ),
        (lambda: add_loss("chaos-mesh", "shop", "app=web", "0%"), "loss", "0%"),
        (lambda: stress_cpu("shop", "app=web", workers=0), "workers", "0"),
        (lambda: stress_cpu("shop", "app=web", load_percent=0), "load_percent", "0"),
        (lambda: stress_cpu("shop", "app=web", workers="many"), "workers", "many"),  # type: ignore[arg-type]
        (lambda: stress_memory("shop", "app=web", workers=-1), "workers", "-1"),
        (lambda: stress_memory("shop", "app=web", size="0MB"), "size", "0MB"),
        (lambda: stress_memory("shop", "app=web", size="0%"), "size", "0%"),
        (lambda: stress_memory("shop", "app=web", size="lots"), "size", "lots"),
        (lambda: stress_memory("shop", "app=web", size="1B"), "size", "1B"),
        (lambda: stress_memory("shop", "app=web", size="999kB"), "size", "999kB"),
        (lambda: fail_dns("shop", "app=web", " , "), "patterns", "none"),
        (lambda: scale_to_zero("shop", "web", duration="0s"), "duration", "0s"),
    ],
)
def test_a_fault_of_no_strength_is_refused_before_it_is_made(
    scene: Scene, act: Callable[[], object], name: str, said: str
) -> None:
    _virtual_service(scene)
    with pytest.raises(Refused, match=f"{name}: expected .*, found '?{re.escape(said)}"):
        act()
    assert not [r for r in scene.records() if r.kind == "undo.planned"]
