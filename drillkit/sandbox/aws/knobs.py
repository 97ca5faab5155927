"""What can be broken or slowed on purpose: rules about API calls, and settings of the
databases' behaviour.

Both are set over a private HTTP path (see `server`), never through AWS's own API, so that a drill
cannot tell.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar, get_args

Effect = Literal["error", "throttle", "drop-answer"]
CALLS_KEPT = 20_000
SECRET_PARAMETERS = ("MasterUserPassword",)
T = TypeVar("T")


@dataclass
class CallRule:
    """Spoils the next `times` calls that match (0: every one).

    `action` is a shell pattern.  `error` answers `code` with `status` without doing anything;
    `throttle` is the error Throttling; `drop-answer` does what was asked and drops the connection
    instead of answering.
    """

    effect: Effect
    action: str = "*"
    times: int = 1
    skip: int = 0
    code: str = "InternalFailure"
    status: int = 500


@dataclass
class FailNext:
    """Makes the next piece of work that matches end in `status` instead of succeeding.

    `kind`: instance, cluster or snapshot; `match`: a pattern of the identifier of what is
    being made.
    """

    status: str
    kind: str = "instance"
    match: str = "*"


@dataclass
class Damage:
    """Spoils backups whose snapshot identifier, or source instance or cluster, matches `backup`.

    `sql` runs `sql` in `database` on whatever is restored from them, before anybody can look: the
    same as a backup with those rows missing or changed.  `wal-gone` destroys the archived WAL of an
    automated backup.  `files` destroys the files of a snapshot, or of an automated backup's base
    backups.  The last two are done once, at once.
    """

    backup: str
    mode: Literal["sql", "wal-gone", "files"] = "sql"
    sql: str = ""
    database: str = "shop"


@dataclass
class Hide:
    """Hides resources whose identifier matches from every Describe call for `seconds`, as eventual
    consistency may.
    """

    match: str
    seconds: float
    until: float = 0.0


@dataclass
class Settings:
    """Behaviour that stays until it is changed.

    `slow_s` holds the least time a state lasts, by `<kind>.<state>` (e.g. `instance.creating`,
    `snapshot.creating`, `cluster.creating`, `instance.backing-up`, `instance.rebooting`,
    `instance.deleting`).
    """

    slow_s: dict[str, float] = field(default_factory=dict)
    failover_s: float = 1.0
    ship_interval_s: float = 5.0
    stalled_archivers: list[str] = field(default_factory=list)
    writer_rate: float = 5.0
    quota: dict[str, int] = field(
        default_factory=lambda: {"DBInstances": 40, "ManualSnapshots": 100, "DBClusters": 40}
    )


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """Builds one of the classes above from JSON; raises ValueError naming an unknown or
    missing key.
    """
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(
            f"{kind.__name__} has no {unknown[0]!r}; it has {', '.join(sorted(known))}"
        )
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


class Knobs:
    """All of the above, shared by the threads of the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.settings = Settings()
        self._rules: list[CallRule] = []
        self._failures: list[FailNext] = []
        self.damages: list[Damage] = []
        self._hidden: list[Hide] = []
        self._calls: deque[dict[str, Any]] = deque(maxlen=CALLS_KEPT)
        self._number = 0

    def add_rule(self, rule: CallRule) -> None:
        if rule.effect not in get_args(Effect):
            raise ValueError(
                f"effect must be one of {', '.join(get_args(Effect))}, found {rule.effect!r}"
            )
        with self._lock:
            self._rules.append(rule)

    def add_failure(self, failure: FailNext) -> None:
        with self._lock:
            self._failures.append(failure)

    def add_hidden(self, hide: Hide) -> None:
        hide.until = time.monotonic() + hide.seconds
        with self._lock:
            self._hidden.append(hide)

    def change(self, values: Mapping[str, Any]) -> None:
        """Changes settings; raises ValueError for one that does not exist."""
        known = {item.name for item in fields(Settings)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(
                    f"there is no setting {name!r}; there are {', '.join(sorted(known))}"
                )
            if isinstance(current := getattr(self.settings, name), dict):
                current.update(value)
            else:
                setattr(self.settings, name, value)

    def reset(self) -> None:
        """Takes everything back, except damage that was already done to files."""
        with self._lock:
            self.settings = Settings()
            self._rules.clear()
            self._failures.clear()
            self.damages.clear()
            self._hidden.clear()

    def rule_for(self, action: str) -> CallRule | None:
        """Takes one count from the first rule that spoils this call."""
        with self._lock:
            for rule in self._rules:
                if not fnmatchcase(action, rule.action):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                if rule.times == 1:
                    self._rules.remove(rule)
                elif rule.times > 1:
                    rule.times -= 1
                return rule
        return None

    def failure_for(self, kind: str, identifier: str) -> str | None:
        """The state the work on this resource is to end in, if it is to fail."""
        with self._lock:
            for failure in self._failures:
                if failure.kind == kind and fnmatchcase(identifier, failure.match):
                    self._failures.remove(failure)
                    return failure.status
        return None

    def hidden(self, identifier: str) -> bool:
        """Whether Describe calls are to act as if this did not exist."""
        now = time.monotonic()
        with self._lock:
            self._hidden = [hide for hide in self._hidden if hide.until > now]
            return any(fnmatchcase(identifier, hide.match) for hide in self._hidden)

    def sql_damage(self, *names: str) -> list[Damage]:
        """The SQL to run on what is restored from a backup known by any of these names."""
        return [
            damage
            for damage in self.damages
            if damage.mode == "sql" and any(fnmatchcase(name, damage.backup) for name in names)
        ]

    def note_call(
        self,
        service: str,
        action: str,
        region: str,
        params: Mapping[str, Any],
        outcome: str,
        agent: str = "",
    ) -> None:
        """Remembers one API call for whoever wants to see what went over the wire."""
        with self._lock:
            self._number += 1
            self._calls.append(
                {
                    "number": self._number,
                    "at": time.time(),
                    "service": service,
                    "action": action,
                    "region": region,
                    "params": {
                        name: "***" if name in SECRET_PARAMETERS else value
                        for name, value in params.items()
                    },
                    "outcome": outcome,
                    "agent": agent,
                }
            )

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        """The calls with a number above `after`, oldest first."""
        with self._lock:
            return [call for call in self._calls if call["number"] > after]
