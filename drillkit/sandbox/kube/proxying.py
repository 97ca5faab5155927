"""Requests to a Service through the API server: `services/[http:]NAME[:PORT]/proxy/PATH`."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from drillkit.sandbox.kube.access import Caller
from drillkit.sandbox.kube.api import authorise
from drillkit.sandbox.kube.call import Place
from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import SERVICES
from drillkit.sandbox.kube.store import Store

_PATH = re.compile(
    r"/api/v1/namespaces/(?P<namespace>[^/]+)/services/"
    r"(?P<name>(?:https?:)?(?P<service>[^/:]+)(?::(?P<port>[^/:]*):?)?)/proxy(?:/(?P<path>.*))?"
)
_ENDPOINTS = ("", "endpoints")
_TIMEOUT = ClientTimeout(total=30.0)
_BODY_LIMIT = 8 * 1024 * 1024
_HOP = (
    "connection",
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "keep-alive",
    "server",
    "date",
)


@dataclass(frozen=True)
class Proxied:
    """Where a request is to go."""

    namespace: str
    name: str
    """As the path has it, scheme and port included: that is what access rules name."""
    service: str
    port: str
    path: str


def proxied(path: str) -> Proxied | None:
    """What a path asks for, or None when it is no path of a proxy."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    return Proxied(**{name: value or "" for name, value in found.groupdict().items()})


async def forward(
    store: Store, http: web.BaseRequest, to: Proxied, caller: Caller
) -> web.StreamResponse:
    """Sends a request to a ready pod of the Service and answers what it answers.

    Raises ApiError 403, 404, or 503 where no pod is ready or none answers.
    """
    place = Place("", "v1", to.namespace, "services", to.name, "proxy", ())
    authorise(store, caller, place.access(http.method, watch=False))
    store.need(SERVICES, to.namespace, to.service)
    address = _address(store, to)
    url = f"http://{address}/{to.path}" + (f"?{http.query_string}" if http.query_string else "")
    body = await http.read()
    try:
        async with (
            ClientSession(timeout=_TIMEOUT, auto_decompress=False) as session,
            session.request(http.method, url, data=body or None, allow_redirects=False) as answer,
        ):
            content = await answer.content.read(_BODY_LIMIT)
            headers = {
                name: value for name, value in answer.headers.items() if name.lower() not in _HOP
            }
            return web.Response(status=answer.status, body=content, headers=headers)
    except (ClientError, TimeoutError, OSError) as error:
        raise _unavailable(f"error trying to reach service: {error}") from error


def _address(store: Store, to: Proxied) -> str:
    endpoints = store.get(_ENDPOINTS, to.namespace, to.service) or {}
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in endpoints.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
        if not to.port or to.port.isdigit() or port.get("name") == to.port
    ]
    if not found:
        raise _unavailable(f'no endpoints available for service "{to.service}"')
    return random.choice(found)


def _unavailable(why: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", why)
