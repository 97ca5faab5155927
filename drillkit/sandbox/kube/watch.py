"""The bounded log of changes and the watches that read it."""

from __future__ import annotations

from drillkit.sandbox.kube.objects import Object


class Watch:
    """A client's view of the changes since a resource version, without I/O: poll it whenever the store changed."""

    def poll(self) -> list[Object]:
        """The watch events (``{"type", "object"}``) that became visible since the last call."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """Whether the server ends the stream now: its time is over or its position was lost (410 was sent)."""
        raise NotImplementedError
