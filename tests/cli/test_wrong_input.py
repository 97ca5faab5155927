"""Bad input gets a clear error and changes nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.conftest import CommandLine, Sandbox, sandboxed

DRILL = """\
drill: mine
owner: me@example.com
steps:
  - name: kill
    uses: chaostoolkit
    with: {experiment: pod-delete, configuration: {namespace: %s, selector: %s}}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Sandbox]]:
    """A sandbox in which nothing that is tried here takes effect."""
    state = tmp_path_factory.mktemp("sandbox")
    with sandboxed(state) as made:
        yield state, made


@pytest.fixture
def sandbox(drillkit: CommandLine, shared: tuple[Path, Sandbox]) -> Sandbox:
    state, made = shared
    drillkit.home.mkdir()
    (drillkit.home / "sandbox").symlink_to(state)
    return made


def write(drillkit: CommandLine, text: str, name: str = "mine.yaml") -> str:
    (drillkit.folder / name).write_text(text)
    return f"./{name}"


def targets(drillkit: CommandLine, text: str) -> None:
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drillkit.folder / "drills").mkdir(exist_ok=True)
    (drillkit.folder / "drills" / "targets.yaml").write_text(text)


def test_an_unknown_key_is_told_with_its_place_and_the_nearest_name(drillkit: CommandLine) -> None:
    ran = drillkit(
        "run",
        write(drillkit, DRILL.replace("owner", "ownr") % ("shop", "app=web")),
        "-t",
        "sandbox",
    )
    assert ran.code == 2
    assert "mine.yaml:2:1: unknown key 'ownr'; did you mean `owner`?" in ran.err
    assert not (drillkit.folder / "reports").exists()


def test_a_wrong_type_says_what_was_expected(drillkit: CommandLine) -> None:
    ran = drillkit("validate", write(drillkit, "limit: soon\n" + DRILL % ("shop", "app=web")))
    assert ran.code == 2
    assert "mine.yaml:1:8" in ran.out
    assert "expected a duration such as 90s, 10m or 1h30m" in ran.out


def test_a_drill_that_is_not_there_is_looked_for_and_the_nearest_is_named(
    drillkit: CommandLine,
) -> None:
    ran = drillkit("run", "pod-delet", "-t", "sandbox")
    assert ran.code == 2
    assert "pod-delete" in ran.err


def test_an_unknown_variable_is_refused(drillkit: CommandLine) -> None:
    ran = drillkit("run", "pod-delete", "-t", "sandbox", "--set", "cuont=2")
    assert ran.code == 2
    assert "count" in ran.err


def test_without_a_target_the_line_to_type_is_given(drillkit: CommandLine) -> None:
    ran = drillkit("run", "pod-delete")
    assert ran.code == 2
    assert "drillkit run pod-delete --target sandbox" in ran.err


def test_a_reports_folder_that_cannot_be_written_stops_before_anything(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    (drillkit.folder / "taken").write_text("a file")
    ran = drillkit("run", "pod-delete", "-t", "sandbox", "--out", "taken/reports")
    assert ran.code == 2
    assert "cannot be written" in ran.err
    assert "Nothing was touched" in ran.err


def test_a_namespace_that_is_not_there_is_refused_with_a_report(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    ran = drillkit("run", write(drillkit, DRILL % ("shopp", "app=web")), "-t", "sandbox")
    assert ran.code == 4
    assert "shopp" in ran.err
    assert "nothing was touched" in (drillkit.run_folder("mine") / "report.md").read_text().lower()


def test_a_selector_that_matches_nothing_is_refused(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    ran = drillkit("run", write(drillkit, DRILL % ("shop", "app=wbe")), "-t", "sandbox")
    assert ran.code == 4
    assert "app=wbe" in ran.err


def test_a_protected_target_asks_for_more_than_yes(drillkit: CommandLine) -> None:
    targets(drillkit, "prod: {protected: true, kubernetes: {cluster_uid: abc, kubeconfig: none}}\n")
    ran = drillkit("run", write(drillkit, DRILL % ("shop", "app=web")), "-t", "prod", "--yes")
    assert ran.code == 2
    assert "protected" in ran.err


def test_an_unprotected_target_needs_a_yes_where_nobody_can_be_asked(drillkit: CommandLine) -> None:
    targets(drillkit, "dev: {kubernetes: {kubeconfig: none}}\n")
    ran = drillkit("run", write(drillkit, DRILL % ("shop", "app=web")), "-t", "dev")
    assert ran.code == 2
    assert "--yes" in ran.err


def kubeconfig(drillkit: CommandLine, server: str, token: str = "t") -> str:
    path = drillkit.folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [
                    {"name": "k", "cluster": {"server": server, "insecure-skip-tls-verify": True}}
                ],
                "users": [{"name": "u", "user": {"token": token}}],
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            }
        )
    )
    return str(path)


