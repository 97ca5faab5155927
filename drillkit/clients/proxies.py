"""What of the operator's settings stands between us and a server, the same for every client: a
proxy of the environment does, logins of ~/.netrc do not.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass


def proxy_of(url: SplitResult) -> str | None:
    """The environment's proxy for it: none for loopback and what NO_PROXY names."""
    host = url.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    environment = getproxies()
    return environment.get(url.scheme) or environment.get("all")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, which no proxy can reach for us."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def proxies_for(url: str) -> dict[str, Any]:
    """What `requests` is to be told, so that it takes this proxy and no other."""
    proxy = proxy_of(urlsplit(url))
    return {"http": proxy, "https": proxy, "all": None}


def login_of(url: str) -> Any:
    """What `requests` is to be told as `auth`: the user of the URL, if it has one. Told nothing, it
    takes a login from ~/.netrc, and that goes over the headers that it is given.
    """
    from requests.utils import get_auth_from_url

    found = get_auth_from_url(url)
    return found if any(found) else _as_it_is


def _as_it_is(request: Any) -> Any:
    return request


def via(url: str) -> str:
    """` through the proxy HOST:PORT`, or '' where there is none: the end of a server's name in
    messages. What a proxy is told to let us in does not stand there.
    """
    proxy = proxy_of(urlsplit(url))
    if proxy is None:
        return ""
    return f" through the proxy {proxy.rpartition('://')[2].rpartition('@')[2].rstrip('/')}"
