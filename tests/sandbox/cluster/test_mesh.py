"""What users feel through the proxy, against the truth that it keeps."""

from __future__ import annotations

import asyncio
import json
import shutil
import time

import pytest

from drillkit.sandbox.cluster.faults.chaosmesh import DNS, NETWORK
from drillkit.sandbox.cluster.faults.rules import VIRTUAL_SERVICES
from drillkit.sandbox.kube.objects import DEPLOYMENTS, PODS, is_ready

from .live import Load, get, running, truth, until


def chaos(**spec):
    selector = {"namespaces": ["shop"], "labelSelectors": {"app": "web"}}
    return {"metadata": {"name": "chaos"}, "spec": {"mode": "all", "selector": selector, **spec}}


def uids(cluster, app="web"):
    return {
        p["metadata"]["uid"] for p in cluster.store.list(PODS, "shop", f"app={app}") if is_ready(p)
    }


async def median_s(url, count=9):
    return sorted([(await get(url))[2] for _ in range(count)])[count // 2]


@pytest.mark.realtime
def test_a_killed_pod_loses_requests_and_is_replaced_and_the_truth_counts_every_one(tmp_path):
    async def scenario():
        async with running(tmp_path) as cluster:
            before = uids(cluster)
            load = Load(f"{cluster.urls['web']}/health")
            async with load.applied() as since:
                await asyncio.sleep(0.3)
                victim = cluster.store.list(PODS, "shop", "app=web")[0]
                cluster.store.delete(PODS, "shop", victim["metadata"]["name"], grace_s=0)
                await until(lambda: len(uids(cluster)) == 3 and uids(cluster) != before)
                await asyncio.sleep(0.5)
            known = await truth(cluster, "shop/web", since)
            assert 0 < len(load.failed) < len(load.answers) / 2
            assert {status for _, status, _ in load.failed} == {502}
            assert len(known["failures"]) == len(load.failed)
            assert sum(second[1] for second in known["seconds"]) == len(load.answers)
            assert sum(outage["failed"] for outage in known["outages"]) == len(load.failed)
            first, last = min(a[0] for a in load.failed), max(a[0] for a in load.failed)
            assert known["outages"][0]["first_failed"] == pytest.approx(first, abs=0.1)
            assert known["outages"][-1]["last_failed"] == pytest.approx(last, abs=0.1)
            assert known["unserved"] == []

    asyncio.run(scenario())


def test_a_graceful_deletion_of_web_loses_nothing(tmp_path):
    async def scenario():
        async with running(tmp_path) as cluster:
            load = Load(f"{cluster.urls['web']}/health")
            async with load.applied():
                await asyncio.sleep(0.2)
                victim = cluster.store.list(PODS, "shop", "app=web")[0]["metadata"]["name"]
                cluster.store.delete(PODS, "shop", victim)
                await until(lambda: cluster.store.get(PODS, "shop", victim) is None)
                await asyncio.sleep(0.3)
            assert load.failed == []
            assert len(load.answers) > 100

    asyncio.run(scenario())


@pytest.mark.realtime
def test_an_injected_delay_is_felt_while_it_lasts(tmp_path):
    async def scenario():
        async with running(tmp_path) as cluster:
            url = f"{cluster.urls['web']}/health"
            assert await median_s(url) < 0.1
            cluster.store.create(
                NETWORK, chaos(action="delay", delay={"latency": "150ms"}, duration="2s"), "shop"
            )
            await asyncio.sleep(0.2)
            assert await median_s(url) == pytest.approx(0.15, abs=0.06)
            await until(lambda: not cluster.mesh.rules().packets)
            await asyncio.sleep(0.1)
            assert await median_s(url) < 0.1

    asyncio.run(scenario())


@pytest.mark.realtime
def test_an_aborting_virtual_service_is_an_outage_whose_length_the_truth_knows(tmp_path):
    async def scenario():
        async with running(tmp_path) as cluster:
            abort = {"abort": {"percentage": {"value": 100}, "httpStatus": 503}}
            spec = {"hosts": ["web"], "http": [{"fault": abort}]}
            load = Load(f"{cluster.urls['web']}/health")
            async with load.applied() as since:
                await asyncio.sleep(0.3)
                began = time.monotonic()
                cluster.store.create(
                    VIRTUAL_SERVICES, {"metadata": {"name": "web"}, "spec": spec}, "shop"
                )
                await asyncio.sleep(0.5)
                cluster.store.delete(VIRTUAL_SERVICES, "shop", "web")
                ended = time.monotonic()
                await asyncio.sleep(0.3)
            known = await truth(cluster, "shop/web", since)
            # On a busy machine no pod may be ready for a moment: that is another cause's window.
            [window] = [w for w in known["unserved"] if "aborted" in w["why"]]
            assert window["from"] == pytest.approx(began, abs=0.1)
            assert window["until"] == pytest.approx(ended, abs=0.1)
            [outage] = known["outages"]
            assert outage["last_ok"] <= window["from"] + 0.02
            assert outage["next_ok"] >= window["until"] - 0.02
            assert {status for _, status, _ in load.failed} == {503}

    asyncio.run(scenario())


@pytest.mark.realtime
def test_a_partition_holds_requests_until_it_is_lifted(tmp_path):
    async def scenario():
        async with running(tmp_path) as cluster:
            cluster.store.create(NETWORK, chaos(action="partition"), "shop")
            await asyncio.sleep(0.2)
            asking = asyncio.create_task(get(f"{cluster.urls['web']}/health"))
            await asyncio.sleep(0.5)
            assert not asking.done()
            cluster.store.delete(NETWORK, "shop", "chaos")
            status, _, took_s = await asking
            assert (status, took_s > 0.5) == (200, True)

    asyncio.run(scenario())


def test_a_dns_fault_breaks_the_page_that_needs_the_name_but_not_the_service(tmp_path):
    async def scenario():
        async with running(tmp_path) as cluster:
            cluster.store.create(DNS, chaos(action="error", patterns=["orders*"]), "shop")
            await asyncio.sleep(0.2)
            status, body, _ = await get(f"{cluster.urls['web']}/")
            assert status == 502
            assert "Name or service not known" in body
            assert (await get(f"{cluster.urls['orders']}/"))[0] == 200

    asyncio.run(scenario())


def test_a_service_without_pods_answers_503_and_the_window_is_known(tmp_path):
    async def scenario():
        async with running(tmp_path) as cluster:
            cluster.store.patch(DEPLOYMENTS, "shop", "orders", {"spec": {"replicas": 0}})
            await until(lambda: not cluster.mesh.knows("shop/orders"))
            await asyncio.sleep(0.05)
            assert (await get(f"{cluster.urls['orders']}/"))[0] == 503
            assert (await get(f"{cluster.urls['web']}/"))[0] == 502
            cluster.store.patch(DEPLOYMENTS, "shop", "orders", {"spec": {"replicas": 1}})
            await until(lambda: cluster.mesh.knows("shop/orders"))
            await asyncio.sleep(0.05)
            assert (await get(f"{cluster.urls['orders']}/"))[0] == 200
            windows = (await truth(cluster, "shop/orders"))["unserved"]
            assert windows[-1]["why"] == "no ready endpoint"
            assert windows[-1]["until"] is not None

    asyncio.run(scenario())


def test_bodies_of_any_framing_pass_through_the_proxy(tmp_path):
    async def scenario():
        async with running(tmp_path) as cluster:
            port = int(cluster.urls["web"].rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = "POST /health HTTP/1.1\r\nHost: web\r\n"
            for body in (
                f"Content-Length: 70000\r\n\r\n{'x' * 70000}",
                "Content-Length: 3\r\n\r\nabc",
            ):
                writer.write((head + body).encode())
                answer = await asyncio.wait_for(reader.readuntil(b"ok\n"), 5)
                assert answer.startswith(b"HTTP/1.1 200")
            writer.write(
                b"HEAD /health HTTP/1.1\r\nHost: web\r\n\r\nGET /missing HTTP/1.1\r\n"
                b"Host: web\r\n\r\n"
            )
            both = await asyncio.wait_for(reader.readuntil(b"no such page\n"), 5)
            assert both.count(b"HTTP/1.1") == 2
            writer.close()

    asyncio.run(scenario())


def test_the_metrics_are_istios_from_the_source_and_name_both_ends(tmp_path):
    async def scenario():
        async with running(tmp_path) as cluster:
            for _ in range(6):
                await get(f"{cluster.urls['web']}/")
            _, page, _ = await get(cluster.metrics)
            counts = {}
            for line in page.splitlines():
                if line.startswith("istio_requests_total{"):
                    labels, _, value = line.rpartition(" ")
                    assert labels not in counts
                    counts[labels] = int(value)
            called = [
                v
                for k, v in counts.items()
                if 'source_workload="web"' in k and 'destination_workload="orders"' in k
            ]
            assert called == [6]
            outside = 'source_workload="istio-ingressgateway"'
            assert (
                sum(v for k, v in counts.items() if outside in k and 'service_name="web"' in k) == 6
            )

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="the program prometheus is not installed"
)
def test_a_real_prometheus_scrapes_the_mesh_and_the_pods_and_fires_its_alerts(tmp_path):
    async def scenario():
        async with running(tmp_path, prometheus="on") as cluster:
            assert cluster.prometheus

            async def ask(path):
                status, body, _ = await get(f"{cluster.prometheus}{path}")
                assert status == 200, body
                return json.loads(body)["data"]

            for _ in range(20):
                await get(f"{cluster.urls['web']}/")
            query = 'sum(istio_requests_total{destination_service_name="web",response_code="200"})'
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                found = (await ask(f"/api/v1/query?query={query}"))["result"]
                ups = (await ask("/api/v1/query?query=sum(up)"))["result"]
                firing = {
                    alert["labels"]["alertname"]
                    for alert in (await ask("/api/v1/alerts"))["alerts"]
                }
                if (
                    found
                    and ups
                    and (found[0]["value"][1], ups[0]["value"][1]) == ("20", "11")
                    and firing
                ):
                    break
                await asyncio.sleep(0.3)
            assert (found[0]["value"][1], ups[0]["value"][1]) == ("20", "11")
            assert firing == {"Watchdog"}

    asyncio.run(scenario())
