"""Reading a database: PostgreSQL by pg8000, MySQL by PyMySQL; in read-only transactions, under a
time limit.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import (
    Absent,
    CallError,
    Denied,
    Invalid,
    Unanswered,
    Unreachable,
    UsageError,
)
from drillkit.secrets import Login

CONNECT_S = 5.0
MOST_BYTES = 64 * 1024 * 1024
"""Of all that a query answers: a check asks for a value, not for a table."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where a database listens."""

    engine: str
    """As RDS calls it: `postgres`, `aurora-postgresql`, `mysql`, `mariadb`, `aurora-mysql`."""
    host: str
    port: int
    name: str

    @property
    def said(self) -> str:
        """For people."""
        return f"{self.name} at {self.host}:{self.port}"

    @property
    def is_postgres(self) -> bool:
        return "postgres" in self.engine

    def named(self, name: str | None) -> Database:
        """Another database of the same server."""
        return replace(self, name=name) if name else self


class SqlSession(Protocol):
    """An open, read-only session."""

    def rows(self, query: str) -> list[list[Any]]:
        """All rows of a query. Raises CallError, Invalid for more than MOST_BYTES of them."""


@contextlib.contextmanager
def session(database: Database, login: Login, limit_s: float) -> Iterator[SqlSession]:
    """A session in which every transaction is read-only; each query may take `limit_s` seconds.

    Raises Unreachable, Denied, Absent (no such database), Unanswered, UsageError for an engine
    nobody can speak to.
    """
    if database.is_postgres:
        opened: _Postgres | _MySql = _postgres(database, login, limit_s)
    elif "mysql" in database.engine or "mariadb" in database.engine:
        opened = _mysql(database, login, limit_s)
    else:
        raise UsageError(
            f"drillkit does not speak to {database.engine}; check it with `command:`, or from "
            "the cluster"
        )
    try:
        yield opened
    finally:
        opened.close()


class _TooMuch(Exception):
    """An answer was not read to its end."""


class _Metered:
    """What a driver reads from, up to so many bytes for each query: it would read a table, or one
    value of a gigabyte, into memory as a whole.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self._left = stream, MOST_BYTES

    def refill(self) -> None:
        self._left = MOST_BYTES

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise _TooMuch
        found: bytes = self._stream.read(size)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Postgres:
    def __init__(self, connection: Any, said: str) -> None:
        self._connection, self._said = connection, said
        # pg8000 has no limit of its own, and no other place to put one.
        self._meter = connection._sock = _Metered(connection._sock)

    def rows(self, query: str) -> list[list[Any]]:
        self._meter.refill()
        found: list[list[Any]] = _told(lambda: self._connection.run(query) or [], self._said)
        return found

    def close(self) -> None:
        with contextlib.suppress(Exception):  # it may be gone; nothing depends on its goodbye
            self._connection.close()


def _postgres(database: Database, login: Login, limit_s: float) -> _Postgres:
    import pg8000.native

    def connect() -> Any:
        # Connecting and answering have limits of their own, so the socket is ours.
        opened = socket.create_connection((database.host, database.port), CONNECT_S)
        opened.settimeout(limit_s + CONNECT_S)
        try:
            # TLS where the server has it: RDS' certificates are not in the system's trust, SCRAM
            # protects the password.
            connection = pg8000.native.Connection(
                login.user,
                host=database.host,
                database=database.name,
                password=login.password,
                sock=opened,
                application_name="drillkit",
            )
        except BaseException:
            opened.close()
            raise
        connection.run(f"set statement_timeout = {int(limit_s * 1000)}")
        connection.run("set default_transaction_read_only = on")
        return connection

    return _Postgres(_told(connect, database.said), database.said)


class _MySql:
    def __init__(self, connection: Any, said: str) -> None:
        self._connection, self._said = connection, said

    def rows(self, query: str) -> list[list[Any]]:
        def ask() -> list[list[Any]]:
            # Row by row (SSCursor), so that a table is not read as a whole before it is counted.
            found: list[list[Any]] = []
            left = MOST_BYTES
            cursor = self._connection.cursor()
            cursor.execute(query)
            while (row := cursor.fetchone()) is not None:
                left -= sum(len(value) for value in row if isinstance(value, str | bytes)) + 8
                if left < 0:
                    # Not closed: that would read the rest.
                    raise _TooMuch
                found.append(list(row))
            cursor.close()
            return found

        found: list[list[Any]] = _told(ask, self._said)
        return found

    def close(self) -> None:
        with contextlib.suppress(Exception):  # it may be gone; nothing depends on its goodbye
            self._connection.close()


def _mysql(database: Database, login: Login, limit_s: float) -> _MySql:
    try:
        pymysql: Any = importlib.import_module("pymysql")
    except ImportError as error:
        raise UsageError(
            "reading MySQL needs PyMySQL; install it with: pip install 'drillkit[mysql]'"
        ) from error

    def connect() -> Any:
        return pymysql.connect(
            user=login.user,
            password=login.password,
            host=database.host,
            port=database.port,
            database=database.name,
            connect_timeout=int(CONNECT_S),
            read_timeout=int(limit_s + CONNECT_S),
            autocommit=True,
            cursorclass=pymysql.cursors.SSCursor,
            init_command="set session transaction read only",
        )

    return _MySql(_told(connect, database.said), database.said)


def _told(work: Callable[[], Any], said: str) -> Any:
    """Foreign errors in our words. Neither driver puts a password into its messages."""
    try:
        return work()
    except CallError:
        raise
    except _TooMuch:
        raise Invalid(
            f"{said}: expected at most {MOST_BYTES // 2**20} MiB of an answer, more came; ask for "
            "less, such as a count or a limit"
        ) from None
    except Exception as error:
        # Each driver has its own tree of errors, and both let those of the socket through.
        raise _mapped(error, said) from error


def _mapped(error: Exception, said: str) -> CallError:
    code, text = _code_of(error)
    if code in ("28P01", "28000", "1045", "1044", "42501"):
        return Denied(
            f"{said} refused the login or the query ({text}); look at `databases` of the target"
        )
    if code in ("3D000", "1049", "42P01", "1146"):
        return Absent(f"{said}: there is no such database or table ({text})")
    if code in ("57014", "3024"):
        return Unanswered(f"{said}: the query took too long ({text})")
    if code in ("57P03", "53300", "1040"):
        return Unreachable(f"{said} takes no connections now ({text})")
    if code:
        return Invalid(f"{said}: {text} ({code})")
    if isinstance(error, OSError) or "Can't create a connection" in text or "network error" in text:
        return Unreachable(
            f"{said} cannot be reached ({text}); `from: cluster` reads it from inside the network"
        )
    return Unanswered(f"{said}: {text}")


def _code_of(error: Exception) -> tuple[str, str]:
    """(code of the server, text) of a driver's error."""
    first = error.args[0] if error.args else ""
    if isinstance(first, dict):  # pg8000: the fields of the server's message
        return str(first.get("C", "")), str(first.get("M", error))
    if (
        isinstance(first, int) and len(error.args) > 1
    ):  # PyMySQL; from 2000 on they are the client's own
        return (str(first) if first < 2000 or first >= 3000 else ""), str(error.args[1])
    cause = error.__cause__ or error.__context__
    return "", f"{error}" + (f": {cause}" if isinstance(cause, OSError) else "")
