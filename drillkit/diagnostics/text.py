"""Kubernetes objects as text for people, about as kubectl tells them. Pure; values of variables
stay out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from drillkit.clients.kube.pods import condition, controller, is_going, node_of, restarts
from drillkit.clients.kube.resources import Object

HIDDEN_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)
"""They repeat the whole object, values of environment variables included."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "   ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def age(since: str | None, now: float) -> str:
    """`12s`, `5m`, `3h`, `9d` since a date of the API."""
    if not since:
        return "?"
    seconds = max(0, int(now - datetime.fromisoformat(since).timestamp()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def pods_wide(pods: Iterable[Object], now: float) -> str:
    """A line a pod."""
    header = ("NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE")
    return table(header, (_pod_row(pod, now) for pod in pods))


def _pod_row(pod: Object, now: float) -> tuple[str, ...]:
    meta, status = pod["metadata"], pod.get("status") or {}
    states = status.get("containerStatuses") or []
    wanted = len((pod.get("spec") or {}).get("containers") or [])
    ready = sum(1 for s in states if s.get("ready"))
    return (
        meta["name"],
        f"{ready}/{wanted}",
        pod_state(pod),
        str(restarts(pod)),
        age(meta.get("creationTimestamp"), now),
        status.get("podIP") or "-",
        node_of(pod) or "-",
    )


def pod_state(pod: Object) -> str:
    """What is going on with a pod, in one word: `Running`, `CrashLoopBackOff`, `Terminating`."""
    if is_going(pod):
        return "Terminating"
    status = pod.get("status") or {}
    for each in [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]:
        state = each.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if reason := waiting.get("reason") or (ended.get("exitCode") and ended.get("reason")):
            return str(reason)
    return str(status.get("reason") or status.get("phase") or "Unknown")


def describe_pod(pod: Object, events: Iterable[Object], now: float) -> str:
    """One pod in full."""
    return "\n".join(
        [*_head(pod), *_containers(pod), *_conditions(pod), *_events_of(pod, events, now)]
    )


def _head(pod: Object) -> Iterator[str]:
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    owner = controller(pod)
    facts = {
        "Name": meta["name"],
        "Namespace": meta.get("namespace"),
        "Node": node_of(pod) or "none yet",
        "Created": meta.get("creationTimestamp"),
        "Deleted": meta.get("deletionTimestamp"),
        "Labels": _pairs(meta.get("labels")),
        "Annotations": _pairs(_without(meta.get("annotations"), HIDDEN_ANNOTATIONS)),
        "Status": pod_state(pod),
        "Reason": status.get("reason"),
        "Message": status.get("message"),
        "IP": status.get("podIP"),
        "Controlled by": f"{owner['kind']}/{owner['name']}" if owner else "nothing",
        "QoS class": status.get("qosClass"),
        "Node selector": _pairs(spec.get("nodeSelector")),
        "Volumes": ", ".join(_volume(v) for v in spec.get("volumes") or []),
    }
    for key, value in facts.items():
        if value:
            yield f"{key + ':':<16}{value}"


def _pairs(of: Mapping[str, str] | None) -> str:
    return ", ".join(f"{k}={v}" for k, v in sorted((of or {}).items()))


def _without(of: Mapping[str, str] | None, keys: Sequence[str]) -> dict[str, str]:
    return {k: v for k, v in (of or {}).items() if k not in keys}


def _volume(volume: Mapping[str, Any]) -> str:
    kinds = [k for k in volume if k != "name"]
    return f"{volume.get('name')} ({kinds[0] if kinds else '?'})"


def _containers(pod: Object) -> Iterator[str]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    for title, key, states in (
        ("Init containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
    ):
        known = {s["name"]: s for s in status.get(states) or []}
        if spec.get(key):
            yield f"{title}:"
        for container in spec.get(key) or []:
            yield from _container(container, known.get(container["name"], {}))


def _container(container: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[str]:
    resources = container.get("resources") or {}
    ports = [
        f"{p.get('containerPort')}/{p.get('protocol', 'TCP')}" for p in container.get("ports") or []
    ]
    facts = {
        "Image": container.get("image"),
        "Ports": ", ".join(ports),
        "State": _state(status.get("state") or {}),
        "Last state": _state(status.get("lastState") or {}),
        "Ready": str(bool(status.get("ready"))),
        "Restarts": str(status.get("restartCount", 0)),
        "Requests": _pairs(resources.get("requests")),
        "Limits": _pairs(resources.get("limits")),
        "Readiness": _probe(container.get("readinessProbe")),
        "Liveness": _probe(container.get("livenessProbe")),
        "Environment": ", ".join(_variable(v) for v in container.get("env") or []),
        "From": ", ".join(_source(v) for v in container.get("envFrom") or []),
    }
    yield f"  {container['name']}:"
    for key, value in facts.items():
        if value:
            yield f"    {key + ':':<14}{value}"


def _state(state: Mapping[str, Any]) -> str:
    for name, of in state.items():
        of = of or {}
        said = [name.capitalize()]
        said += [str(of[k]) for k in ("reason", "message") if of.get(k)]
        said += [f"exit code {of['exitCode']}"] if "exitCode" in of else []
        said += [f"signal {of['signal']}"] if of.get("signal") else []
        said += [
            f"{k.removesuffix('At')} {of[k]}" for k in ("startedAt", "finishedAt") if of.get(k)
        ]
        return ", ".join(said)
    return ""


def _probe(probe: Mapping[str, Any] | None) -> str:
    if not probe:
        return ""
    how = next((k for k in ("httpGet", "tcpSocket", "exec", "grpc") if k in probe), "?")
    target = probe.get(how) or {}
    where = f" {target.get('path', '')}:{target.get('port', '')}" if how != "exec" else ""
    rest = {
        k: probe[k] for k in ("periodSeconds", "timeoutSeconds", "failureThreshold") if k in probe
    }
    return f"{how}{where} ({', '.join(f'{k}={v}' for k, v in rest.items())})"


def _variable(variable: Mapping[str, Any]) -> str:
    """Its name and where its value comes from, never the value."""
    source = variable.get("valueFrom") or {}
    for kind, of in source.items():
        name = of.get("name") or of.get("fieldPath") or of.get("resource") or ""
        return f"{variable['name']} (from {kind.removesuffix('Ref')} {name})"
    return str(variable["name"])


def variables(pods: Iterable[Object]) -> Iterator[tuple[str, str]]:
    """Names and values of variables that stand in pods themselves. Not to be shown."""
    for pod in pods:
        spec = pod.get("spec") or {}
        for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
            for variable in container.get("env") or ():
                if isinstance(value := variable.get("value"), str):
                    yield str(variable.get("name")), value


def _source(source: Mapping[str, Any]) -> str:
    for kind in ("secretRef", "configMapRef"):
        if kind in source:
            return f"{kind.removesuffix('Ref')} {source[kind].get('name')}"
    return "?"


def _conditions(pod: Object) -> Iterator[str]:
    found = (pod.get("status") or {}).get("conditions") or []
    if not found:
        return
    yield "Conditions:"
    for each in found:
        why = ": ".join(str(each[k]) for k in ("reason", "message") if each.get(k))
        yield (
            f"  {each.get('type')}={each.get('status')} since "
            f"{each.get('lastTransitionTime', '?')} {why}"
        ).rstrip()


def _events_of(pod: Object, events: Iterable[Object], now: float) -> Iterator[str]:
    own = [
        e for e in events if (e.get("involvedObject") or {}).get("uid") == pod["metadata"]["uid"]
    ]
    if own:
        yield "Events:"
        yield from ("  " + line for line in events_table(own, now).splitlines())


def event_time(event: Object) -> str:
    """When it was last seen, for sorting."""
    series = (event.get("series") or {}).get("lastObservedTime")
    found = (
        series
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
    )
    return str(found or "")


def events_table(events: Iterable[Object], now: float) -> str:
    """Events, oldest first."""
    rows = []
    for event in sorted(events, key=event_time):
        about = event.get("involvedObject") or {}
        count = int(event.get("count") or (event.get("series") or {}).get("count") or 1)
        rows.append(
            (
                f"{event_time(event) or '?'} ({age(event_time(event) or None, now)})",
                str(event.get("type") or ""),
                str(event.get("reason") or ""),
                f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}",
                (f"(x{count}) " if count > 1 else "")
                + " ".join(str(event.get("message") or "").split()),
            )
        )
    return table(("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"), rows)


def top_pods(metrics: Iterable[Object]) -> str:
    """What containers use, as the metrics API has it."""
    rows = []
    for each in metrics:
        for container in each.get("containers") or []:
            usage = container.get("usage") or {}
            rows.append(
                (
                    each["metadata"]["name"],
                    container["name"],
                    usage.get("cpu", "?"),
                    usage.get("memory", "?"),
                )
            )
    return table(("POD", "CONTAINER", "CPU", "MEMORY"), rows)


def is_troubled(pod: Object) -> bool:
    """Not ready, restarted, or on its way out: looked at first."""
    return (
        is_going(pod)
        or (condition(pod, "Ready") or {}).get("status") != "True"
        or restarts(pod) > 0
    )
