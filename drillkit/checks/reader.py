"""Who reads a database for a check: this process, or a Job inside the cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol, TypeAlias

from drillkit import secrets
from drillkit.checks.context import Context, Copy
from drillkit.clients import sql
from drillkit.clients.sql import Database, SqlSession
from drillkit.model.errors import UsageError

Place: TypeAlias = Literal["here", "cluster"]
Which: TypeAlias = Literal["copy", "original"]
QUERY_S = 60.0
"""A query of a check may take so long."""


class Runner(Protocol):
    """Opens read-only sessions somewhere. Values may come as text: checks ask for numbers and
    text only.
    """

    def open(self, database: Database, login: str) -> contextlib.AbstractContextManager[SqlSession]:
        """A session at a database, for the login behind the reference. Raises CallError,
        UsageError.
        """


class Here:
    """This process."""

    def __init__(self, host: Context, limit_s: float = QUERY_S) -> None:
        self._host, self._limit_s = host, limit_s

    @contextlib.contextmanager
    def open(self, database: Database, login: str) -> Iterator[SqlSession]:
        """See `Runner.open`."""
        who = secrets.login(
            login, f"databases of target {self._host.target.name}", lambda: self._host.clients.aws
        )
        with sql.session(
            database, who, min(self._limit_s, max(1.0, self._host.deadline.left()))
        ) as session:
            yield session


def runner(host: Context, place: Place) -> Runner:
    """Who reads, as a check's `from` says."""
    return PLACES[place](host)


def _in_cluster(host: Context) -> Runner:
    from drillkit.checks.in_cluster import InCluster

    return InCluster(host)


PLACES: Mapping[Place, Callable[[Context], Runner]] = {"here": Here, "cluster": _in_cluster}


@contextlib.contextmanager
def opened(
    host: Context, copy: Copy, place: Place, which: Which, database: str | None
) -> Iterator[SqlSession]:
    """A session at the copy or at its original. Raises CallError, UsageError."""
    found = copy.database if which == "copy" else copy.original
    if found is None:
        raise UsageError(
            f"{copy.name}: there is no {'database' if which == 'copy' else 'original'} to read"
        )
    if not copy.login:
        raise UsageError(
            f"{copy.name}: the target names no credentials for it; add `databases: {{NAME: "
            "file:PATH}` to the target"
        )
    with runner(host, place).open(found.named(database), copy.login) as session:
        yield session


def one_row(session: SqlSession, query: str) -> list[Any] | None:
    """The first row of a query, or None."""
    rows = session.rows(query)
    return rows[0] if rows else None
