"""An AWS on the other side of the wire that answers from memory: real botocore, real requests,
no sockets.

`before-send` handlers see each signed request and answer in its place. What the model would not
take never gets here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse

from drillkit.clients.aws import Aws
from drillkit.clock import Clock, Fence, SystemClock
from drillkit.model.target import AwsTarget
from drillkit.sandbox.aws.wire import Fault, QueryProtocol

ACCOUNT = "123456789012"
Answer = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
"""(region, action, parameters) to the result; raises Fault."""
PROTOCOLS = {service: QueryProtocol(service) for service in ("rds", "elasticache", "iam")}


@dataclass
class Sent:
    """One request as it left."""

    service: str
    region: str
    action: str
    params: Mapping[str, Any]


class Body:
    """The raw body of an answer."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self, *ignored: object, **also: object) -> Any:
        yield self._data


def target(**changes: Any) -> AwsTarget:
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "region": "eu-central-1",
        "dr_region": "eu-west-1",
        "subnet_group": "drill",
        "security_groups": ("sg-drill",),
        "dr_subnet_group": "drill-dr",
        "dr_security_groups": ("sg-drill-dr",),
        "endpoint_url": "http://127.0.0.1:9",
    }
    return AwsTarget(**{**values, **changes})


@dataclass
class Wire:
    """Who answers, and what was asked."""

    answer: Answer
    sent: list[Sent] = field(default_factory=list)
    account: str = ACCOUNT
    before: Callable[[Sent], None] = lambda sent: None
    """Called with each request before it takes effect; raises what goes wrong."""
    after: Callable[[Sent], None] = lambda sent: None
    """Called once it has taken effect; raises when its answer is lost."""

    def connect(
        self, clock: Clock | None = None, fence: Fence | None = None, **changes: Any
    ) -> Aws:
        """An account whose requests come here."""
        wire = self

        class Wired(Aws):
            def _open(self, service: str, region: str) -> Any:
                door = super()._open(service, region)
                door._client.meta.events.register_last(
                    "before-send", lambda request, **ignored: wire.respond(service, region, request)
                )
                return door

        return Wired(target(**changes), clock or SystemClock(), fence or Fence())

    def respond(self, service: str, region: str, request: Any) -> AWSResponse:
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
        if service == "sts":
            return _http(200, _identity(self.account))
        protocol = PROTOCOLS[service]
        call = protocol.read(region, body)
        sent = Sent(service, region, call.action, call.params)
        self.sent.append(sent)
        try:
            self.before(sent)
            text = protocol.write(call, dict(self.answer(region, call.action, call.params)))
        except Fault as fault:
            return _http(fault.status, protocol.write_fault(fault, "request-1"))
        self.after(sent)
        return _http(200, text)

    def asked(self, action: str) -> list[Mapping[str, Any]]:
        return [sent.params for sent in self.sent if sent.action == action]


def _http(status: int, text: str) -> AWSResponse:
    headers: Any = {"Content-Type": "text/xml", "x-amzn-requestid": "request-1"}
    return AWSResponse(urlsplit("http://127.0.0.1").geturl(), status, headers, Body(text.encode()))


def _identity(account: str) -> str:
    return (
        "<GetCallerIdentityResponse "
        'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Account>{escape(account)}</Account><Arn>arn:aws:iam::{escape(account)}:user/x</Arn><UserId>x</UserId>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
