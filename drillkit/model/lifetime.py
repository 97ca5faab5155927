"""Until when a target's credentials are good."""

from __future__ import annotations

from datetime import datetime

from drillkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Lifetime:
    """One credential of a connection."""

    what: str
    """Such as `the token of user admin (context prod)`."""
    until: datetime | None
    """None: it ends, and nothing tells when."""
    renewed: str = ""
    """What gets a new one meanwhile, such as `aws`; '' where nothing does."""

    @property
    def unknown(self) -> bool:
        """Whether nobody can tell when it ends for good."""
        return self.until is None and not self.renewed

    def ends_before(self, moment: datetime) -> bool:
        """Whether it is known to be good no longer then."""
        return self.until is not None and not self.renewed and self.until < moment
