"""What is hidden, in which forms, and what is left alone."""

from __future__ import annotations

import base64
import gzip
import html
import json
import quopri
import re
import shlex
import time
import zlib
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drillkit.secrets import HIDDEN, Redactor, is_secret_name

SECRET = "CANARY31\"q\\x'é\n/+="


def in_base64(value: str | bytes) -> str:
    raw = value.encode() if isinstance(value, str) else value
    return base64.b64encode(raw).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda value: repr(value.encode()),
    "repr of a list in a repr": lambda value: repr(repr([value])),
    "json": json.dumps,
    "json, not ascii": lambda value: json.dumps(value, ensure_ascii=False),
    "json in json": lambda value: json.dumps(json.dumps(value)),
    "html": html.escape,
    "html, quotes left": lambda value: html.escape(value, quote=False),
    "html, all named": lambda value: html.escape(value).replace("&#x27;", "&apos;"),
    "xml in ascii": lambda value: html.escape(value).encode("ascii", "xmlcharrefreplace").decode(),
    "java": lambda value: json.dumps(value).replace("\\u00e9", "\\u00E9"),
    "yaml": lambda value: yaml.safe_dump(value, default_style='"', width=1000),
    "a shell's words": shlex.quote,
    "set -x": lambda value: "'" + value.replace("'", "'\\''") + "'",
    "hex": lambda value: value.encode().hex(),
    "url in url": lambda value: quote(quote(value, safe="")),
    "url": quote,
    "url, slashes too": lambda value: quote(value, safe=""),
    "form": quote_plus,
    "encodeURIComponent": lambda value: quote(value, safe="!'()*~"),
    "a part of a path": lambda value: quote(value, safe="$&+=:@"),
    "every byte of a url": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "url, mixed": lambda value: quote(value, safe="").replace("%2B", "%2b"),
    "json in a url": lambda value: quote(json.dumps(value)),
    "json, slashes too": lambda value: json.dumps(value).replace("/", "\\/"),
    "sql and yaml": lambda value: value.replace("'", "''"),
    "csv": lambda value: value.replace('"', '""'),
    "yaml, folded": lambda value: value.replace("\n", "\n\n    "),
    "indented": lambda value: value.replace("\n", "\n    "),
    "another system's lines": lambda value: value.replace("\n", "\r\n"),
    "markdown": lambda value: re.sub(r"([^\w\s])", r"\\\1", value),
    "html, by number": lambda value: re.sub(r"\W", lambda m: f"&#{ord(m[0])};", value),
    "html, by hex": lambda value: re.sub(r"\W", lambda m: f"&#x{ord(m[0]):X};", value),
    "html in html": lambda value: html.escape(html.escape(value)),
    "octal": lambda value: value.replace("\u00e9", "\\303\\251"),
    "read as latin-1": lambda value: value.encode().decode("latin-1"),
    "what ascii lacks": lambda value: value.encode("ascii", "replace").decode(),
    "quoted-printable": lambda value: quopri.encodestring(value.encode()).decode(),
    "a shell's words in json": lambda value: json.dumps(shlex.quote(value)),
    "set -x in json": lambda value: json.dumps("'" + value.replace("'", "'\\''") + "'"),
    "json in json in json": lambda value: json.dumps(json.dumps(json.dumps(value)))[4:-4],
    "every letter by number": lambda value: "".join(f"&#{ord(letter)};" for letter in value),
    "every byte escaped": lambda value: "".join(f"\\x{byte:02x}" for byte in value.encode()),
    "every letter escaped": lambda value: "".join(f"\\u{ord(letter):04x}" for letter in value),
    "some letters escaped": lambda value: value.replace("A", "\\x41").replace("C", "%43"),
    "hex, in pairs": lambda value: value.encode().hex(" "),
    "a dump of bytes": lambda value: value.encode().hex(" ", -8).replace(" ", "  "),
    "a fingerprint": lambda value: value.encode().hex(":").upper(),
    "an array in C": lambda value: ", ".join(f"0x{byte:02x}" for byte in value.encode()),
    "an array in Go": lambda value: str(list(value.encode())).replace(",", "")[1:-1],
    "an array in JavaScript": lambda value: str(list(value.encode()))[1:-1],
    "coloured": lambda value: f"{value[:5]}\x1b[01;31m\x1b[K{value[5:7]}\x1b[m\x1b[K{value[7:]}",
    "utf-16 as it comes": lambda value: value.encode("utf-16-le").decode("latin-1"),
    "base64 in base64": lambda value: in_base64(in_base64(value)),
    "a login in base64 in base64": lambda value: in_base64(in_base64(f"user:{value}")),
    "base64 in base64 in base64": lambda value: in_base64(in_base64(in_base64(value))),
    "base64 without its padding": lambda value: in_base64(value).rstrip("="),
    "utf-16 in base64": lambda value: in_base64(value.encode("utf-16-le")),
    "hex in base64": lambda value: in_base64(value.encode().hex()),
    "gzip in base64": lambda value: in_base64(gzip.compress(value.encode())),
    "zlib in base64": lambda value: in_base64(zlib.compress(value.encode())),
    "a release of helm": lambda value: in_base64(in_base64(gzip.compress(value.encode()))),
    "hex in capitals": lambda value: value.encode().hex().upper(),
    "capitals": str.upper,
    "small letters": str.lower,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "basic": lambda value: base64.b64encode(b"user:" + value.encode()).decode(),
    "basic, second alignment": lambda value: base64.b64encode(b"ab:" + value.encode()).decode(),
    "basic, third alignment": lambda value: base64.b64encode(b"a:" + value.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_known_value_is_hidden_in_every_form(form: str) -> None:
    shown = FORMS[form](SECRET)
    hidden = Redactor([SECRET]).text(f"before {shown} after")
    assert HIDDEN in hidden
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    # Of base64, the characters at the ends also hold bits of the neighbours: 3 bytes at most.
    assert len(hidden) < len("before  after") + len(HIDDEN) + 12


LONG = f"tok_{bytes(range(90)).hex()}"
FOLDED: dict[str, str] = {
    "base64": base64.encodebytes(LONG.encode()).decode().strip(),
    "base64 of a login": base64.encodebytes(f"user:{LONG}".encode()).decode().strip(),
    "base64 in json": json.dumps(base64.encodebytes(LONG.encode()).decode().strip())[1:-1],
    "as it is": "\n  ".join(LONG[i : i + 64] for i in range(0, len(LONG), 64)),
}


@pytest.mark.parametrize("form", FOLDED)
def test_a_value_whose_lines_were_folded_is_hidden(form: str) -> None:
    line = "an ordinary line that is long enough for somebody to fold it"
    hidden = Redactor([LONG]).text(f"{line}\nbefore {FOLDED[form]} after\n{line}")
    assert hidden == f"{line}\nbefore {HIDDEN} after\n{line}"


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("Bearer abc-123-def", "abc-123-def"),
        ("Basic dXNlcjpodW50ZXIyMg==", "hunter22"),
        ("https://hooks.example.com/services/T0001111/B0002222/XyZ", "B0002222"),
        ("https://hc.example.com/f3b0c442-98fc-1c14", "f3b0c442-98fc-1c14"),
        ("https://h/x?key=abcdefgh&page=2", "abcdefgh"),
        ("postgres://shop:hunt%40er22@db/x", "hunt@er22"),
        ("https://0123456789abcdef@h/7", "0123456789abcdef"),
        ("host=db user=shop password='hunter 22'", "hunter 22"),
        ("Server=db;Password=hunter22;", "hunter22"),
        ('{"username": "shop", "password": "hunter22"}', "hunter22"),
        ("shop:hunter22", "hunter22"),
    ],
)
def test_a_part_that_is_a_secret_by_itself_is_hidden_too(value: str, part: str) -> None:
    assert Redactor([value]).text(f"who is {part}?") == f"who is {HIDDEN}?"


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("https://hooks.example.com/services/T1/B2/XyZ", "services"),
        ("https://hooks.example.com/v1/X", "hooks.example.com"),
        ("postgres://shop:hunter22@db.example.com/shop_2026_of_all", "shop_2026_of_all"),
        ("Bearer of good news", "of good news"),
        ("{not json", "not json"),
    ],
)
def test_what_is_no_secret_of_a_secret_is_shown(value: str, word: str) -> None:
    assert Redactor([value]).text(f"the {word}") == f"the {word}"


