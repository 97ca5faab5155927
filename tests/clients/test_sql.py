"""A real PostgreSQL is asked, and no answer is larger than what may be read of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from drillkit.clients import sql
from drillkit.model.errors import Denied, Invalid
from drillkit.sandbox.aws.postgres.server import ADMIN, HOST, PgServer
from drillkit.sandbox.aws.postgres.template import Template
from drillkit.sandbox.aws.postgres.tools import PostgresMissing, Tools, find_postgres
from drillkit.secrets import Login

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sql.Database, Login]]:
    try:
        binaries = find_postgres()
    except PostgresMissing as error:
        pytest.skip(str(error))
    tools = Tools(binaries, tmp_path_factory.mktemp("postgres"))
    template = Template(tools)
    data = tools.files / "data"
    template.copy_to(data)
    running = PgServer(tools, data, template.password)
    running.start()
    try:
        yield (
            sql.Database("postgres", HOST, running.port, "postgres"),
            Login(ADMIN, template.password),
        )
    finally:
        running.stop("immediate")
        if tools.moved:
            shutil.rmtree(tools.files, ignore_errors=True)


def test_a_table_or_a_value_that_is_too_large_is_not_read(
    server: tuple[sql.Database, Login], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "MOST_BYTES", 1_000_000)
    database, who = server
    for query in ("select repeat('x', 3000000)", "select * from generate_series(1, 1000000)"):
        with (
            sql.session(database, who, 10.0) as opened,
            pytest.raises(Invalid, match="ask for less"),
        ):
            opened.rows(query)


def test_the_limit_is_one_of_each_query(
    server: tuple[sql.Database, Login], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "MOST_BYTES", 1_000_000)
    database, who = server
    with sql.session(database, who, 10.0) as opened:
        for _ in range(5):
            assert len(opened.rows("select repeat('x', 600000)")[0][0]) == 600_000


def test_a_wrong_password_is_not_shown(server: tuple[sql.Database, Login]) -> None:
    database, who = server
    with (
        pytest.raises(Denied) as refusal,
        sql.session(database, Login(who.user, "CANARY-wrong"), 10.0),
    ):
        pass
    assert "CANARY" not in f"{refusal.value} {refusal.value.__cause__}"
