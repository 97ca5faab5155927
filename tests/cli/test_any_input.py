"""No input ends in a traceback: every command with everything that people and scripts type."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drillkit.cli import answer
from drillkit.cli.group import COMMANDS

NAMES = (
    "",
    ".",
    "/",
    "-",
    "nowhere",
    "no/where.yaml",
    "/proc/self/mem",
    "empty.yaml",
    "list.yaml",
    "binary.yaml",
    "odd.json",
    "folder",
    "x" * 300,
    "x/" * 3000,
    "a\nb",
    "ä" * 200,
    "🙂",
    "*",
    "~nobody/x.yaml",
    "${run.id}",
)
DURATIONS = ("", "0", "-1s", "soon", "1", "9" * 400 + "d", "99999999999d", "1e9s", "0.0000001ms")
SHAPES = {"action": "x", "list": [1, "a", None], "deep": {"a": {"b": [{}]}}, "null": None}


def commands() -> Iterator[list[str]]:
    for name in NAMES:
        for command in ("run", "plan", "show", "validate"):
            yield [command, name, "-t", "nowhere"] if command != "validate" else [command, name]
        yield ["report", name]
        yield ["abort", name]
        yield ["recover", name]
        yield ["settle", name, name, "--why", name]
        yield ["keep", name, name]
        yield ["kinds", name]
        yield ["docs", name]
        yield ["schema", name]
        yield ["due", "--out", name]
        yield ["notify", "list", name]
        yield ["notify", "test", name]
        yield ["history", "--out", name]
        yield ["history", "--since", name]
        yield ["history", "--quarter", name]
        yield ["compare", name, name]
        yield ["sign", name]
        yield ["verify", name]
        yield ["verify", name, "--key", name]
        yield ["review", name]
        yield ["controls", "--out", name]
        yield ["schedule", name, "--cron"]
        yield ["metrics", "--out", name]
        yield ["dashboards", name]
        yield ["schedule", "wait.yaml", "--kubernetes", "--image", name]
        yield ["export", name, "copy", "--redact", name]
        yield ["fleet", "run", name, "--targets", name, "--image", name, "--out", "s3://b"]
        yield ["fleet", "status", name]
        yield ["fleet", "accounts", name, "--targets", name]
        yield ["slo", "show", name]
        yield ["slo", "explain", name]
        if not name.startswith(("/", "~")):  # what can be written is written there
            yield ["export", name, name, "--redact", "usual", "--key", "env:NOT_SET"]
            yield ["export", "nowhere", "copy", "--redact", name, "--key", name]
            yield ["init", name]
            yield ["init", "--folder", name]
        yield ["sweep", "-t", name]
        yield ["advise", "-t", name]
        yield ["target", "check", name]
        yield ["target", "check", "nowhere", name]
        yield ["target", "add", name, "--context", name]
        yield ["target", "add", "new", "--kubeconfig", name, "--url", name]
        yield ["approve", name, "--by", name, "--key", name]
        yield ["approve", "list.yaml", "--by", name, "--key", "env:NOT_SET"]
        yield ["permissions", name, "-t", name]
        yield ["permissions", "wait.yaml", "-t", "sandboxx", "--to", name]
        yield ["permissions", "wait.yaml", "-t", name, "--verify"]
        yield ["canary", "status", name, "-t", name]
        yield ["gameday", name, "-t", "nowhere"]
        yield ["gameday", "wait.yaml", "-t", name]
        yield ["block", name, "why"]
        yield ["unblock", name]
        yield ["say", name]
        yield ["serve", name, "--address", "no:port"]
        yield ["actions", "--out", name]
        yield ["run", "wait.yaml", "-t", name]
        yield ["run", "wait.yaml", "-t", "sandboxx", "--out", name]
        yield ["show", "wait.yaml", "--set", name]
        yield ["show", "wait.yaml", "--set", f"a={name}"]
        yield ["show", "wait.yaml", "--var-file", name]
    for text in DURATIONS:
        yield ["recover", "--limit", text]
        yield ["approve", "odd.json", "--by", "x", "--key", "env:NOT_SET", "--expires", text]
        yield ["sweep", "--limit", text, "-t", "nowhere"]
        yield ["run", "wait.yaml", "-t", "nowhere", "--wait", text]
        yield ["watch", "api", "--for", text]
        yield ["history", "--since", text]
        yield ["validate", f"wait-{DURATIONS.index(text)}.yaml"]
    for number in ("nan", "inf", "-1", "1e400", "x", ""):
        yield ["watch", "api", "--burn", number]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("odd")
    (made / "drillkit.yaml").write_text("")
    (made / "folder").mkdir()
    (made / "empty.yaml").write_text("")
    (made / "list.yaml").write_text("- 1\n- {a: b}\n")
    (made / "binary.yaml").write_bytes(bytes(range(256)))
    (made / "odd.json").write_text("[" * 2000)
    (made / "wait.yaml").write_text(
        "drill: w\nvars: {a: 1}\nsteps: [{uses: wait, with: {for: 1s}}]\n"
    )
    for n, text in enumerate(DURATIONS):
        drill = f"drill: w\nlimit: '{text}'\nsettle: {text}\nsteps: [{{uses: wait, with: {{for: '{text}'}}}}]\n"  # noqa: E501
        (made / f"wait-{n}.yaml").write_text(drill)
    return made


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_written_elsewhere() -> Iterator[None]:
    """Names such as `/` are tried: none of them may leave a project there."""
    before = sorted(path.name for path in Path("/").iterdir())
    yield
    assert sorted(path.name for path in Path("/").iterdir()) == before


def code_of(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["drillkit", *arguments])
    return answer(arguments)


@pytest.mark.parametrize("arguments", list(commands()), ids=lambda a: " ".join(a)[:60])
def test_no_arguments_end_in_a_traceback(
    arguments: list[str],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DRILLKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    code = code_of(arguments, monkeypatch)
    said = capsys.readouterr()
    assert "Traceback" not in said.err, said.err
    assert "a bug of drillkit's own" not in said.err
    assert code in (0, 1, 2, 3, 4), said
    if code in (2, 4):
        assert said.err.strip() or said.out.strip(), "a refusal says why"


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from places(inner, (*path, i))


EXPERIMENT = {
    "title": "t",
    "description": "d",
    "configuration": {"a": 1, "b": {"type": "env", "key": "HOME"}},
    "secrets": {"s": {"a": {"type": "env", "key": "HOME"}}},
    "controls": [],
    "steady-state-hypothesis": {
        "title": "t",
        "probes": [
            {
                "type": "probe",
                "name": "p",
                "tolerance": 0,
                "provider": {"type": "process", "path": "true", "arguments": ["x"]},
            }
        ],
    },
    "method": [
        {
            "type": "action",
            "name": "a",
            "background": False,
            "pauses": {"after": 1},
            "provider": {
                "type": "python",
                "module": "drillkit.faults.pods",
                "func": "delete",
                "arguments": {"namespace": "n"},
            },
        },
        {"ref": "p"},
    ],
    "rollbacks": [{"type": "action", "name": "r", "provider": {"type": "http", "url": "http://x"}}],
}


def changed(value: object, path: tuple[object, ...], to: object) -> object:
    if not path:
        return to
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return copy


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("path", list(places(EXPERIMENT)), ids=lambda p: ".".join(map(str, p)))
def test_no_experiment_of_odd_shape_ends_in_a_traceback(
    shape: str,
    path: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    made = changed(EXPERIMENT, path, SHAPES[shape])
    (tmp_path / "e.json").write_text(json.dumps(made))
    for arguments in (["validate", "./e.json"], ["plan", "./e.json", "-t", "nowhere"]):
        code = code_of(arguments, monkeypatch)
        said = capsys.readouterr()
        assert "Traceback" not in said.err, said.err
        assert code in (0, 2)


def test_every_command_is_tried() -> None:
    tried = {arguments[0] for arguments in commands()}
    # Those that take nothing that could be wrong, and those with tests of their own.
    others = {"list", "version", "sandbox", "keygen"}
    assert set(COMMANDS) - tried <= others, set(COMMANDS) - tried