def test_a_file_that_is_no_text_loses_it_too() -> None:
    content = b"\xff before " + SECRET.encode() + b" after"
    assert Redactor([SECRET]).content(content) == f"\xff before {HIDDEN} after".encode("latin-1")
    packed = gzip.compress(content)
    assert Redactor([SECRET]).content(packed) == HIDDEN.encode()
    assert Redactor(["hunter2hunter2"]).content(packed) == packed


@pytest.mark.parametrize(
    ("wrapped", "left"),
    [
        (lambda value: in_base64(json.dumps({"a": value})), "eyJhIjogI"),
        (lambda value: in_base64(gzip.compress(b"much before " * 9 + value.encode())), ""),
        (lambda value: f"blob\n{in_base64(gzip.compress(value.encode()))}", ""),
        (lambda value: f"{value[:7]}\n{value[7:]}", ""),
        (lambda value: f"{value[:7]}\r\n    {value[7:]}", ""),
        (lambda value: json.dumps(f"{value[:7]}\n{value[7:]}"), '""'),
        (lambda value: f"{value[:3]}\x1b[31m{value[3:]}\x1b[0m", "\x1b[0m"),
    ],
    ids=[
        "json",
        "among others",
        "behind a line",
        "two lines",
        "indented",
        "lines in json",
        "colours",
    ],
)
@pytest.mark.parametrize("value", ["canary-31-of-all", "CANARY31wX"], ids=["signs", "letters"])
def test_a_value_that_is_broken_or_packed_with_other_text_is_hidden(
    wrapped: Callable[[str], str], left: str, value: str
) -> None:
    hidden = Redactor([value]).text(f"before {wrapped(value)} after")
    assert HIDDEN in hidden
    assert len(hidden) < len("before  after") + len(HIDDEN) + len(left) + 8


