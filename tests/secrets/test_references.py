"""References lead to values by the same rules everywhere, and no error shows one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drillkit import plugin
from drillkit.model.errors import UsageError
from drillkit.secrets import KNOWN, child_environment, login, resolve, resolve_all


class _Account:
    def __init__(self, text: str) -> None:
        self._text = text

    def secret_text(self, secret: str, what: str) -> str:
        assert (secret, what) == ("shop/db", "it")
        return self._text


def test_one_newline_at_the_end_is_no_part_of_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unix").write_bytes(b"hunter2hunter2\n")
    (tmp_path / "windows").write_bytes(b"hunter2hunter2\r\n")
    (tmp_path / "two").write_bytes(b"hunter2hunter2\n\n")
    monkeypatch.setenv("WITH_NEWLINE", "hunter2hunter2\n")
    assert resolve(f"file:{tmp_path}/unix", "it") == "hunter2hunter2"
    assert resolve(f"file:{tmp_path}/windows", "it") == "hunter2hunter2"
    assert resolve(f"file:{tmp_path}/two", "it") == "hunter2hunter2\n"
    assert resolve("env:WITH_NEWLINE", "it") == "hunter2hunter2"
    assert resolve("aws-secret:shop/db", "it", lambda: _Account("hunter2hunter2\n")) == (
        "hunter2hunter2"
    )


def test_what_is_resolved_is_known_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "hunter2hunter2")
    assert KNOWN.text("hunter2hunter2") == "hunter2hunter2"
    assert resolve_all({"A": "env:A_TOKEN", "B": "plain"}) == {"A": "hunter2hunter2", "B": "plain"}
    assert KNOWN.text("hunter2hunter2 plain") == "[secret] plain"
    who = login(
        "aws-secret:shop/db", "it", lambda: _Account('{"username": "u", "password": "pq12"}')
    )
    assert (who.user, who.password) == ("u", "pq12")
    assert "pq12" not in repr(who)
    assert KNOWN.text("pq12") == "[secret]"


def test_a_plug_in_resolves_by_the_same_rules_and_hides_what_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACME_TOKEN", "canary-acme-1\n")
    assert plugin.resolve_secret("env:ACME_TOKEN", "acme.notice: token") == "canary-acme-1"
    with pytest.raises(plugin.UsageError, match="it: Secrets Manager cannot be read for this"):
        plugin.resolve_secret("aws-secret:acme", "it")
    plugin.hide_secret("canary-session-2")
    assert KNOWN.text("canary-acme-1 canary-session-2") == "[secret] [secret]"


def test_what_we_start_inherits_no_variable_that_holds_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A_TOKEN", "hunter2hunter2")
    resolve("env:A_TOKEN", "it")
    resolve("env:PATH", "it")
    assert "A_TOKEN" not in child_environment()
    assert "PATH" in child_environment()
    assert child_environment(needed=["A_TOKEN"])["A_TOKEN"] == "hunter2hunter2"


def test_what_a_program_inherits_under_a_secrets_name_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = {
        "GITLAB_TOKEN": "glpat-4711-of-all",
        "DB_PASSWORD": "Hunter2hunter2",
        "DATABASE_URL": "postgres://shop:hunt%40er22@db/x",
    }
    others = {
        "POSTGRES_PASSWORD": "postgres",
        "TOKEN_FOLDER": "/srv/a-folder-1",
        "SERVICE_CREDENTIALS": os.path.abspath(__file__),
        "SHORT_TOKEN": "ab12",
        "PROXY_URL": "http://proxy-1:3128",
        "GREETING": "hello-4711-you",
    }
    for name, value in {**secrets, **others}.items():
        monkeypatch.setenv(name, value)
    assert set(child_environment()) >= {*secrets, *others}
    assert KNOWN.text(" ".join(others.values())) == " ".join(others.values())
    for value in ("glpat-4711-of-all", "Hunter2hunter2", "hunt@er22", "hunt%40er22"):
        assert KNOWN.text(f"<{value}>") == "<[secret]>"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("hunter2hunter2", "it: expected a reference such as env:NAME"),
        ("env:", "it: expected a reference"),
        ("env:NOT_THERE_AT_ALL", "the environment variable NOT_THERE_AT_ALL, found none"),
        ("file:/does/not/exist", "it: /does/not/exist cannot be read: No such file"),
        ("file:/dev/zero", "found more than 64 KiB"),
        ("aws-secret:x", "Secrets Manager cannot be read for this"),
        ("env:NO_TEXT", "expected UTF-8 text in the environment variable NO_TEXT"),
    ],
)
def test_what_leads_nowhere_is_told_without_any_value(
    reference: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_TEXT", "hunter\udce9")
    with pytest.raises(UsageError) as refusal:
        resolve(reference, "it")
    assert says in str(refusal.value)
    assert "hunter" not in str(refusal.value)


@pytest.mark.parametrize("text", ["hunter2hunter2", '{"username": "u"}', "{hunter2", ":hunter2"])
def test_a_login_of_another_shape_is_told_without_it(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        login("aws-secret:shop/db", "it", lambda: _Account(text))
    assert "hunter2" not in str(refusal.value)
