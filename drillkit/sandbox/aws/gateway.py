"""The one door: every request is recognised, counted, possibly spoiled on purpose, and handed to
its service.

RDS and ElastiCache are served here; moto serves the rest (S3, STS, Secrets Manager, EC2).
Signatures are not verified, but the access key must be the sandbox's own, and presigned URLs
expire.  `/_sandbox/` is the private way to the knobs.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from drillkit.sandbox.aws.control import Control
from drillkit.sandbox.aws.knobs import CallRule, Knobs
from drillkit.sandbox.aws.wire import Call, Fault, QueryProtocol

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
MOST_BODY = 64 * 2**20
MOTO_SERVICES = ("s3", "sts", "secretsmanager", "ec2")


def _body(environ: Environ) -> bytes:
    length = min(int(environ.get("CONTENT_LENGTH") or 0), MOST_BODY)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _scope(environ: Environ) -> tuple[str, str, str] | None:
    """Access key, region and service from the signature, in the header or in a presigned URL."""
    found = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found is not None:
        return found[1], found[2], found[3]
    credential = (
        parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0].split("/")
    )
    return (credential[0], credential[2], credential[3]) if len(credential) == 5 else None


def _action(service: str, environ: Environ, form: dict[str, str]) -> str:
    """How rules and the call log name a request: the API's action, or for S3 the method."""
    if "Action" in form:
        return form["Action"]
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    return str(environ["REQUEST_METHOD"])


def _asked_of(environ: Environ) -> dict[str, str]:
    """Which part of an object or bucket: `retention`, `object-lock`. Values may be signatures."""
    asked = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return {"query": ",".join(sorted(asked))} if asked else {}


class Gateway:
    """A WSGI application."""

    def __init__(
        self, knobs: Knobs, control: Control, access_key: str, moto: Callable[[str], Any]
    ) -> None:
        self.knobs = knobs
        self.control = control
        self.access_key = access_key
        self._moto = moto
        self._services: dict[str, tuple[QueryProtocol, Callable[[Call], str]]] = {}

    def add(self, protocol: QueryProtocol, answer: Callable[[Call], str]) -> None:
        """Serves a query-protocol service here rather than by moto."""
        self._services[protocol.service] = (protocol, answer)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_sandbox/"):
            status, document = self.control.answer(environ, _body(environ))
            text = json.dumps(document, default=str).encode()
            start_response(
                f"{status} -",
                [("Content-Type", "application/json"), ("Content-Length", str(len(text)))],
            )
            return [text]
        body = _body(environ)
        scope = _scope(environ)
        service = scope[2] if scope is not None else "s3"
        form: dict[str, str] = {}
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        action = _action(service, environ, form)
        shown = form or {"path": environ["PATH_INFO"], **_asked_of(environ)}
        refused = self._refusal(scope, environ)
        rule = None if refused else self.knobs.rule_for(action)
        region = scope[1] if scope is not None else ""
        came = rule.effect if rule else "served"
        self.knobs.note_call(
            service,
            action,
            region,
            shown,
            refused.code if refused else came,
            environ.get("HTTP_USER_AGENT", ""),
        )
        spoiled = refused or (_spoiled(rule) if rule is not None else None)
        if spoiled is not None:
            return self._fault(service, spoiled, start_response)
        if rule is not None and rule.effect == "drop-answer":
            list(self._serve(service, region, environ, body, lambda *ignored, **also: None))
            return _dropped(environ, start_response)
        return self._serve(service, region, environ, body, start_response)

    def _refusal(self, scope: tuple[str, str, str] | None, environ: Environ) -> Fault | None:
        """Why a request is turned away before any service sees it."""
        if scope is None:
            return Fault("MissingAuthenticationToken", "Missing Authentication Token", 403)
        if scope[0] != self.access_key:
            return Fault(
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
                403,
            )
        query = parse_qs(environ.get("QUERY_STRING", ""))
        if "X-Amz-Expires" in query and "X-Amz-Date" in query:
            signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if datetime.now(UTC) > signed + timedelta(seconds=int(query["X-Amz-Expires"][0])):
                return Fault("AccessDenied", "Request has expired", 403)
        return None

    def _serve(
        self,
        service: str,
        region: str,
        environ: Environ,
        body: bytes,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        if service not in (*self._services, *MOTO_SERVICES):
            fault = Fault("InternalFailure", f"{service} is not served by this sandbox", 501)
            return self._fault(service, fault, start_response)
        if service not in self._services:
            answer: Iterable[bytes] = self._moto(service)(environ, start_response)
            return answer
        protocol, perform = self._services[service]
        try:
            call = protocol.read(region, body.decode("utf-8"))
            text = perform(call)
        except Fault as fault:
            return self._fault(service, fault, start_response)
        return _xml(200, text, start_response)

    def _fault(self, service: str, fault: Fault, start_response: StartResponse) -> Iterable[bytes]:
        request_id = str(uuid.uuid4())
        if service in self._services:
            return _xml(
                fault.status,
                self._services[service][0].write_fault(fault, request_id),
                start_response,
            )
        if service == "s3":
            text = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
            return _xml(fault.status, text, start_response)
        if service in ("sts", "ec2", "iam"):
            inner = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
            request = f"<RequestId>{request_id}</RequestId>"
            wrapped = (
                f"<Response><Errors>{inner}</Errors><RequestID>{request_id}</RequestID></Response>"
            )
            text = (
                wrapped if service == "ec2" else f"<ErrorResponse>{inner}{request}</ErrorResponse>"
            )
            return _xml(fault.status, text, start_response)
        text = json.dumps({"__type": fault.code, "message": fault.message})
        start_response(
            f"{fault.status} -",
            [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", request_id)],
        )
        return [text.encode()]


def _spoiled(rule: CallRule) -> Fault | None:
    if rule.effect == "throttle":
        return Fault("Throttling", "Rate exceeded", 400)
    return Fault(rule.code, "broken on purpose", rule.status) if rule.effect == "error" else None


def _xml(status: int, text: str, start_response: StartResponse) -> Iterable[bytes]:
    data = text.encode()
    start_response(
        f"{status} -", [("Content-Type", "text/xml"), ("Content-Length", str(len(data)))]
    )
    return [data]


def _dropped(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Breaks the connection without an answer: the client cannot know what became of
    its request.
    """
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("dropped on purpose")
