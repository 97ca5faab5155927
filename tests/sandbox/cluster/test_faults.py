"""Chaos Mesh, Istio and LitmusChaos on a virtual clock, and the rules that the proxy gets
from them.
"""

from __future__ import annotations

import pytest

from drillkit.sandbox.cluster.faults.chaosmesh import DNS, NETWORK, PAUSE, STRESS
from drillkit.sandbox.cluster.faults.litmus import ENGINES, RESULTS
from drillkit.sandbox.cluster.faults.rules import VIRTUAL_SERVICES
from drillkit.sandbox.cluster.proxy import rules as fault
from drillkit.sandbox.cluster.proxy.rules import Rules
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import DEPLOYMENTS, PODS


def chaos(name="chaos", *, app="web", **spec):
    selector = {"namespaces": ["shop"], "labelSelectors": {"app": app}}
    return {"metadata": {"name": name}, "spec": {"mode": "all", "selector": selector, **spec}}


def delay(latency="150ms", **spec):
    return chaos(action="delay", delay={"latency": latency}, **spec)


def conditions(bench, gvr=NETWORK, name="chaos"):
    return {c["type"]: c["status"] == "True" for c in bench.status(gvr, name)["conditions"]}


def records(bench, gvr=NETWORK, name="chaos"):
    return bench.status(gvr, name)["experiment"]["containerRecords"]


def delay_s(rules: Rules, sender, receiver):
    return fault.passage(rules, sender, receiver, lambda: 0.5).delay_s


def test_a_network_chaos_is_injected_recovered_after_its_duration_and_then_goes_without_delay(shop):
    shop.create(NETWORK, delay(duration="30s"))
    assert conditions(shop) == {
        "Selected": True,
        "AllInjected": True,
        "AllRecovered": False,
        "Paused": False,
    }
    assert [record["phase"] for record in records(shop)] == ["Injected"] * 3
    assert shop.get(NETWORK, "chaos")["metadata"]["finalizers"] == ["chaos-mesh/records"]
    shop.advance(29)
    assert shop.cluster.rules().packets
    shop.advance(2)
    assert conditions(shop)["AllRecovered"]
    assert shop.status(NETWORK, "chaos")["experiment"]["desiredPhase"] == "Stop"
    assert not shop.cluster.rules().packets
    shop.delete(NETWORK, "chaos")
    assert shop.get(NETWORK, "chaos") is None
    assert {"Started", "Applied", "TimeUp", "Recovered"} <= shop.reasons()


def test_a_network_chaos_without_duration_stays_until_deleted_and_deletion_recovers_it(shop):
    shop.create(NETWORK, delay())
    shop.advance(3600)
    assert shop.cluster.rules().packets
    shop.delete(NETWORK, "chaos")
    assert shop.get(NETWORK, "chaos") is None
    assert shop.cluster.rules() == Rules()


def test_a_pause_recovers_and_its_end_injects_again(shop):
    shop.create(NETWORK, delay())
    shop.patch(NETWORK, "chaos", {"metadata": {"annotations": {PAUSE: "true"}}})
    assert conditions(shop) == {
        "Selected": True,
        "AllInjected": False,
        "AllRecovered": True,
        "Paused": True,
    }
    shop.patch(NETWORK, "chaos", {"metadata": {"annotations": {PAUSE: None}}})
    assert conditions(shop)["AllInjected"]
    assert [(r["injectedCount"], r["recoveredCount"]) for r in records(shop)] == [(2, 1)] * 3


def test_a_selector_that_matches_nothing_is_never_injected(shop):
    shop.create(NETWORK, delay(app="nobody"))
    assert conditions(shop) == {
        "Selected": False,
        "AllInjected": False,
        "AllRecovered": False,
        "Paused": False,
    }
    assert "Failed" in shop.reasons()


@pytest.mark.parametrize(
    ("mode", "count"),
    [
        ({"mode": "one"}, 1),
        ({"mode": "fixed", "value": "2"}, 2),
        ({"mode": "fixed-percent", "value": "67"}, 2),
        ({"mode": "all"}, 3),
        ({"mode": "fixed", "value": "9"}, 3),
    ],
)
def test_the_mode_says_how_many_pods_are_hit(shop, mode, count):
    shop.create(NETWORK, delay(**mode))
    assert len(records(shop)) == count


def test_a_fixed_mode_without_a_value_selects_nothing(shop):
    shop.create(NETWORK, delay(mode="fixed"))
    assert not conditions(shop)["Selected"]


def test_pods_named_outright_are_the_only_ones_hit(shop):
    name = shop.names("app=web")[1]
    shop.create(NETWORK, delay(selector={"pods": {"shop": [name]}}))
    assert [record["id"] for record in records(shop)] == [f"shop/{name}"]


