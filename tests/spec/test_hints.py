"""Every hint that a message gives is followed, and what it was about is right then."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from drillkit.model.errors import Mistake, SpecError
from drillkit.spec import find_roots, parse, source_of
from drillkit.spec.files import find
from drillkit.spec.hints import split_command
from drillkit.spec.targets import read_targets

GOOD: dict[str, Any] = {
    "drill": "d",
    "description": "x",
    "owner": "me",
    "cadence": "monthly",
    "window": {"hours": "02:00-05:00", "timezone": "Europe/Berlin", "days": ["mon"]},
    "limit": "1h",
    "cleanup_limit": "5m",
    "settle": "1m",
    "vars": {"a": 1},
    "probes": {
        "web": {
            "http": "http://h/",
            "rate": "20/s",
            "timeout": "2s",
            "slow": "1s",
            "expect": "2xx",
            "control": False,
        },
        "tcp": {"tcp": "h:80", "rate": "5/s"},
    },
    "hypothesis": {
        "before": {"web": {"bad": "1 of 20"}, "within": "2m"},
        "during": {"web": {"bad": 9, "longest_gap": "5s", "p95": "1s"}},
        "after": {"web": {"bad": "1 of 20", "confidence": "95%", "within": "2m"}},
    },
    "guards": {
        "start": [{"freeze": "2026-12-20..2026-12-21"}, {"alerts": 'severity="critical"'}],
        "abort": [{"probe": "web", "bad": 9}, {"probe": "web", "longest_gap": "9s"}],
    },
    "steps": [
        {
            "name": "one",
            "uses": "command",
            "with": {"run": ["echo", "hi"], "undo": ["true"], "env": {"A": "b"}},
            "limit": "5m",
            "on_failure": "continue",
            "objectives": {"rto": "1m"},
            "checks": [{"command": ["true"], "expect": "== 0", "within": "1m"}],
        },
        {
            "name": "both",
            "parallel": [
                {"name": "two", "uses": "wait", "with": {"for": "1s"}},
                {
                    "uses": "chaostoolkit",
                    "with": {
                        "experiment": "pod-delete",
                        "configuration": {"namespace": "shop", "selector": "app=web"},
                    },
                },
            ],
        },
        {
            "name": "copy",
            "uses": "velero.restore",
            "with": {"schedule": "s", "namespaces": {"shop": "dr-${run.id}"}},
        },
    ],
}
WRONG: tuple[Any, ...] = (
    "echo hi",
    "echo one | tee x",
    "echo one\necho two\n",
    "it's",
    "10",
    7,
    -1,
    0.5,
    True,
    [],
    ["x"],
    {},
    {"x": 1},
    "monn",
    "9 of",
    "${nothing}",
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from places(inner, (*path, i))


def changed(path: tuple[Any, ...], to: Any) -> Any:
    copy = json.loads(json.dumps(GOOD))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return copy


def misspelt(path: tuple[Any, ...]) -> Any:
    """The good drill with a key, or a name, that has one letter too many."""
    copy = json.loads(json.dumps(GOOD))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if isinstance(path[-1], str):
        copied = {(f"{key}x" if key == path[-1] else key): value for key, value in inner.items()}
        inner.clear()
        inner.update(copied)
    return copy


def mistakes(text: str, folder: Path) -> list[Mistake]:
    (folder / "d.yaml").write_text(text)
    roots = find_roots(folder)
    try:
        parse(source_of(find(str(folder / "d.yaml"), roots), roots)).resolve()
    except SpecError as error:
        return list(error.mistakes)
    return []


def hints(what: str) -> Iterator[str]:
    """What a message tells to write in the place that it names."""
    yield from re.findall(r"; write `([^`]*)`", what)
    yield from re.findall(r"; did you mean `([^`]*)`\?", what)
    if found := re.search(
        r"^expected (?:a|an|the|hours|such)\b[^,;]* such as `?([^`,]+?)`?(?:,| or )", what
    ):
        yield found[1]


def followed(document: Any, mistake: Mistake, hint: str) -> Any:
    """The document with a hint written where the mistake is: in place of a key, or of a value."""
    copy = json.loads(json.dumps(document))
    path: list[Any] = [
        int(index) if index else key
        for key, index in re.findall(r"([^.\[\]]+)(?=[.\[]|$)|\[(\d+)\]", mistake.path)
    ]
    if found := re.search(r"unknown key '([^']*)'", mistake.what):
        path.append(found[1])
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if f"'{path[-1]}'" in mistake.what and "did you mean" in mistake.what:
        value = inner.pop(path[-1])
        inner[hint] = value
    else:
        inner[path[-1]] = yaml.safe_load(hint) if hint.startswith("[") else hint
    return copy


@pytest.mark.parametrize("path", list(places(GOOD)), ids=lambda p: ".".join(map(str, p)))
def test_every_hint_is_right_when_followed(path: tuple[Any, ...], tmp_path: Path) -> None:
    (tmp_path / "drillkit.yaml").touch()
    for document in (*(changed(path, wrong) for wrong in WRONG), misspelt(path)):
        for mistake in mistakes(json.dumps(document, indent=1), tmp_path):
            for hint in hints(mistake.what):
                mended = followed(document, mistake, hint)
                again = mistakes(json.dumps(mended, indent=1), tmp_path)
                assert (mistake.path, mistake.what) not in [(m.path, m.what) for m in again]
                left = [found.what for found in again]
                assert not [what for what in left if f"found '{hint}'" in what], (hint, left)


def test_the_drill_that_is_spoilt_is_good(tmp_path: Path) -> None:
    (tmp_path / "drillkit.yaml").touch()
    assert mistakes(json.dumps(GOOD, indent=1), tmp_path) == []


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("run: echo hi", "[echo, hi]"),
        ("run: \"grep -c 'a b' file\"", "[grep, -c, a b, file]"),
        ('run: "a | b"', "[sh, -c, a | b]"),
        ("run: |\n    echo one\n    echo two", None),
    ],
)
def test_a_command_in_one_line_becomes_the_words_that_start_it(
    written: str, hint: str | None, tmp_path: Path
) -> None:
    (tmp_path / "drillkit.yaml").touch()
    (found,) = mistakes(f"drill: d\nsteps:\n- uses: command\n  with:\n   {written}\n", tmp_path)
    (given,) = re.findall(r"; write `([^`]*)`", found.what)
    if hint is not None:
        assert given == hint
    assert yaml.safe_load(given)[0] in ("echo", "grep", "sh")


def test_a_line_for_a_shell_is_given_to_one() -> None:
    assert split_command("echo 'a") == ["sh", "-c", "echo 'a"]
    assert split_command("") == ["sh", "-c", ""]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "drillkit.yaml").touch()
    text = (
        "drill: d\nownr: me\nlimit: soon\nprobes: "
        "{web: {http: nowhere, rate: 1/s}, x: {rat: 1/s}}\n"
        "hypothesis: {during: {wbe: {bad: 1}, x: {bad: 1}}, before: {web: {bad: many}}}\n"
        "guards: {start: [{alert: x}], abort: [{probe: wep, bad: 2}]}\n"
        "steps: [{uses: wiat}, {uses: command, with: {run: [a]}, objectives: {rpo: 1h}}, 5]\n"
    )
    whole = "\n".join(map(str, mistakes(text, tmp_path)))
    for told in (
        "unknown key 'ownr'",
        "expected a duration such as",
        "expected a URL such as http://host/health",
        "no probe or SLO is called 'wbe'",
        "expected a count such as `2 of 200`",
        "unknown key 'rat'",
        "unknown key 'alert'",
        "no probe is called 'wep'",
        "no kind of step is called 'wiat'",
        "an RPO is read from the data",
        "steps[2]: expected ",
    ):
        assert told in whole, whole
    assert "'x'" not in whole.replace("key 'x'", ""), (
        "a probe that is wrong is a probe all the same"
    )


def test_all_mistakes_of_targets_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "targets.yaml").write_text(
        "a: {kubernetes: {contxt: x}}\nb: {aws: {account: '1', region: r}}\n"
        "c: {protected: true, kubernetes: {}}\n"
    )
    with pytest.raises(SpecError) as caught:
        read_targets(tmp_path / "targets.yaml")
    for told in ("unknown key 'contxt'", "an account id of 12 digits", "needs `cluster_uid`"):
        assert told in str(caught.value)


EMPTY = """
drill: d
probes:
hypothesis:
  during:
guards:
  start:
  abort:
vars:
slos:
steps:
- uses: command
  with: {run: [echo], undo: [echo]}
  objectives:
  checks:
"""


def test_what_is_left_empty_is_an_empty_list_or_mapping(tmp_path: Path) -> None:
    (tmp_path / "drillkit.yaml").touch()
    assert mistakes(EMPTY, tmp_path) == []
    (found,) = mistakes("drill: d\nsteps:\n", tmp_path)
    assert "found nothing" in found.what
