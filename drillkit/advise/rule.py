"""What a rule is, what it finds, and the table that rules stand in."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from typing import Generic, Literal, TypeAlias, TypeVar, get_args

from drillkit.lazy_dataclass import dataclass

Severity: TypeAlias = Literal["critical", "high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Gravest first."""

S = TypeVar("S")
"""What a rule looks at: a workload, a database, ..."""
F = TypeVar("F")
"""What else is known."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule finds of one subject."""

    what: str
    """What is so, in one sentence."""
    mend: str
    """What to do: a command or manifest to paste, or a sentence."""
    proves: str = ""
    """Arguments of `drillkit run` for the drill that would prove it; '': the rule's own."""
    severity: Severity | None = None
    """Default: the rule's."""


Finds: TypeAlias = Found | Iterable[Found] | None


@dataclass(frozen=True, slots=True)
class Rule(Generic[S, F]):
    """One kind of weakness."""

    id: str
    severity: Severity
    why: str
    """Why it matters."""
    find: Callable[[S, F], Finds]
    proves: str = ""
    needs: tuple[str, ...] = ()
    """Names of what must have been read; without it, the rule says nothing."""

    @property
    def summary(self) -> str:
        """One line for lists."""
        return (self.find.__doc__ or self.id).strip().splitlines()[0]


@dataclass(slots=True)
class Table(Generic[S, F]):
    """Rules about one kind of subject."""

    of: str
    """`workload`, `namespace`, `rds`, ..."""
    rules: list[Rule[S, F]] = field(default_factory=list)

    def rule(
        self,
        id: str,
        severity: Severity,
        *,
        why: str,
        proves: str = "",
        needs: tuple[str, ...] = (),
    ) -> Callable[[Callable[[S, F], Finds]], Callable[[S, F], Finds]]:
        """Makes a function a rule of this table; its docstring is its line in `--rules`."""

        def put(find: Callable[[S, F], Finds]) -> Callable[[S, F], Finds]:
            self.rules.append(Rule(id, severity, why, find, proves, needs))
            return find

        return put

    def judge(
        self, subject: S, name: str, facts: F, known: Callable[[str], bool] = lambda need: True
    ) -> Iterator[Advice]:
        """What the rules find of one subject, as far as what they need is `known`."""
        for rule in self.rules:
            if not all(map(known, rule.needs)):
                continue
            found = rule.find(subject, facts)
            for each in (found,) if isinstance(found, Found) else found or ():
                yield Advice(
                    rule.id,
                    each.severity or rule.severity,
                    name,
                    each.what,
                    rule.why,
                    each.mend,
                    each.proves or rule.proves,
                )


@dataclass(frozen=True, slots=True)
class Advice:
    """One weakness of one thing."""

    rule: str
    severity: Severity
    subject: str
    """`deployment/shop/web`, `rds/orders-db`."""
    what: str
    why: str
    mend: str
    proves: str
    """Arguments of `drillkit run` for the drill that would prove it, or ''."""

    @property
    def rank(self) -> tuple[int, str, str]:
        """Gravest first, then by subject."""
        return SEVERITIES.index(self.severity), self.subject, self.rule


def told_proof(proves: str, target: str) -> str:
    """The command whose drill would prove a weakness, from its `proves`."""
    name, _, rest = proves.partition(" ")
    return f"drillkit run {name} --target {shlex.quote(target)} {rest}".strip()


def at_least(severity: Severity, limit: Severity) -> bool:
    """Whether one is as grave as the other, or graver."""
    return SEVERITIES.index(severity) <= SEVERITIES.index(limit)
