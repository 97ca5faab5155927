"""What auditors ask of a recovery test and no measurement tells: its scope, its scenario, who set
the objectives, who took part, who was told, what becomes of findings. Said by the
drill or its target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from typing import Literal, TypeAlias

from drillkit.lazy_dataclass import dataclass

ScenarioType: TypeAlias = Literal["component", "tabletop", "switchover", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The boundary of the test."""

    in_: tuple[str, ...] = ()
    """Systems, accounts and regions that it covers."""
    out: tuple[str, ...] = ()
    """What it leaves out on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is rehearsed."""

    type: ScenarioType | None = None
    """`component`, `tabletop`, `switchover` or `full`."""
    announced: bool | None = None
    """Whether those who had to respond knew of it before."""
    assumes: str = ""
    """What is taken as given, such as who is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """How soon a finding must be mended, counted from the end of the run."""

    violated: timedelta | None = None
    """A weakness that was shown."""
    unknown: timedelta | None = None
    """Something that was not proven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What auditors ask and no measurement tells. Said in a target it holds for all its drills;
    what the drill says goes before it.
    """

    scope: Scope = Scope()
    """The boundary of the test."""
    scenario: Scenario = Scenario()
    """What is rehearsed."""
    objectives_from: str = ""
    """Who set the objectives and where: `board, impact analysis 2026-03`."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Documents and tickets by what they are: `{plan: DRP 4.2, risk: R-17, change: CHG-1203}`."""
    participants: Mapping[str, str] = field(default_factory=dict)
    """Who takes part, with their role."""
    informed: tuple[str, ...] = ()
    """Who is told before."""
    approved: str = ""
    """Who approved it and where."""
    remedy: Remedy = Remedy()
    """How soon findings must be mended."""
    tickets: Mapping[str, str] = field(default_factory=dict)
    """Tickets of findings that are known, by their path in verdict.json:
    `{step/shop/objective/rto: OPS-12}`.
    """
    retention: str = ""
    """How long evidence is kept, and where."""


def stated(drill: Audit, target: Audit) -> Audit:
    """What a drill says, and what its target says where the drill says nothing."""

    def first(one: str, other: str) -> str:
        return one or other

    return Audit(
        scope=Scope(
            in_=drill.scope.in_ or target.scope.in_, out=drill.scope.out or target.scope.out
        ),
        scenario=Scenario(
            type=drill.scenario.type or target.scenario.type,
            announced=target.scenario.announced
            if drill.scenario.announced is None
            else drill.scenario.announced,
            assumes=first(drill.scenario.assumes, target.scenario.assumes),
        ),
        objectives_from=first(drill.objectives_from, target.objectives_from),
        references={**target.references, **drill.references},
        participants={**target.participants, **drill.participants},
        informed=tuple(dict.fromkeys((*drill.informed, *target.informed))),
        approved=first(drill.approved, target.approved),
        remedy=Remedy(
            violated=drill.remedy.violated or target.remedy.violated,
            unknown=drill.remedy.unknown or target.remedy.unknown,
        ),
        tickets={**target.tickets, **drill.tickets},
        retention=first(drill.retention, target.retention),
    )