@pytest.mark.parametrize("value", ["q7Zx", "hU7x9", "a.b*c", "p$s^(w"])
def test_a_short_value_is_hidden_in_what_is_encoded_too(value: str) -> None:
    for text in (
        in_base64(f"user:{value}"),
        in_base64(in_base64(value)),
        in_base64(json.dumps({"pin": value})),
        in_base64(value).rstrip("="),
        value.encode().hex(" "),
        quote(quote(value)),
        repr(value),
        html.escape(value),
    ):
        hidden = Redactor([value]).text(f"before {text} after")
        assert HIDDEN in hidden, text
        assert text not in hidden


def test_of_a_value_and_one_that_begins_like_it_nothing_is_left() -> None:
    values = ["canary-12", "canary-12-and-more", "canary-12-and-more.still", "more.still+9"]
    redactor = Redactor(values)
    for value in values:
        for form in (str, json.dumps, in_base64, lambda text: in_base64(in_base64(text))):
            hidden = redactor.text(f"<{form(value)}>")
            assert hidden.strip('<>"') == HIDDEN, (value, hidden)


def test_what_a_reference_led_to_before_is_still_hidden() -> None:
    redactor = Redactor(["the-old-one-1"])
    redactor.learn(["the-new-one-2"])
    assert redactor.text("the-old-one-1 the-new-one-2") == f"{HIDDEN} {HIDDEN}"


