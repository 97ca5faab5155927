"""Which proxy of the environment stands between us and a cluster."""

from __future__ import annotations

from urllib.parse import SplitResult
from urllib.request import getproxies, proxy_bypass

LOOPBACK = ("localhost", "127.", "::1")


def proxy_of(url: SplitResult) -> str | None:
    """The environment's proxy for it: none for loopback and what NO_PROXY names."""
    host = url.hostname or ""
    if host.startswith(LOOPBACK) or proxy_bypass(host):
        return None
    environment = getproxies()
    return environment.get(url.scheme) or environment.get("all")
