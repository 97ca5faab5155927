"""The one way to a service of AWS in a region: a request goes out once, behind the fence; errors
are mapped here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from drillkit.clients.aws.errors import refusal, transport_error
from drillkit.clients.proxies import via
from drillkit.clients.retry import patiently
from drillkit.clock import Clock, Fence
from drillkit.model.errors import Unanswered, Unavailable

CONNECT_S = 3.0
READ_S = 15.0
READ_ATTEMPTS = 5
READ_LIMIT_S = 60.0
"""No further attempt of a read begins after this: throttling passes within a minute or not
at all.
"""
PAGES = 500
"""More pages than this mean that the other side counts wrong."""
LOOKS = ("Describe", "List", "Get", "Head", "Simulate")
"""Operations that change nothing begin with these words."""


class ServiceClient:
    """One service in one region. Everything that drillkit asks of it passes `_send`, which
    is private to the rooms inside `clients/`, as is `_change`: whoever else wants a change plans
    it.
    """

    def __init__(self, client: Any, clock: Clock, fence: Fence) -> None:
        """`client`: botocore's, without retries of its own."""
        self._client = client
        self.clock = clock
        self.fence = fence
        self.service = str(client.meta.service_model.service_name)
        self.region = str(client.meta.region_name)
        client.meta.events.register_first(
            f"before-send.{client.meta.service_model.service_id.hyphenize()}", self._pass
        )

    def _pass(self, event_name: str = "", **ignored: object) -> None:
        """Every attempt that may change something passes the fence right before it leaves."""
        if not event_name.rpartition(".")[2].startswith(LOOKS):
            self.fence.check()

    def _send(self, operation: str, asked: str, **params: Any) -> dict[str, Any]:
        """One request, once. `operation` as AWS calls it; `asked` says for people what is asked.

        Raises Refused when it would change something and the fence is closed, CallError for
        whatever is no success.
        """
        from botocore import xform_name
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        call = getattr(self._client, xform_name(operation))
        try:
            answer: dict[str, Any] = call(**params)
        except ClientError as error:
            raise refusal(error.response, asked) from error
        except BotoCoreError as error:
            raise transport_error(error, asked, self._where) from error
        except ResponseParserError as error:
            raise Unanswered(
                f"cannot {asked}: what came from {self._where} is no answer of AWS, so whether the "
                "request arrived is not known; does a proxy or another server answer there? Look "
                "at `endpoint_url` of the target"
            ) from error
        return answer

    @property
    def _where(self) -> str:
        url: str = self._client.meta.endpoint_url
        return re.sub(r"^https?://", "", url) + via(url)

    def read(self, operation: str, asked: str, **params: Any) -> dict[str, Any]:
        """An answer of an operation that changes nothing, tried a few times. Raises CallError."""
        if not operation.startswith(LOOKS):
            raise ValueError(f"expected an operation that changes nothing, found {operation}")
        return patiently(
            lambda: self._send(operation, asked, **params),
            self.clock,
            attempts=READ_ATTEMPTS,
            limit_s=READ_LIMIT_S,
        )

    def _change(self, operation: str, asked: str, **params: Any) -> dict[str, Any]:
        """A change that may as well be made twice, tried a few times. Raises Refused, CallError."""
        return patiently(
            lambda: self._send(operation, asked, **params),
            self.clock,
            attempts=READ_ATTEMPTS,
            limit_s=READ_LIMIT_S,
        )

    def pages(
        self, operation: str, asked: str, items: str, **params: Any
    ) -> Iterator[dict[str, Any]]:
        """All `items` of a listing, page by page. Raises CallError."""
        marker: dict[str, str] = {}
        for _ in range(PAGES):
            page = self.read(operation, asked, **params, **marker)
            yield from page.get(items) or []
            if not page.get("Marker"):
                return
            marker = {"Marker": page["Marker"]}
        raise Unavailable(f"cannot {asked}: no end after {PAGES} pages")
