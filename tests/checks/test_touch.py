"""A check that passes whatever was restored is no proof that anything was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from drillkit.checks.context import Copy
from drillkit.checks.touch import empty_handed, untouched
from drillkit.clients.queries import reads_a_table
from drillkit.clients.sql import Database
from drillkit.model.drill import StepCheck

NAME = "dr-20261101-030000-x7k2-db"
COPY = Copy(
    f"rds instance/eu-central-1/{NAME}",
    datetime(2026, 11, 1, 3, 0, tzinfo=UTC),
    Database("postgres", f"{NAME}.abc.eu-central-1.rds.amazonaws.com", 5432, "shop"),
)


@pytest.mark.parametrize(
    "query",
    [
        "select 1",
        "select now()",
        "select 'rows from orders'",
        "select 1 -- from orders",
        "select 1 /* from orders */",
        "select count(*) from pg_tables",
        "select count(*) from information_schema.tables",
        "select count(*) from generate_series(1, 9)",
        "with a as (select 1) select * from a",
        "with a as (select 1), b (n) as (values (1)) select n from b",
    ],
)
def test_a_query_that_reads_no_table_of_anybody_reads_nothing_restored(query: str) -> None:
    assert not reads_a_table(query)
    assert untouched(StepCheck(sql=query), COPY) == "its query reads no table"


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from orders",
        'SELECT count(*) FROM "public"."orders" o JOIN customers c ON true',
        "select sum(n) from (select n from items) t",
        "with a as (select * from orders) select count(*) from a",
        "select exists(select 1 from shop.orders)",
        "table orders",
    ],
)
def test_a_query_of_a_table_reads_what_was_restored(query: str) -> None:
    assert untouched(StepCheck(sql=query), COPY) == ""


@pytest.mark.parametrize("expect", [">= 0", "> -1", "!= -1", "matches .*", "matches ^", "!= none"])
def test_a_number_of_rows_that_every_table_has_is_no_proof(expect: str) -> None:
    assert untouched(StepCheck(rows=True, table="orders", expect=expect), COPY)
    assert not untouched(StepCheck(rows=True, table="orders", expect="> 0"), COPY)


@pytest.mark.parametrize("expect", ["== 0", "< 1000", "<= 5"])
def test_a_count_of_nothing_that_passes_has_read_no_row(expect: str) -> None:
    rows = StepCheck(rows=True, table="orders", expect=expect)
    count = StepCheck(sql="select count(*) from orders", expect=expect)
    some = StepCheck(sql="select count(*) from orders where total < 0", expect=expect)
    assert "read no row" in empty_handed(rows, 0)
    assert "read no row" in empty_handed(count, 0)
    assert not empty_handed(some, 0)
    assert not empty_handed(rows, 3)
    assert not untouched(rows, COPY)


@pytest.mark.parametrize(
    ("query", "expect"),
    [
        ("select count(*) from orders", ">= 0"),
        ("SELECT COUNT(id) FROM orders", "> -1"),
        ("select name from orders limit 1", "matches .*"),
        ("select count(*) from orders where false", "== 0"),
        ("select count(*) from orders where 1 = 0", "== 0"),
        ("select name from orders limit 0", "!= x"),
    ],
)
def test_a_query_whose_answer_every_restore_gives_is_no_proof(query: str, expect: str) -> None:
    assert untouched(StepCheck(sql=query, expect=expect), COPY)


@pytest.mark.parametrize(
    ("query", "expect"),
    [
        ("select count(*) from orders where total < 0", "== 0"),
        ("select sum(total) from orders", ">= 0"),
        ("select name from orders where id = 1", "matches ^shop"),
        ("select count(*) from orders where name = 'where false'", "> 0"),
    ],
)
def test_a_query_whose_answer_can_miss_is_proof(query: str, expect: str) -> None:
    assert not untouched(StepCheck(sql=query, expect=expect), COPY)


@pytest.mark.parametrize("url", ["https://shop.example.com/health", "http://127.0.0.1:80/"])
def test_a_page_of_the_original_says_nothing_about_the_copy(url: str) -> None:
    assert "answers whatever was restored" in untouched(StepCheck(http=url), COPY)


def test_a_page_of_the_copy_does_and_so_does_one_of_what_came_back_itself() -> None:
    assert COPY.database is not None
    assert not untouched(StepCheck(http=f"http://{COPY.database.host}/"), COPY)
    assert not untouched(StepCheck(http={"service": "web"}), COPY)
    itself = Copy("what `terraform` left", COPY.disrupted, beside=False)
    assert not untouched(StepCheck(http="https://shop.example.com/health"), itself)


@pytest.mark.parametrize(
    "command",
    [
        ("true",),
        ("sh", "-c", "exit 0"),
        ("timeout", "5", "sleep", "1"),
        ("echo", NAME),
        ("sh", "-c", 'test -n "$DRILLKIT_HOST" && [ "$DRILLKIT_PORT" -gt 0 ]'),
        ("pg_isready", "-h", NAME),
        ("sh", "-c", "nc -z $DRILLKIT_HOST $DRILLKIT_PORT"),
        ("psql", "-h", NAME, "-tAc", "select 1"),
        ("sh", "-c", 'test "$(mysql -h $DRILLKIT_HOST -Ne "select 1")" != ""'),
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_a_command_that_reads_nothing_proves_nothing(
    command: tuple[str, ...], beside: bool
) -> None:
    copy = Copy(COPY.name, COPY.disrupted, COPY.database, beside=beside)
    assert "reads nothing" in untouched(StepCheck(command=command), copy)


def test_a_command_must_be_told_where_the_copy_is(tmp_path: Path) -> None:
    deaf, told = tmp_path / "deaf.sh", tmp_path / "told.sh"
    deaf.write_text("psql -h original -c 'select count(*) from orders'")
    told.write_text('psql -h "$DRILLKIT_HOST" -c "select count(*) from orders"')
    assert "is not told where the copy is" in untouched(StepCheck(command=("sh", str(deaf))), COPY)
    assert not untouched(StepCheck(command=("sh", str(told))), COPY)
    assert not untouched(StepCheck(command=("sh", "-c", "psql -h $DRILLKIT_HOST")), COPY)
    assert not untouched(StepCheck(command=("pg_dump", "-h", COPY.database.host)), COPY)