@pytest.mark.slow
def test_a_cluster_that_refuses_connections_is_told(drillkit: CommandLine) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = f"https://127.0.0.1:{free.getsockname()[1]}"
    targets(drillkit, f"dev: {{kubernetes: {{kubeconfig: {kubeconfig(drillkit, server)}}}}}\n")
    ran = drillkit("run", write(drillkit, DRILL % ("shop", "app=web")), "-t", "dev", "--yes")
    assert ran.code == 4
    assert "127.0.0.1" in ran.err


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and never says a word."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for connection in taken:
        connection.close()


@pytest.mark.slow
def test_a_cluster_that_hangs_is_given_up_on_and_told(drillkit: CommandLine) -> None:
    with silent_server() as port:
        server = f"https://127.0.0.1:{port}"
        targets(drillkit, f"dev: {{kubernetes: {{kubeconfig: {kubeconfig(drillkit, server)}}}}}\n")
        ran = drillkit(
            "run", write(drillkit, DRILL % ("shop", "app=web")), "-t", "dev", "--yes", limit_s=200
        )
    assert ran.code == 4
    assert f"127.0.0.1:{port}" in ran.err


def test_an_expired_token_is_told_apart_from_a_cluster_that_is_away(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    config = kubeconfig(drillkit, str(sandbox.endpoints["server"]), token="expired")
    targets(drillkit, f"dev: {{kubernetes: {{kubeconfig: {config}}}}}\n")
    ran = drillkit("run", write(drillkit, DRILL % ("shop", "app=web")), "-t", "dev", "--yes")
    assert ran.code == 4
    assert "401" in ran.err or "credentials" in ran.err.lower()


def test_another_cluster_than_the_pinned_one_is_refused(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    targets(
        drillkit,
        f"dev: {{kubernetes: {{kubeconfig: {sandbox.kubeconfig}, cluster_uid: another}}}}\n",
    )
    ran = drillkit("run", write(drillkit, DRILL % ("shop", "app=web")), "-t", "dev", "--yes")
    assert ran.code == 4
    assert "pinned to cluster another" in ran.err


def test_a_dry_run_shows_victims_and_undos_and_touches_nothing(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    ran = drillkit("run", "pod-delete", "-t", "sandbox", "--dry-run")
    assert ran.code == 0
    assert "pod/shop/web-" in ran.out
    assert not (drillkit.folder / "reports").exists()


def test_json_output_is_one_object_a_line(drillkit: CommandLine, sandbox: Sandbox) -> None:
    text = "drill: w\nowner: me@example.com\nsteps: [{uses: wait, with: {for: 100ms}}]\n"
    ran = drillkit("run", write(drillkit, text), "-t", "sandbox", "--json")
    kinds = [json.loads(line)["kind"] for line in ran.out.splitlines()]
    assert kinds[0] == "run.opened"
    assert "step.ended" in kinds


def test_a_first_drill_validates_as_it_is_written(drillkit: CommandLine) -> None:
    assert drillkit("init", "first").code == 0
    ran = drillkit("validate", "first")
    assert ran.code == 0, ran.said
    assert Path(drillkit.folder / "drills" / "first.yaml").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "pod-delete", "-t", "sandbox", "-y", "--trigger", "caf\udce9"),
        ("run", "pod-delete", "-t", "sandbox", "-y", "--set", "selector=app=w\udce9b"),
        ("report", "caf\udce9"),
    ],
)
def test_an_argument_that_is_no_text_is_refused(
    drillkit: CommandLine, arguments: tuple[str, ...]
) -> None:
    ran = drillkit(*arguments)
    assert ran.code == 2
    assert "expected arguments in UTF-8, found '" in ran.err
    assert "Traceback" not in ran.said
    assert not (drillkit.folder / "reports").exists()
