"""Refusals of the API, worded as Kubernetes words them."""

from __future__ import annotations

from typing import Any

from drillkit.sandbox.kube.objects import Gvr, Object


class ApiError(Exception):
    """A refusal: HTTP ``code``, machine-readable ``reason``, ``message`` and the ``details`` of
    a Status.
    """

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details: Object = details or {}

    def status(self) -> Object:
        """The ``Status`` object that goes over the wire."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def qualified(gvr: Gvr) -> str:
    """``deployments.apps``, ``pods``: how messages name a resource."""
    return f"{gvr[1]}.{gvr[0]}" if gvr[0] else gvr[1]


def _details(gvr: Gvr, name: str, **more: Any) -> Object:
    return {"name": name, **({"group": gvr[0]} if gvr[0] else {}), "kind": gvr[1], **more}


def not_found(gvr: Gvr, name: str) -> ApiError:
    """404: there is no such object."""
    return ApiError(404, "NotFound", f'{qualified(gvr)} "{name}" not found', _details(gvr, name))


def no_such_path() -> ApiError:
    """404: a group that is served has no such resource or way to use it."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


class PageNotFound(ApiError):
    """404 in plain text: nobody serves that path at all, such as a group that is not installed."""

    TEXT = "404 page not found\n"

    def __init__(self) -> None:
        super().__init__(404, "NotFound", self.TEXT.strip())


def already_exists(gvr: Gvr, name: str) -> ApiError:
    """409: a create met an object of that name."""
    return ApiError(
        409, "AlreadyExists", f'{qualified(gvr)} "{name}" already exists', _details(gvr, name)
    )


def conflict(gvr: Gvr, name: str, why: str) -> ApiError:
    """409: the request rests on a state that has passed."""
    message = f'Operation cannot be fulfilled on {qualified(gvr)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(gvr, name))


def stale(gvr: Gvr, name: str) -> ApiError:
    """409: the given resourceVersion is not the current one."""
    why = (
        "the object has been modified; please apply your changes to the latest version and "
        "try again"
    )
    return conflict(gvr, name, why)


def bad_request(message: str) -> ApiError:
    """400: the request makes no sense whatever the state."""
    return ApiError(400, "BadRequest", message)


def forbidden(gvr: Gvr, name: str, why: str, causes: list[Object] | None = None) -> ApiError:
    """403: understood and refused."""
    message = f'{qualified(gvr)} "{name}" is forbidden: {why}'
    return ApiError(
        403, "Forbidden", message, _details(gvr, name, **({"causes": causes} if causes else {}))
    )


def invalid(kind: str, group: str, name: str, causes: list[Object]) -> ApiError:
    """422: fields with unacceptable values; each cause has ``reason``, ``message``
    and ``field``.
    """
    told = [f"{cause['field']}: {cause['message']}" for cause in causes]
    text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    qualified_kind = f"{kind}.{group}" if group else kind
    details = {"name": name, **({"group": group} if group else {}), "kind": kind, "causes": causes}
    return ApiError(422, "Invalid", f'{qualified_kind} "{name}" is invalid: {text}', details)


def expired(message: str) -> ApiError:
    """410: the version asked for has left the log."""
    return ApiError(410, "Expired", message)
