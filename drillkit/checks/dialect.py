"""The questions that checks ask, in the words of PostgreSQL and MySQL. They give whole numbers and
text only.

Times are microseconds since the epoch, so that no driver, time zone or text form can bend them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RANGES = 16
"""A key range is compared in so many parts, so that a difference says where it is."""


def micros(at: datetime) -> int:
    """Microseconds since the epoch; a time without a zone is UTC."""
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def moment(value: int | str) -> datetime:
    """The time of a number of microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=int(value))


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of engines says it."""

    postgres: bool

    def name(self, identifier: str) -> str:
        """A quoted name; `schema.table` keeps its two parts. Raises UsageError for what is
        no name.
        """
        parts = identifier.split(".")
        if len(parts) > 2 or not all(re.fullmatch(r"[A-Za-z_][\w$-]*", part) for part in parts):
            raise UsageError(f"expected the name of a table or column, found `{identifier}`")
        quote = '"' if self.postgres else "`"
        return ".".join(f"{quote}{part}{quote}" for part in parts)

    def when(self, expression: str) -> str:
        """Microseconds since the epoch of a timestamp expression."""
        if self.postgres:
            return f"(extract(epoch from {expression}) * 1000000)::bigint"
        return f"cast(timestampdiff(microsecond, '1970-01-01', {expression}) as signed)"

    def count(self, table: str) -> str:
        return f"select count(*) from {self.name(table)}"

    def newest(self, table: str, column: str, before: datetime | None = None) -> str:
        """The newest time in a column, of those at or before a time."""
        where = (
            f" where {self.when(self.name(column))} <= {micros(before)}"
            if before is not None
            else ""
        )
        return f"select {self.when(f'max({self.name(column)})')} from {self.name(table)}{where}"

    def heartbeat(self, table: str, at: int | None = None) -> str:
        """(at, token, signature) of the newest heartbeat, or of that of a time."""
        where = f" where {self.when('at')} = {at}" if at is not None else ""
        return (
            f"select {self.when('at')}, token, signature from {self.name(table)}{where} order by "
            "at desc limit 1"
        )

    def key_range(self, table: str, key: str) -> str:
        return f"select min({self.name(key)}), max({self.name(key)}) from {self.name(table)}"

    def columns(self, table: str) -> str:
        """Names of a table's columns, in order. Only MySQL needs them."""
        schema, _, bare = table.rpartition(".")
        where = f"table_schema = '{schema}'" if schema else "table_schema = database()"
        return (
            f"select column_name from information_schema.columns where {where} and table_name = "
            f"'{bare}' order by ordinal_position"
        )

    def checksums(self, table: str, key: str, low: int, high: int, columns: list[str]) -> str:
        """(part, rows, checksum) of each part of a key range; the order of rows does not matter."""
        name = self.name(key)
        width = max(1, -(-(high - low + 1) // RANGES))
        if self.postgres:
            part = f"(({name} - {low}) / {width})::bigint"
            content = "sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint)"
        else:
            part = f"cast(floor(({name} - {low}) / {width}) as signed)"
            texts = ", ".join(f"coalesce(hex({self.name(column)}), 'NULL')" for column in columns)
            content = f"sum(conv(substr(md5(concat_ws('#', {texts})), 1, 15), 16, 10))"
        return (
            f"select {part}, count(*), {content} from {self.name(table)} as t "
            f"where {name} between {low} and {high} group by 1 order by 1"
        )

    def settled(self) -> list[str]:
        """What makes text forms equal on both sides."""
        if self.postgres:
            return [
                "set timezone = 'UTC'",
                "set datestyle = 'ISO, YMD'",
                "set intervalstyle = 'iso_8601'",
            ]
        return ["set time_zone = '+00:00'"]

    def tables(self) -> str:
        """Every table with data of its own: (schema, name)."""
        if self.postgres:
            return (
                "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = "
                "c.relnamespace where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', "
                "'information_schema') and n.nspname not like 'pg\\_toast%' order by "
                "pg_relation_size(c.oid) desc"
            )
        return (
            "select table_schema, table_name from information_schema.tables where table_type = "
            "'BASE TABLE' and table_schema = database() order by data_length desc"
        )

    def full_read(self, schema: str, table: str) -> list[str]:
        """Statements that read every block of a table once."""
        name = self.name(f"{schema}.{table}")
        if self.postgres:
            return [
                "set enable_indexonlyscan = off",
                "set enable_indexscan = off",
                f"select count(t.*) from {name} t",
            ]
        return [f"select count(*) from {name} ignore index (primary)"]


def dialect(engine: str) -> Dialect:
    """The dialect of an engine as RDS calls it."""
    return Dialect("postgres" in engine)