def test_a_replacement_of_a_hit_pod_is_not_hit(shop):
    shop.create(NETWORK, delay())
    shop.delete(PODS, shop.names("app=web")[0])
    shop.advance(10)
    assert len(records(shop)) == 3
    hit = {record["id"] for record in records(shop)}
    assert len(hit & {f"shop/{name}" for name in shop.names("app=web")}) == 2


def test_a_required_field_that_is_missing_is_refused(shop):
    with pytest.raises(ApiError, match=r"spec\.action"):
        shop.create(NETWORK, chaos())
    with pytest.raises(ApiError, match=r"spec\.delay\.latency"):
        shop.create(NETWORK, chaos(action="delay", delay={}))


def test_egress_is_delayed_once_per_direction_of_a_request(shop):
    shop.create(NETWORK, delay("150ms"))
    rules, web, orders = (
        shop.cluster.rules(),
        *(f"shop/{shop.names(f'app={app}')[0]}" for app in ("web", "orders")),
    )
    assert delay_s(rules, web, fault.EXTERNAL) == pytest.approx(0.15)
    assert delay_s(rules, fault.EXTERNAL, web) == 0
    assert delay_s(rules, web, orders) == pytest.approx(0.15)
    assert delay_s(rules, orders, fault.EXTERNAL) == 0


def test_a_target_narrows_the_fault_to_one_link(shop):
    target = {
        "mode": "all",
        "selector": {"namespaces": ["shop"], "labelSelectors": {"app": "orders"}},
    }
    shop.create(NETWORK, delay("100ms", target=target, direction="both"))
    rules, web, orders = (
        shop.cluster.rules(),
        *(f"shop/{shop.names(f'app={app}')[0]}" for app in ("web", "orders")),
    )
    assert {record["selectorKey"] for record in records(shop)} == {".", ".Target"}
    assert delay_s(rules, web, orders) == pytest.approx(0.1)
    assert delay_s(rules, orders, web) == pytest.approx(0.1)
    assert delay_s(rules, web, fault.EXTERNAL) == 0


def test_a_direction_other_than_to_needs_a_target(shop):
    shop.create(NETWORK, delay(direction="from"))
    assert not conditions(shop)["Selected"]


def test_a_partition_lets_nothing_pass_and_loss_costs_retransmissions(shop):
    shop.create(NETWORK, chaos("cut", action="partition"))
    web = f"shop/{shop.names('app=web')[0]}"
    assert fault.passage(shop.cluster.rules(), web, fault.EXTERNAL, lambda: 0.5).drop
    shop.delete(NETWORK, "cut")
    shop.create(NETWORK, chaos("lossy", action="loss", loss={"loss": "50"}))
    draws = iter([0.5, 0.1, 0.2, 0.9])
    assert fault.passage(
        shop.cluster.rules(), web, fault.EXTERNAL, lambda: next(draws)
    ).delay_s == pytest.approx(0.6)


def test_stress_makes_pods_slower_and_shows_in_their_usage(shop):
    shop.create(
        STRESS,
        chaos(
            stressors={"cpu": {"workers": 2, "load": 50}, "memory": {"workers": 1, "size": "64MB"}}
        ),
    )
    web = f"shop/{shop.names('app=web')[0]}"
    assert records(shop, STRESS)[0]["id"] == f"{web}/web"
    assert fault.busy_s(shop.cluster.rules(), web) == pytest.approx(0.07)
    from drillkit.sandbox.cluster.faults.rules import stress_usage

    assert stress_usage(shop.cluster.controllers.view, web) == (1.0, 64_000_000)


def test_a_dns_fault_hides_matching_names_from_its_pods_only(shop):
    shop.create(DNS, chaos(action="error", patterns=["orders*"]))
    rules, web = shop.cluster.rules(), f"shop/{shop.names('app=web')[0]}"
    assert fault.unresolvable(rules, web, "orders.shop.svc.cluster.local")
    assert not fault.unresolvable(rules, web, "cache.shop.svc.cluster.local")
    assert not fault.unresolvable(rules, "shop/other", "orders.shop.svc.cluster.local")


def virtual_service(*http, hosts=("orders",)):
    return {"metadata": {"name": "orders"}, "spec": {"hosts": list(hosts), "http": list(http)}}


def hit(bench, host="orders.shop.svc.cluster.local", path="/", headers=None):
    return fault.http_fault(bench.cluster.rules(), host, "GET", path, headers or {})


def test_a_virtual_service_delays_and_aborts_a_share_of_requests(shop):
    delayed = {"percentage": {"value": 40}, "fixedDelay": "1.5s"}
    aborted = {"percentage": {"value": 10}, "httpStatus": 418}
    shop.create(VIRTUAL_SERVICES, virtual_service({"fault": {"delay": delayed, "abort": aborted}}))
    rule = hit(shop)
    assert (rule.delay_share, rule.delay_s, rule.abort_share, rule.abort_status) == (
        0.4,
        1.5,
        0.1,
        418,
    )
    assert hit(shop, "web.shop.svc.cluster.local") is None


