"""What a step rehearses, as its kind declares it. Record 1 keeps it for each step, so that an
archive reads it where the kind is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass

Way: TypeAlias = Literal["", "disruption", "restore", "switchover"]
Apart: TypeAlias = Literal["", "beside", "sealed", "region"]
SERVICE = "service"
"""The system of steps that are about what users see: probes and SLOs name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What may be lost, and how it is rehearsed that it comes back."""

    way: Way = ""
    """`disruption`: something fails on purpose; `restore`: it is brought back from a copy;
    `switchover`: something else takes over. '' is none of them: a backup, a wait.
    """
    system: str = SERVICE
    """A noun for what it is about: `database`, `cache`, `cluster`, `queue`; `service` for what
    probes and SLOs watch.
    """
    named_by: tuple[str, ...] = ()
    """Arguments of `with` that name the system; the first that is given does."""
    apart: Apart = ""
    """How far a restored copy stands from its source: `beside` it in the same account and region,
    `sealed` in the same cluster, in another `region` of the account. '': nobody knows.
    """

    def name(self, arguments: Mapping[str, Any]) -> str:
        """The system's name, such as `microservices-dev-db` or `namespace shop`; '' where no
        argument gives one.
        """
        given = ((key, arguments[key]) for key in self.named_by if arguments.get(key))
        return next((_named(key, value) for key, value in given), "")


def _named(key: str, value: object) -> str:
    """`namespace shop`, `namespaces blog, shop`: several have their argument's name before them."""
    if not isinstance(value, Mapping | list | tuple):
        return str(value)
    noun = key.removesuffix("s") if len(value) == 1 else key
    return f"{noun} {', '.join(map(str, value))}"
