"""A target that drillkit launches and that is up already: where its process says what its endpoints
are.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from drillkit.journal.runs import home
from drillkit.model.codec import from_data
from drillkit.model.errors import UsageError
from drillkit.model.json_text import load_json
from drillkit.model.target import AwsTarget, KubernetesTarget, PrometheusTarget, Target
from drillkit.model.units import parse_duration
from drillkit.spec.roots import Roots
from drillkit.spec.targets import choose_target

ENDPOINTS = "endpoints.json"


def standing(target: Target) -> Mapping[str, Any] | None:
    """Endpoints of a launchable target that somebody started before and that still
    runs (`drillkit sandbox up`).
    """
    file = home() / target.name / ENDPOINTS
    try:
        endpoints: dict[str, Any] = load_json(file.read_text(encoding="utf-8"))
        os.kill(int(endpoints["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return None
    return endpoints


def filled(target: Target, endpoints: Mapping[str, Any]) -> Target:
    """The target with what its process said of itself; what the file says already stays."""
    kubernetes, aws, prometheus = target.kubernetes, target.aws, target.prometheus
    if kubernetes is None:
        uid = endpoints.get("cluster_uid")
        kubernetes = KubernetesTarget(kubeconfig=endpoints["kubeconfig"], cluster_uid=uid)
    account = endpoints.get("aws") or {}
    if aws is None and account:
        aws = _aws(account)
    if prometheus is None and (url := endpoints.get("prometheus")):
        prometheus = PrometheusTarget(url=url, scrape_interval=parse_duration("1s"))
    return dataclasses.replace(
        target,
        kubernetes=kubernetes,
        aws=aws,
        prometheus=prometheus,
        urls={**endpoints.get("urls", {}), **target.urls},
        databases={**account.get("databases", {}), **target.databases},
        canary_key=target.canary_key or account.get("canary_key"),
        emulated=target.emulated or tuple(endpoints.get("emulated", ())),
    )


def _aws(said: Mapping[str, Any]) -> AwsTarget:
    known = {f.name for f in dataclasses.fields(AwsTarget)}
    found: AwsTarget = from_data(AwsTarget, {k: v for k, v in said.items() if k in known})
    return found


def up(target: Target) -> Target | None:
    """The target as it can be reached now: one that drillkit launches with its endpoints, None when
    nobody started it.
    """
    if target.launch is None:
        return target
    endpoints = standing(target)
    return None if endpoints is None else filled(target, endpoints)


def metrics_target(
    command: str,
    roots: Roots,
    option: str | None = None,
    url: str | None = None,
    every: timedelta | None = None,
) -> Target:
    """A target with a metrics server to ask: the one named by `option` (else as `choose_target`
    chooses), its server at `url` if that is given, scraping `every` so long. With a URL alone no
    target is needed.

    `command`: what the user typed, for the line to type. Raises UsageError, SpecError.
    """
    if url is not None and option is None:
        chosen: Target | None = Target(name="prometheus")
    else:
        named = choose_target(command, roots, option=option).target
        chosen = up(named)
        if chosen is None:
            raise UsageError(
                f"target `{named.name}` is not up; start it first, or give --prometheus URL"
            )
    assert chosen is not None
    return _with_server(chosen, url, every)


def _with_server(target: Target, url: str | None, every: timedelta | None = None) -> Target:
    """The target with its metrics server at `url`, if that is given. Raises UsageError when there
    is none at all.
    """
    known = target.prometheus
    if url is not None:
        known = (
            dataclasses.replace(known, url=url) if known is not None else PrometheusTarget(url=url)
        )
    if known is None:
        raise UsageError(
            f"target `{target.name}` has no `prometheus:`; add its URL to targets.yaml, or give "
            "--prometheus URL"
        )
    if every is not None:
        known = dataclasses.replace(known, scrape_interval=every)
    return dataclasses.replace(target, prometheus=known)