def test_the_first_route_that_matches_wins_even_without_a_fault(shop):
    shielded = {"match": [{"uri": {"prefix": "/health"}}]}
    broken = {"fault": {"abort": {"percentage": {"value": 100}, "httpStatus": 500}}}
    shop.create(VIRTUAL_SERVICES, virtual_service(shielded, broken))
    assert hit(shop, path="/health/live").abort_share == 0
    assert hit(shop, path="/").abort_share == 1


def test_a_condition_that_cannot_be_read_never_widens_the_fault(shop):
    picky = {
        "match": [{"sourceLabels": {"app": "web"}}],
        "fault": {"abort": {"percentage": {"value": 100}}},
    }
    shop.create(VIRTUAL_SERVICES, virtual_service(picky))
    assert hit(shop) is None


def test_rules_survive_the_way_to_the_proxy(shop):
    shop.create(
        NETWORK,
        delay("10ms", target={"mode": "all", "selector": {"labelSelectors": {"app": "orders"}}}),
    )
    shop.create(DNS, chaos("dns", action="error"))
    shop.create(STRESS, chaos("stress", stressors={"cpu": {"workers": 1}}))
    shop.create(VIRTUAL_SERVICES, virtual_service({"match": [{"uri": {"exact": "/"}}]}))
    rules = shop.cluster.rules()
    assert all((rules.packets, rules.http, rules.busy, rules.names))
    assert Rules.from_json(rules.to_json()) == rules


def engine(experiment, state="active", **env):
    entries = [{"name": name, "value": value} for name, value in env.items()]
    info = {"appns": "shop", "applabel": "app=web", "appkind": "deployment"}
    experiments = [{"name": experiment, "spec": {"components": {"env": entries}}}]
    spec = {
        "engineState": state,
        "appinfo": info,
        "chaosServiceAccount": "litmus-admin",
        "experiments": experiments,
    }
    return {"metadata": {"name": "engine"}, "spec": spec}


def verdict(bench, experiment):
    outcome = bench.status(RESULTS, f"engine-{experiment}")["experimentStatus"]
    return outcome["phase"], outcome["verdict"]


def test_a_pod_delete_engine_kills_pods_and_passes_once_they_are_back(shop):
    before = {p["metadata"]["uid"] for p in shop.pods("app=web")}
    shop.create(ENGINES, engine("pod-delete", TOTAL_CHAOS_DURATION="15", CHAOS_INTERVAL="5"))
    assert verdict(shop, "pod-delete") == ("Running", "Awaited")
    assert shop.status(ENGINES, "engine")["engineStatus"] == "initialized"
    assert len(shop.ready("app=web")) == 2
    shop.advance(30)
    assert verdict(shop, "pod-delete") == ("Completed", "Pass")
    status = shop.status(ENGINES, "engine")
    assert status["engineStatus"] == "completed"
    assert [(e["name"], e["status"], e["verdict"]) for e in status["experiments"]] == [
        ("pod-delete", "Completed", "Pass")
    ]
    assert len(before - {p["metadata"]["uid"] for p in shop.pods("app=web")}) >= 1
    assert len(shop.ready("app=web")) == 3


def test_a_latency_engine_delays_its_pods_for_its_time(shop):
    shop.create(
        ENGINES, engine("pod-network-latency", NETWORK_LATENCY="2000", TOTAL_CHAOS_DURATION="60")
    )
    [rule] = shop.cluster.rules().packets
    assert rule.delay_s == 2.0
    assert len(rule.from_pods) == 1
    shop.advance(61)
    assert not shop.cluster.rules().packets
    assert verdict(shop, "pod-network-latency") == ("Completed", "Pass")


def test_a_stopped_engine_ends_its_fault_at_once(shop):
    shop.create(ENGINES, engine("pod-network-latency"))
    shop.patch(ENGINES, "engine", {"spec": {"engineState": "stop"}})
    assert not shop.cluster.rules().packets
    assert verdict(shop, "pod-network-latency") == ("Stopped", "Stopped")
    assert shop.status(ENGINES, "engine")["engineStatus"] == "stopped"


def test_a_deleted_engine_leaves_no_fault(shop):
    shop.create(ENGINES, engine("pod-network-latency"))
    shop.delete(ENGINES, "engine")
    assert not shop.cluster.rules().packets


def test_an_engine_whose_application_does_not_come_back_fails(shop):
    shop.create(ENGINES, engine("pod-delete", TOTAL_CHAOS_DURATION="5", PODS_AFFECTED_PERC="100"))
    shop.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}})
    shop.advance(300)
    assert verdict(shop, "pod-delete") == ("Completed", "Fail")


def test_an_engine_without_its_experiment_completes_without_a_result(shop):
    shop.create(ENGINES, engine("node-explode"))
    assert shop.status(ENGINES, "engine")["experiments"][0]["status"] == "Skipped"
    assert shop.get(RESULTS, "engine-node-explode") is None
