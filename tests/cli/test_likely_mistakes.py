"""What people get wrong in each sort of file ends with 2, the place, and no traceback."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CommandLine

SOUND = {
    "drills/d.yaml": (
        "drill: d\nowner: a@b.c\nlimit: 10m\nsteps:\n  - uses: wait\n    with: {for: 1s}\n"
    ),
    "drills/targets.yaml": "dev:\n  kubernetes:\n    context: dev\n  caps: {pods: 50%}\n",
    "drillkit.yaml": "target: dev\n",
    "drills/slos/s.yaml": (
        "apiVersion: openslo/v1\nkind: SLO\nmetadata:\n  name: api\nspec:\n  service: s\n"
        "  budgetingMethod: Occurrences\n  timeWindow: [{duration: 28d, isRolling: true}]\n"
        "  objectives: [{target: 0.99}]\n  indicator:\n    metadata: {name: i}\n    spec:\n"
        "      ratioMetric:\n        counter: true\n"
        "        bad: {metricSource: {type: Prometheus, spec: {query: e_total}}}\n"
        "        total: {metricSource: {type: Prometheus, spec: {query: r_total}}}\n"
    ),
    "experiments/e.yaml": (
        "title: t\ndescription: d\nmethod:\n  - type: action\n    name: a\n"
        "    provider: {type: process, path: 'true'}\n"
    ),
    "experiments/j.json": (
        '{"title": "t", "description": "d",\n "method": [{"type": "action", "name": "a",\n'
        ' "provider": {"type": "process", "path": "true"}}]}\n'
    ),
}
NAMED = ("drills/d.yaml", "experiments/e.yaml", "experiments/j.json")
"""Checked by their names; the others with the project."""

Change = Callable[[str], bytes]
FINE: dict[str, Change] = {
    "with a mark of its byte order": lambda t: b"\xef\xbb\xbf" + t.encode(),
    "with lines of Windows": lambda t: t.replace("\n", "\r\n").encode(),
}
WRONG: dict[str, Change] = {
    "a word": lambda t: b"hello\n",
    "a list": lambda t: b"- a\n- b\n",
    "in UTF-16": lambda t: t.encode("utf-16"),
    "in Latin-1": lambda t: t.encode() + b"# caf\xe9\n",
    "with a zero byte": lambda t: t.encode() + b"\x00",
    "with a bracket that never ends": lambda t: t.encode() + b"x: [a, b\n",
    "with a quote that never ends": lambda t: t.encode() + b"y: 'abc\n",
    "with a key that is there twice": lambda t: _twice(t),
    "with an alias of nothing": lambda t: t.encode() + b"b: *nope\n",
    "with a tag": lambda t: t.encode() + b"z: !!python/object/apply:os.system [ls]\n",
    "without an end": lambda t: b"[" * 3000,
    "with braces behind it": lambda t: t.encode() + b"}}",
    "with a list as a key": lambda t: t.encode() + b"? [a, b]\n: c\n",
    "with tabs": lambda t: re.sub(r"^  ", "\t", t + "q:\n  r: s\n", flags=re.M).encode(),
    "of aliases of aliases": lambda t: (
        "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else ['x'] * 9)}]\n"
            for n in range(12)
        )
        + t
    ).encode(),
}


def _twice(text: str) -> bytes:
    if text.startswith("{"):
        return text.replace('"title": "t"', '"title": "t", "title": "u"').encode()
    return (text.splitlines(keepends=True)[0] + text).encode()


def project(drillkit: CommandLine) -> Path:
    for name, text in SOUND.items():
        path = drillkit.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return drillkit.folder


@pytest.mark.parametrize("name", SOUND)
def test_a_file_that_is_written_wrong_is_told_with_its_place(
    drillkit: CommandLine, name: str
) -> None:
    path = project(drillkit) / name
    command = ("validate", name) if name in NAMED else ("validate",)
    for what, change in FINE.items():
        path.write_bytes(change(SOUND[name]))
        ran = drillkit(*command)
        assert ran.code == 0, (what, ran.said)
    for what, change in WRONG.items():
        path.write_bytes(change(SOUND[name]))
        ran = drillkit(*command)
        assert ran.code == 2, (what, ran.said)
        assert re.search(rf"{re.escape(path.name)}:\d+:\d+: ", ran.said), (what, ran.said)
        assert "Traceback" not in ran.said, what


@pytest.mark.parametrize("name", [name for name in SOUND if name not in NAMED])
def test_what_is_no_file_in_its_place_is_told_and_nothing_else_is_taken_for_it(
    drillkit: CommandLine, name: str
) -> None:
    path = project(drillkit) / name
    ways: dict[str, Callable[[], object]] = {
        "a folder": path.mkdir,
        "a link to nowhere, which leads nowhere": lambda: path.symlink_to("nowhere"),
        "what cannot be read": lambda: path.symlink_to(path.name),
        "a pipe or a device": lambda: os.mkfifo(path),
    }
    for what, make in ways.items():
        path.unlink()
        make()
        ran = drillkit("plan", "d", "-t", "dev") if name != "drills/slos/s.yaml" else None
        for each in filter(None, (ran, drillkit("validate"))):
            assert each.code == 2, (what, each.said)
            assert f"{path.name}:1:1: expected a file, found {what}" in each.said, each.said
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
            path.touch()


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("method:", "rollback: []\nmethod:", "rollbacks"),
        ("method:", "steady_state_hypothesis: {}\nmethod:", "steady-state-hypothesis"),
        ("method:", "configurations: {}\nmethod:", "configuration"),
        ("name: a", "name: a\n    pause: {after: 1}", "pauses"),
        ("name: a", "name: a\n    backgroud: true", "background"),
        ("path: 'true'", "path: 'true', argument: x", "arguments"),
    ],
)
def test_a_slip_in_a_key_of_an_experiment_is_no_key_that_is_ignored(
    drillkit: CommandLine, old: str, new: str, meant: str
) -> None:
    path = project(drillkit) / "experiments" / "e.yaml"
    path.write_text(SOUND["experiments/e.yaml"].replace(old, new))
    ran = drillkit("validate", "experiments/e.yaml")
    assert ran.code == 2, ran.said
    assert f"did you mean `{meant}`?" in ran.said
    assert re.search(r"e\.yaml:\d+:\d+: ", ran.said)


def test_keys_of_others_in_an_experiment_are_left_alone(drillkit: CommandLine) -> None:
    path = project(drillkit) / "experiments" / "e.yaml"
    path.write_text("x-team: shop\nannotations: {}\n" + SOUND["experiments/e.yaml"])
    assert drillkit("validate", "experiments/e.yaml").code == 0


def test_two_slos_of_one_name_in_one_folder_are_told(drillkit: CommandLine) -> None:
    folder = project(drillkit) / "drills" / "slos"
    (folder / "t.yaml").write_text(SOUND["drills/slos/s.yaml"])
    ran = drillkit("validate")
    assert ran.code == 2, ran.said
    assert "t.yaml:4:9: metadata.name: `api` is the name of the SLO at" in ran.said
