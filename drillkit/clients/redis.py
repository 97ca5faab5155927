"""Asking a Redis or Valkey server, or a cluster of them, how many keys it holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import CallError, Denied, Invalid, Unanswered, Unreachable
from drillkit.secrets import Login, excerpt

CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Cache:
    """Where a server listens."""

    host: str
    port: int
    tls: bool = False
    cluster: bool = False
    """Whether it tells of further servers, each with a part of the keys."""

    @property
    def said(self) -> str:
        return f"{self.host}:{self.port}"


def count_keys(cache: Cache, login: Login | None, limit_s: float) -> int:
    """How many keys there are, in all parts of a cluster. `limit_s`: of each answer, in seconds.

    Nothing is tried again. Raises Unreachable, Denied, Invalid, Unanswered.
    """
    from redis import Redis, RedisCluster
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # An AUTH with one word is understood by servers without users, too.
    user = login.user if login is not None and login.user != "default" else None
    options: dict[str, Any] = {
        "host": cache.host,
        "port": cache.port,
        "username": user,
        "password": login.password if login is not None else None,
        "ssl": cache.tls,
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": limit_s,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
    }
    if cache.cluster:
        with _told(cache), contextlib.closing(RedisCluster(**options)) as cluster:
            return int(cluster.dbsize(target_nodes=RedisCluster.PRIMARIES))
    with contextlib.closing(Redis(**options)) as server:
        with _told(cache, connected=False):
            pool = server.connection_pool
            pool.release(pool.get_connection())
        with _told(cache):
            return int(server.dbsize())


@contextlib.contextmanager
def _told(cache: Cache, *, connected: bool = True) -> Iterator[None]:
    """What the library raises, in drillkit's words."""
    from redis import exceptions as they

    try:
        yield
    except (they.AuthenticationError, they.NoPermissionError) as error:
        raise _denied(cache, error) from error
    except they.ResponseError as error:
        refused = str(error).startswith(("NOAUTH", "WRONGPASS", "NOPERM"))
        raise _denied(cache, error) if refused else Invalid(f"{cache.said}: {error}") from error
    except they.RedisClusterException as error:
        if isinstance(error.__cause__, they.AuthenticationError):
            raise _denied(cache, error.__cause__) from error
        raise _away(cache, error) from error
    except (they.RedisError, OSError, ValueError) as error:
        if not connected:
            raise _away(cache, error) from error
        raise Unanswered(f"{cache.said} gave no answer ({_why(error)})") from error


def _why(error: Exception) -> str:
    return excerpt(str(error) or type(error).__name__, 200)


def _away(cache: Cache, error: Exception) -> CallError:
    return Unreachable(
        f"{cache.said} cannot be reached ({_why(error)}); it answers only inside its network"
    )


def _denied(cache: Cache, error: Exception) -> CallError:
    return Denied(f"{cache.said} refused the login ({error}); look at `databases` of the target")
