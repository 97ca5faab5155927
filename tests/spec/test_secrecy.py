"""Secrets do not stand in drills and targets: told with the place and the mend, never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillkit.model.errors import SpecError
from drillkit.spec.drills import parse
from drillkit.spec.targets import read_targets

HEAD = "drill: d\nowner: a@example.com\n"
STEP = "steps: [{name: w, uses: wait, with: {for: 1s}}]\n"
URL = "http: 'http://h/'"


def running(words: str) -> str:
    return f"{HEAD}steps: [{{uses: command, with: {{run: {words}}}}}]"


def refused(text: str) -> str:
    with pytest.raises(SpecError) as refusal:
        parse(text).resolve()
    return str(refusal.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            f"{HEAD}probes: {{w: {{{URL}, headers: {{Authorization: Bearer CANARY1}}}}}}\n{STEP}",
            "drill:3:58: probes.w.headers.Authorization: secrets do not stand here",
        ),
        (
            f"{HEAD}probes: {{w: {{{URL}, headers: {{Cookie: sid=CANARY1}}}}}}\n{STEP}",
            "probes.w.headers.Cookie",
        ),
        (
            f"{HEAD}probes: {{w: {{{URL}, headers: {{X-Api-Key: CANARY1}}}}}}\n{STEP}",
            "probes.w.headers.X-Api-Key",
        ),
        (
            f"{HEAD}probes: {{w: {{{URL}, headers: {{X: Bearer CANARY12}}}}}}\n{STEP}",
            "probes.w.headers.X",
        ),
        (
            f"{HEAD}probes: {{w: {{http: 'http://u:CANARY1@h/'}}}}\n{STEP}",
            "probes.w.http: a password must not stand in a URL",
        ),
        (f"{HEAD}vars: {{api_token: CANARY1}}\n{STEP}", "vars.api_token"),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: [x], env: {{DB_PASSWORD: CANARY1}}}}}}]",
            "steps[0].with.env.DB_PASSWORD",
        ),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: [x, --token, CANARY1]}}}}]",
            "steps[0].with.run[2]",
        ),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: [x], undo: [y, --password=CANARY1]}}}}]",
            "steps[0].with.undo[1]",
        ),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: [curl, -u, 'me:CANARY1', http://h]}}}}]",
            "run[2]",
        ),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: [x, -H, 'X-Vault-Token: CANARY1']}}}}]",
            "run[2]",
        ),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: [sh, -c, 'PGPASSWORD=CANARY1 x']}}}}]",
            "run[2]",
        ),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: [sh, -c, 'curl -u me:CANARY1 h']}}}}]",
            "run[2]",
        ),
        (
            f"{HEAD}steps: [{{uses: command, with: {{run: curl --user me:CANARY1 http://h}}}}]",
            "with.run",
        ),
        (f"{HEAD}notify: [{{uses: slack, with: https://h/CANARY1}}]\n{STEP}", "notify[0].with"),
    ],
)
def test_a_literal_secret_is_refused_with_its_place_and_not_repeated(text: str, place: str) -> None:
    said = refused(text)
    assert place in said
    assert "CANARY" not in said


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}probes: {{w: {{{URL}, headers: {{Authorization: 'env:T', X-Tenant: shop}}}}}}\n{STEP}",  # noqa: E501
        f"{HEAD}steps: [{{uses: command, with: {{run: [x], env: {{TOKEN: 'file:/run/token'}}}}}}]",
        f"{HEAD}steps: [{{uses: command, with: "
        "{run: [sh, -c, 'curl -H \"Authorization: Bearer $TOKEN\" https://u:$PASS@h/?token=$T']}}]",
        f"{HEAD}steps: [{{uses: command, with: {{run: [curl, -u, 'me:$PW', -H, 'X-Token: ${{target.values.c}}', h]}}}}]",  # noqa: E501
        running(
            "[sh, -c, 'TOKEN=\"$(cat f)\" TOKEN_FILE=f PW=`pass x` SECRETS=/run/x curl -u a:$T']"
        ),
        f"{HEAD}probes: {{w: {{http: 'http://h/?page=2', headers: {{Cookie: '${{target.values.c}}'}}}}}}\n"  # noqa: E501
        f"{STEP}",
    ],
)
def test_references_and_a_shells_variables_are_no_secrets(text: str) -> None:
    parse(text).resolve()


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("prometheus: {url: 'http://p', headers: {X-Auth-Token: CANARY1}}", "X-Auth-Token"),
        ("prometheus: {url: 'http://p', headers: {X: Bearer CANARY12}}", "headers.X"),
        ("canary_key: CANARY1", "canary_key"),
        ("databases: {db: 'user:CANARY1'}", "databases.db"),
        ("urls: {web: 'https://CANARY1@h/'}", "urls.web"),
    ],
)
def test_a_target_refers_to_its_secrets(tmp_path: Path, line: str, place: str) -> None:
    file = tmp_path / "targets.yaml"
    file.write_text(f"prod:\n  kubernetes: {{context: c}}\n  {line}\n")
    with pytest.raises(SpecError) as refusal:
        read_targets(file)
    assert place in str(refusal.value)
    assert "CANARY" not in str(refusal.value)
