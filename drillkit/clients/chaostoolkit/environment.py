"""The environment of a worker: a program's, and what Chaos Toolkit's Kubernetes extension needs
besides.
"""

from __future__ import annotations

from collections.abc import Mapping

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def without_proxy_for_loopback(environment: Mapping[str, str]) -> dict[str, str]:
    """The extension honours a proxy even for 127.0.0.1, unless told otherwise."""
    env = dict(environment)
    for name in ("NO_PROXY", "no_proxy"):
        known = [host for host in env.get(name, env.get("NO_PROXY", "")).split(",") if host]
        env[name] = ",".join(dict.fromkeys([*known, *LOOPBACK]))
    return env
