"""A run as a trace and as gauges, sent to local receivers."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from drillkit.cli.telemetry import send
from drillkit.journal.runs import JOURNAL
from drillkit.report.trace import trace_of
from drillkit.spec.project import Telemetry
from tests.conftest import CommandLine
from tests.golden.stories import STORIES
from tests.notify.receiver import receiver

STORED = Path(__file__).parents[1] / "golden" / "stored"
_ATTRIBUTES = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["key", "value"],
        "additionalProperties": False,
        "properties": {
            "key": {"type": "string", "minLength": 1},
            "value": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": [name],
                        "additionalProperties": False,
                        "properties": {name: kind},
                    }
                    for name, kind in {
                        "stringValue": {"type": "string"},
                        "intValue": {"type": "string", "pattern": r"^-?\d+$"},
                        "doubleValue": {"type": "number"},
                        "boolValue": {"type": "boolean"},
                    }.items()
                ]
            },
        },
    },
}
_NANOS = {"type": "string", "pattern": r"^\d{19}$"}
_SPAN = {
    "type": "object",
    "required": ["traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"],
    "additionalProperties": False,
    "properties": {
        "traceId": {"type": "string", "pattern": "^(?!0{32})[0-9a-f]{32}$"},
        "spanId": {"type": "string", "pattern": "^(?!0{16})[0-9a-f]{16}$"},
        "parentSpanId": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "name": {"type": "string", "minLength": 1},
        "kind": {"enum": [0, 1, 2, 3, 4, 5]},
        "startTimeUnixNano": _NANOS,
        "endTimeUnixNano": _NANOS,
        "attributes": _ATTRIBUTES,
        "status": {
            "type": "object",
            "required": ["code"],
            "additionalProperties": False,
            "properties": {"code": {"enum": [0, 1, 2]}, "message": {"type": "string"}},
        },
    },
}
_SCOPE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "version": {"type": "string"}},
    "additionalProperties": False,
}
OTLP: dict[str, Any] = {
    "type": "object",
    "required": ["resourceSpans"],
    "additionalProperties": False,
    "properties": {
        "resourceSpans": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["resource", "scopeSpans"],
                "additionalProperties": False,
                "properties": {
                    "resource": {"type": "object", "properties": {"attributes": _ATTRIBUTES}},
                    "scopeSpans": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["spans"],
                            "additionalProperties": False,
                            "properties": {
                                "scope": _SCOPE,
                                "spans": {"type": "array", "items": _SPAN, "minItems": 1},
                            },
                        },
                    },
                },
            },
        }
    },
}
"""`ExportTraceServiceRequest` in its JSON form, as opentelemetry-proto 1 has it."""


def spans(body: dict[str, Any]) -> list[dict[str, Any]]:
    jsonschema.validate(body, OTLP)
    found: list[dict[str, Any]] = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
    return found


@pytest.mark.parametrize("name", sorted(STORIES))
def test_every_run_is_a_trace_whose_spans_lie_in_one_another(name: str) -> None:
    body = trace_of(STORIES[name]().history())
    assert body is not None
    root, *below = spans(body)
    assert "parentSpanId" not in root
    by_id = {each["spanId"]: each for each in (root, *below)}
    assert len(by_id) == len(below) + 1
    for each in below:
        above = by_id[each["parentSpanId"]]
        assert each["traceId"] == root["traceId"]
        assert each["startTimeUnixNano"] <= each["endTimeUnixNano"]
        assert root["startTimeUnixNano"] <= each["startTimeUnixNano"] <= root["endTimeUnixNano"]
        if each["name"].startswith("step "):
            assert above is root
        else:
            assert above["name"].startswith(("step ", "drill "))
    assert trace_of(STORIES[name]().history()) == body, "sent twice it is the same trace"


def test_steps_and_their_effects_are_spans_with_what_came_of_them() -> None:
    body = trace_of(STORIES["dirty"]().history())
    assert body is not None
    root, *below = spans(body)
    assert root["status"]["code"] == 2
    effects = [each for each in below if not each["name"].startswith("step ")]
    assert any(each["status"].get("message", "").startswith("its undo is open") for each in effects)
    met = trace_of(STORIES["met"]().history())
    assert met is not None
    assert spans(met)[0]["status"] == {"code": 1}


def story(folder: Path, name: str) -> Path:
    folder = folder / name
    folder.mkdir()
    shutil.copy(STORED / name / JOURNAL, folder)
    return folder


def test_gauges_go_to_a_pushgateway_and_the_trace_to_a_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTLP", "Bearer of-the-collector")
    warned: list[str] = []
    with receiver(200) as gateway, receiver(200) as collector:
        telemetry = Telemetry(
            push="http://127.0.0.1:9",
            traces=collector.url,
            headers={"Authorization": "env:OTLP", "X-Scope-OrgID": "drills"},
        )
        send(story(tmp_path, "restore"), telemetry, gateway.url + "/", warned.append)
        send(story(tmp_path, "refused"), telemetry, gateway.url, warned.append)
    assert warned == []
    (pushed,) = gateway.came
    assert pushed.path.startswith("/metrics/job/drillkit/drill/")
    assert pushed.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b'drillkit_run_dirty{drill="' in pushed.body
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], input=pushed.body, check=True)
    assert [each.path for each in collector.came] == ["/v1/traces"] * 2
    for came in collector.came:
        assert came.headers["Content-Type"] == "application/json"
        assert came.headers["Authorization"] == "Bearer of-the-collector"
        assert came.headers["X-Scope-OrgID"] == "drills"
        spans(came.data)


def test_what_does_not_arrive_is_told_and_nothing_else(tmp_path: Path) -> None:
    warned: list[str] = []
    with receiver(500) as broken:
        telemetry = Telemetry(push=broken.url, traces="http://127.0.0.1:9")
        send(story(tmp_path, "restore"), telemetry, None, warned.append)
        lost = Telemetry(traces=broken.url, headers={"Authorization": "env:NO_SUCH_VARIABLE"})
        send(tmp_path / "restore", lost, None, warned.append)
    assert [said.split(":")[0] for said in warned] == [
        "the metrics were not pushed",
        "the trace was not sent",
        "nothing was sent of the run",
    ]
    assert "500" in warned[0]


@pytest.mark.slow
def test_a_run_sends_its_trace_and_a_dead_endpoint_changes_no_verdict(
    drillkit: CommandLine,
) -> None:
    (drillkit.folder / "drills").mkdir()
    (drillkit.folder / "drills" / "idle.yaml").write_text(
        "drill: idle\nsteps: [{name: rest, uses: wait, with: {for: 0.1s}}]\n"
    )
    marker = drillkit.folder / "drillkit.yaml"
    with receiver(200) as collector:
        marker.write_text(f"target: sandbox\ntelemetry: {{traces: '{collector.url}'}}\n")
        began = time.time_ns()
        ran = drillkit("run", "idle", "--yes")
        names = [each["name"] for each in spans(collector.came[0].data)]
    assert names[:2] == ["drill idle", "step rest"]
    assert any(name.startswith("kube.release-lease lease/drillkit/drillkit") for name in names)
    assert int(spans(collector.came[0].data)[0]["startTimeUnixNano"]) > began
    marker.write_text("target: sandbox\ntelemetry: {traces: 'http://127.0.0.1:9'}\n")
    dead = drillkit("run", "idle", "--yes", "--metrics-push", "http://127.0.0.1:9")
    assert ran.code == dead.code == 3
    assert "warning: the trace was not sent: 127.0.0.1 cannot be reached" in dead.err
    assert "warning" not in ran.err
    marker.write_text("telemetry: {push: gateway, headers: {Authorization: Bearer-abcdefgh123}}\n")
    said = drillkit("validate").out
    assert "telemetry.push: expected a URL" in said
    assert "telemetry.headers.Authorization: expected a reference" in said
    assert "abcdefgh123" not in said