def test_a_secret_that_is_the_word_secret_is_hidden_once() -> None:
    redactor = Redactor(["secret"])
    assert redactor.text(redactor.text("the secret")) == f"the {HIDDEN}"


def test_words_and_numbers_that_only_look_encoded_are_left_alone() -> None:
    redactor = Redactor(["hunter2hunter2", "q7Zx", "\"x'y\\z"])
    for text in (
        "6f1c2a9e-7f5d-4a55-9f0e-0123456789ab sha256:" + "ab12" * 16,
        "/usr/lib/python3/dist-packages/a_module_name.py: 12, 13, 14, 15, 16",
        "C:\\new\\x41 100%25 %20 &#65; \\u0041",
        in_base64(gzip.compress(b"nothing of it" * 20)),
        "2026-11-29T13:29:26 12:34:56:78:9a:bc 10 20 30 40 50",
    ):
        assert redactor.text(text) == text


@pytest.mark.parametrize("size", [3_000, 20_000])
def test_a_value_of_many_lines_is_hidden_in_time(size: int) -> None:
    lines = [f'  "name{n}": "value-{n * 7919}/\'of\' it",' for n in range(size // 35)]
    value = "\n".join(["{", *lines, "}"])
    began = time.process_time()
    hidden = Redactor([value]).text(f"before {value} after {lines[7]} {json.dumps(lines[8])}")
    assert "value-" not in hidden
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    "text", ["\\" * 300_000, "%25" * 100_000, "\\x41" * 70_000, "Aa1/" * 80_000, "12 " * 100_000]
)
def test_text_without_end_is_looked_through_in_time(text: str) -> None:
    began = time.process_time()
    Redactor(["hunter2hunter2", "q7Zx"]).text(text)
    assert time.process_time() - began < 5


LEFT_ALONE = {HIDDEN, "localhost"}
"""What stands for what was hidden, and a word that is no secret."""


@given(
    value=st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=40).filter(
        lambda text: 8 <= len(text.strip()) == len(text) and text.lower() not in LEFT_ALONE
    ),
    form=st.sampled_from([name for name in FORMS if "base64" not in name and "basic" not in name]),
)
def test_whatever_the_secret_is_no_form_of_it_stays(value: str, form: str) -> None:
    shown = FORMS[form](value)
    assert value not in Redactor([value]).text(f"<{shown}>")


