"""No secret reaches journal, log or attachment; a rollback that needs one still gets it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from drillkit.clients.chaostoolkit.literals import (
    fill,
    resolved_values,
    secret_values,
    withheld,
    withhold,
)
from drillkit.clients.chaostoolkit.logs import LogFile
from drillkit.secrets import KNOWN, Redactor
from tests.chaostoolkit.conftest import Bench, python, shell

LITERAL, FROM_ENV, HEADER = "s3cr3t-literal/+=", "s3cr3t-from-env", "Bearer abcdefgh12345678"


def test_secrets_stay_out_of_everything_that_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_TOKEN", FROM_ENV)
    bench.module("""
        import logging, urllib.parse, base64
        def leak(secrets):
            everything = list(secrets.values())
            print(everything)
            logging.getLogger("chaostoolkit").error("with %s", everything)
            return [everything, urllib.parse.quote(everything[0]), base64.b64encode(everything[0].encode()).decode()]
        def fail(secrets):
            raise RuntimeError("cannot log in to https://user:hunter2222@host with " + secrets["literal"])
    """)  # noqa: E501
    back = bench.folder / "back"
    experiment = bench.experiment(
        configuration={"token": {"type": "env", "key": "BENCH_TOKEN"}},
        secrets={"login": {"literal": LITERAL, "from_env": {"type": "env", "key": "BENCH_TOKEN"}}},
        method=[
            python("leak", "leak", kind="probe", provider={"secrets": ["login"]}),
            python("fail", "fail", provider={"secrets": ["login"]}),
            shell("say", "echo ${literal} ${token}; echo ${literal} >&2; exit 1"),
            {
                "type": "probe",
                "name": "call",
                "provider": {
                    "type": "http",
                    "url": "http://127.0.0.1:1/x",
                    "headers": {"Authorization": HEADER},
                },
            },
        ],
        rollbacks=[shell("mend", f"echo ${{literal}} ${{from_env}} > {back}")],
    )
    assert bench.run(experiment) is not None
    assert bench.clean().open == ()
    assert back.read_text().split() == [LITERAL, FROM_ENV]
    written = bench.text()
    for value in (
        LITERAL,
        "s3cr3t-literal",
        FROM_ENV,
        "abcdefgh12345678",
        "hunter2222",
        "czNjcjN0LWxpdGVyYWw",
    ):
        assert value not in written, value
    assert "[secret]" in written


@pytest.mark.parametrize("then", ["killed", "went on"])
def test_a_log_holds_no_value_that_is_broken_over_lines_at_any_moment(
    tmp_path: Path, then: str
) -> None:
    KNOWN.learn([FROM_ENV])
    folded = base64.encodebytes(FROM_ENV.encode() * 9).decode().splitlines()
    log = LogFile(str(tmp_path / "log"))
    lines = ["before", *folded, "between é", FROM_ENV[:6], f"  {FROM_ENV[6:]}", "s3cr3t is no"]
    for line in lines:
        log.add(line.encode())
    if then == "went on":
        for number in range(500):
            log.add(f"line {number} of a log that goes on and says s3cr3t".encode())
    text = (tmp_path / "log").read_text()
    assert text.startswith("before\n")
    assert "between é\n[secret]\ns3cr3t is no\n" in text
    assert FROM_ENV not in text.replace("\n", "").replace(" ", "")
    assert base64.b64encode(FROM_ENV.encode()).decode()[4:-4] not in text.replace("\n", "")
    assert then == "killed" or text.endswith("line 499 of a log that goes on and says s3cr3t\n")


def test_a_file_that_was_changed_since_gives_no_secrets_to_rollbacks(bench: Bench) -> None:
    experiment = bench.experiment(
        secrets={"login": {"password": LITERAL}},
        method=[],
        rollbacks=[shell("mend", "echo ${password}")],
    )
    assert bench.run(experiment) is None
    experiment.path.write_text(experiment.path.read_text() + "\n")
    cleaned = bench.clean(limit_s=0.0)
    assert "as it was when the drill ran" in cleaned.failed[0].why


def test_secrets_that_no_rollback_needs_do_not_tie_it_to_the_file(bench: Bench) -> None:
    experiment = bench.experiment(
        secrets={"login": {"password": LITERAL}}, rollbacks=[shell("mend", "true")]
    )
    assert bench.run(experiment) is None
    experiment.path.unlink()
    assert bench.clean().open == ()


def test_a_document_is_the_same_again_once_its_literals_are_filled_in() -> None:
    document = {
        "secrets": {"a": {"user": "ann", "pin": {"type": "env", "key": "PIN"}}, "flat": "value"},
        "configuration": {"api_key": "0123456789", "given_token": "0123456789", "count": 3},
        "rollbacks": [
            {"provider": {"headers": {"Authorization": "Basic eHh4eHh4eHg="}, "secrets": ["a"]}}
        ],
    }
    safe = withhold(document, {"given_token"})
    assert withheld(safe)
    for value in ("ann", "value", "eHh4eHh4eHg="):
        assert value not in str(safe)
    assert safe["configuration"]["given_token"] == "0123456789"
    assert safe["rollbacks"][0]["provider"]["secrets"] == ["a"]
    assert fill(safe, document) == document


def test_a_place_that_is_no_longer_there_is_named() -> None:
    with pytest.raises(KeyError, match="secrets/a/user"):
        fill({"x": {"drillkit.from-file": ["secrets", "a", "user"]}}, {"secrets": {}})


def test_text_loses_secrets_in_every_guise() -> None:
    redactor = Redactor({"pass word/1", "line one\nline two", "abc"})
    text = redactor.text(
        "pass word/1 pass%20word%2F1 pass+word%2F1 cGFzcyB3b3JkLzE= line two abc https://u:p@h/"
    )
    assert text == "[secret] [secret] [secret] [secret] [secret] abc https://[secret]@h/"


def test_of_what_says_where_something_is_only_the_token_is_a_secret() -> None:
    given = {
        "webhook_url": {"type": "env", "key": "HOOK"},
        "KUBERNETES_CONTEXT": "production",
        "proxy_url": "http://me:pass-4711@proxy:3128",
    }
    found = {"T0001111", "pass-4711"}
    hook = "https://hooks.example.com/in/T0001111"
    assert secret_values({"secrets": {"a": given}}, {"HOOK": hook}) == found
    assert resolved_values({**given, "webhook_url": hook}) == found


def test_the_default_of_a_variable_is_a_secret_too() -> None:
    token = {"type": "env", "key": "NOT_SET", "default": "literal-4711"}
    document = {"secrets": {"a": {"token": token}}, "rollbacks": []}
    assert secret_values(document, {}) == {"literal-4711"}
    safe = withhold(document, set())
    assert "4711" not in str(safe)
    assert fill(safe, document) == document


def test_what_counts_as_a_secret() -> None:
    experiment = {
        "secrets": {
            "a": {
                "user": "ann",
                "pin": {"type": "env", "key": "PIN"},
                "v": {"type": "vault", "path": "x/y"},
            }
        },
        "configuration": {"db_password": {"type": "env", "key": "DB"}, "host": "db.example.com"},
        "method": [
            {
                "provider": {
                    "arguments": {"apiKey": "k-1234", "reference": "${token}", "token": "${token}"}
                }
            }
        ],
    }
    assert secret_values(experiment, {"PIN": "1234", "DB": "swordfish"}) == {
        "ann",
        "1234",
        "swordfish",
        "k-1234",
    }
