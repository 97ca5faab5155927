"""Chaos Toolkit's `http` provider reads an answer whole, however large it is: here it gives up. And
it takes a login of ~/.netrc over the headers of the experiment: here it takes none.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from drillkit.clients.proxies import login_of

MOST_BYTES = 8 << 20
"""Of a body, unpacked. Half of it would make a tolerance look missed that is not."""


def cap_answers() -> None:
    """Let activities of this process fail whose answer is larger, and say so."""
    import chaoslib.provider.http as provider
    import requests
    from chaoslib.exceptions import ActivityFailed

    class Capped:
        """A body on its way."""

        def __init__(self, raw: Any, url: str) -> None:
            self._raw, self._url = raw, url

        def stream(self, *arguments: Any, **options: Any) -> Iterator[bytes]:
            seen = 0
            for part in self._raw.stream(*arguments, **options):
                seen += len(part)
                if seen > MOST_BYTES:
                    self._raw.close()
                    raise ActivityFailed(
                        f"{self._url} answered with more than {MOST_BYTES >> 20} MiB, the rest was "
                        "not read: ask for less"
                    )
                yield part

        def __getattr__(self, name: str) -> Any:
            return getattr(self._raw, name)

    class Adapter(requests.adapters.HTTPAdapter):
        """Hands out what is capped."""

        def send(self, request: Any, *arguments: Any, **options: Any) -> requests.Response:
            answer = super().send(request, *arguments, **options)
            answer.raw = Capped(answer.raw, str(request.url))
            return answer

    class WithoutNetrc(requests.Session):
        """Proves nothing that the experiment does not say."""

        def request(self, method: Any, url: Any, *rest: Any, **more: Any) -> requests.Response:
            more.setdefault("auth", login_of(str(url)))
            return super().request(method, url, *rest, **more)

    provider.requests = SimpleNamespace(
        Session=WithoutNetrc,
        adapters=SimpleNamespace(HTTPAdapter=Adapter),
        exceptions=requests.exceptions,
    )