@pytest.mark.parametrize(
    ("text", "gone", "kept"),
    [
        ("Authorization: Bearer abc.def", "abc.def", "Authorization: "),
        ("b'Authorization: Basic x1\\n'", "x1", "Authorization"),
        ("-H 'X-Vault-Token: xyzzy' -v", "xyzzy", "' -v"),
        ("PRIVATE-TOKEN: xyzzy", "xyzzy", "PRIVATE-TOKEN: "),
        ("PGPASSWORD=xyzzy psql", "xyzzy", " psql"),
        ("curl -s -u me:xyzzy http://h", "xyzzy", "me:"),
        ("Cookie: a=1; session=xyzzy", "xyzzy", "Cookie: "),
        ("postgres://shop:hunter2@db/x", "hunter2", "@db/x"),
        ("https://h/x?access_token=abc&page=2", "abc", "&page=2"),
        ("https://h/x?page=2&X-Amz-Signature=abc", "abc", "page=2&"),
        ("with bearer A1b2c3d4e5", "A1b2c3d4e5", "with bearer "),
        ("eyJhbGciOiJ9.eyJzdWIiOiJ9.c2ln here", "eyJzdWIi", " here"),
        ("AKIAIOSFODNN7EXAMPLE here", "IOSFODNN", " here"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- x", "MII", " x"),
    ],
)
def test_what_can_only_be_a_credential_is_hidden_without_being_known(
    text: str, gone: str, kept: str
) -> None:
    hidden = Redactor().text(text)
    assert gone not in hidden
    assert kept in hidden


@pytest.mark.parametrize(
    "text",
    [
        "prometheus.bearer: expected one line of printable ASCII, found something else",
        "put it into `headers`, as `Authorization: env:NAME`",
        "Basic authentication is off; bearer tokens are needed",
        "https://h/x?page=2&token=${target.values.t}",
        '{"url":"http://a","owner":"sre@example.com"}',
        "secret/shop/web is missing; token: expired",
        "ssh://git@host/x",
        "secret/shop/web-token: expected `key`; x-team: shop; SECRET_NAME=web TOKEN=$X MODE=fast",
        "curl -u me:$PW http://h; curl http://u:8080",
        '"passedRuns": 1, "passed": 7, "passive_checks": 3',
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert Redactor().text(text) == text


def test_a_short_value_is_hidden_where_it_stands_for_itself() -> None:
    redactor = Redactor(["shop", "abc", "true"])
    assert redactor.text("shop workshop abc true") == f"{HIDDEN} workshop abc true"


def test_data_loses_what_stands_under_secrets_names_and_keeps_references() -> None:
    found = Redactor(["hunter2hunter2"]).data(
        {
            "configuration": {"api_password": "hunter3", "count": 2, "token": "env:TOKEN"},
            "env": [{"name": "DB_PASSWORD", "value": "hunter4"}, {"name": "A", "value": "b"}],
            "run": ("curl", "--token", "hunter5", "--password=hunter6", "-v", "hunter2hunter2"),
            "secretName": "web-tls",
            "secret/shop/web": "same",
            "hunter2hunter2": 1,
            "headers": {"Authorization": "${vars.x}", "Cookie": "a=hunter7"},
        }
    )
    assert found == {
        "configuration": {"api_password": HIDDEN, "count": 2, "token": "env:TOKEN"},
        "env": [{"name": "DB_PASSWORD", "value": HIDDEN}, {"name": "A", "value": "b"}],
        "run": ["curl", "--token", HIDDEN, f"--password={HIDDEN}", "-v", HIDDEN],
        "secretName": "web-tls",
        "secret/shop/web": "same",
        HIDDEN: 1,
        "headers": {"Authorization": "${vars.x}", "Cookie": HIDDEN},
    }


def test_what_was_hidden_once_is_not_hidden_again() -> None:
    redactor = Redactor(["hunter2hunter2"])
    for text in ("Authorization: Bearer abc1", "password=hunter9 token: x", '{"apiKey": "k"}'):
        once = redactor.foreign(text)
        assert redactor.foreign(once) == once


def test_json_stays_json() -> None:
    document = {
        "apiKey": "k1",
        "token": 12345,
        "automountServiceAccountToken": True,
        "tokenExpirationSeconds": 3607,
        "secrets": [{"secretName": "web-tls", "password": None}],
        "credentials": {"password": "hunter3"},
    }
    found = json.loads(Redactor().foreign(json.dumps(document, indent=1)))
    assert found == {
        **document,
        "apiKey": HIDDEN,
        "token": HIDDEN,
        "credentials": {"password": HIDDEN},
    }


def test_a_megabyte_without_spaces_is_looked_through_in_time() -> None:
    Redactor(["hunter2hunter2"]).foreign("x" * 1_000_000)


@pytest.mark.parametrize(
    "name", ["password", "DB_PASS", "apiKey", "X-Api-Key", "Set-Cookie", "auth"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("secretName", "tokenFile", "secret/a/b", "author", "passenger", "password_file", "key"),
        *("PWD", "OLDPWD"),
    ],
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


def test_the_folders_of_a_shell_are_shown_and_what_only_ends_like_them_is_not() -> None:
    text = "PWD=/srv/shop\nOLDPWD=/home/shop\nDB_PWD=hunter2hunter2\n--pwd hunter3hunter3\n"
    assert Redactor().foreign(text) == (
        f"PWD=/srv/shop\nOLDPWD=/home/shop\nDB_PWD={HIDDEN}\n--pwd {HIDDEN}\n"
    )
