"""A canary in every place where a secret can stand, in a run of the real command line: no byte of
what the run leaves or says holds one, nor do the processes that have no business with it.
"""

from __future__ import annotations

import base64
import contextlib
import html
import json
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
import trustme
import yaml

from drillkit.journal.request_socket import ask
from drillkit.model.evidence import Note
from drillkit.model.requests import AddNote
from tests.bucket import BucketServer, _bucket_server, bucket  # noqa: F401
from tests.conftest import CommandLine, Sandbox
from tests.gameday.test_actions import noted
from tests.secrets.conftest import Echo

pytestmark = pytest.mark.slow

QUOTED = "\"q\\x'\u00e9"
"""Letters that programs escape, each in its own way."""


def forms(value: str) -> set[bytes]:
    """How a value may show. Of base64, the middle: its ends hold bits of what stands beside it."""
    texts = {
        value,
        repr(value)[1:-1],
        ascii(value)[1:-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(value)[1:-1])[1:-1],
        html.escape(value),
        quote(value),
        quote(value, safe=""),
    }
    for before in ("", "x", "xx"):
        once = base64.b64encode((before + value).encode())
        texts |= {once.decode()[4:-4], base64.b64encode(once).decode()[4:-4]}
    texts |= {value.encode().hex(), value.encode().hex(" ")}
    return {text.encode() for text in texts}


@dataclass
class Looked:
    """The arguments and environments of the processes below one, by process id."""

    arguments: dict[int, bytes] = field(default_factory=dict)
    environments: dict[int, dict[bytes, bytes]] = field(default_factory=dict)

    def look(self, pid: int) -> None:
        with contextlib.suppress(OSError, psutil.Error):
            ours = Path(f"/proc/{pid}/cmdline").read_bytes()
            for process in psutil.Process(pid).children(recursive=True):
                with contextlib.suppress(OSError):
                    place = Path(f"/proc/{process.pid}")
                    arguments = (place / "cmdline").read_bytes()
                    environment = (place / "environ").read_bytes()
                    if arguments == ours:
                        continue  # It is still us, until it has become what it is to be.
                    # It may have become another program since: each is kept.
                    self.arguments[process.pid] = (
                        self.arguments.get(process.pid, b"") + b"\n" + arguments
                    )
                    found = self.environments.setdefault(process.pid, {})
                    found.update(p.partition(b"=")[::2] for p in environment.split(b"\0"))

    def holders(self, canary: str) -> dict[str, str]:
        """Names of variables that hold it, by what runs there."""
        return {
            name.decode(): self.arguments[pid].decode(errors="replace")
            for pid, variables in self.environments.items()
            for name, value in variables.items()
            if canary.encode() in value
        }


def run_watched(
    drillkit: CommandLine, *arguments: str, env: Mapping[str, str]
) -> tuple[int, bytes, Looked]:
    """Exit code, all that the terminal saw, and what was seen in /proc meanwhile."""
    out = drillkit.folder / "terminal"
    (drillkit.folder / "temporary").mkdir(exist_ok=True)
    env = {**env, "TMPDIR": str(drillkit.folder / "temporary"), "XDG_RUNTIME_DIR": ""}
    looked = Looked()
    with out.open("wb") as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "drillkit", *arguments],
            cwd=drillkit.folder,
            env=drillkit.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                looked.look(process.pid)
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()
    said = out.read_bytes()
    out.unlink()
    return process.returncode, said, looked


def leaks(
    drillkit: CommandLine,
    said: bytes,
    looked: Looked,
    canaries: Mapping[str, str],
    argued: Collection[str] = (),
) -> list[str]:
    """Where a canary stands that must stand nowhere. `argued`: those that an experiment itself
    makes arguments of its program.
    """
    places = {"the terminal": said}
    for root in (drillkit.folder / "reports", drillkit.folder / "temporary", drillkit.home):
        for path in root.rglob("*"):
            # The sandbox keeps its own state there: it is another system, with its own secrets.
            if path.is_file() and "sandbox" not in path.relative_to(root).parts[:1]:
                places[str(path.relative_to(drillkit.folder))] = path.read_bytes()
    assert any(name.endswith("journal.jsonl") for name in places)
    for pid, arguments in looked.arguments.items():
        places[f"arguments of process {pid}"] = arguments
    # What was broken over lines, in a file or in JSON, is read as one.
    for place, content in list(places.items()):
        places[f"the joined lines of {place}"] = content.replace(b"\\n", b"").replace(b"\n", b"")
    return [
        f"{canary} in {place}"
        for canary, value in canaries.items()
        for form in forms(value)
        for place, content in places.items()
        if form in content and not ("arguments of" in place and canary in argued)
    ]


DRILL = """\
drill: canaries
owner: me@example.com
limit: 1m
cleanup_limit: 5s
probes:
  web:
    http: "{url}/health?access_token=canary-in-the-query"
    rate: 5/s
    headers: {{Authorization: "env:C_PROBE", Cookie: "file:probe.secret"}}
hypothesis: {{during: {{web: {{bad: 1000}}}}}}
steps:
  - name: chaos
    uses: chaostoolkit
    with: {{experiment: ./experiment.yaml}}
    on_failure: continue
  - name: say
    uses: command
    with:
      run: [sh, -c, 'sleep 0.5; echo "$A $B $C"; printf "u:%s" "$A" | base64 -w0; {wraps}; echo "no login with $A"; exit 1']
      undo: [sh, -c, 'echo "undone with $A"; printf "%s" "$B"']
      env: {{A: "env:C_ENV", B: "file:command.secret", C: "env:C_URL"}}
    on_failure: continue
  - name: other
    uses: command
    with: {{run: [sh, -c, "sleep 0.5; env; echo $OPERATOR_TOKEN; p=$${{OPERATOR_DB#*://*:}}; echo $${{p%%@*}}"], undo: ["true"]}}
    on_failure: continue
"""  # noqa: E501
WRAPS = (
    'printf "%s" "$B" | base64 -w0 | base64 -w0',
    'printf "%s" "$B" | od -An -tx1',
    'printf "%s" "$B" | fold -w 7',
    "printf canary-; sleep 0.1; echo command-2",
    'printf "canary-\\033[31mcommand-2\\033[0m"',
)
"""How a command shows `canary-command-2`."""
EXPERIMENT = """\
title: canaries
description: says all it knows
secrets:
  shop:
    token: {type: env, key: C_CHAOS}
    literal: canary-literal-4711
configuration: {api_password: canary-config-4711}
method:
  - type: action
    name: say
    provider:
      type: process
      path: sh
      secrets: [shop]
      arguments: {"-c": "echo ${token} ${literal} ${api_password}; printf u:${token} | base64; exit 1"}
  - type: action
    name: raise
    provider: {type: python, module: beside, func: fail, secrets: [shop]}
"""  # noqa: E501
METRICS = """\
drill: metrics
owner: me@example.com
limit: 30s
guards: {start: [{alerts: 'severity="critical"'}]}
steps: [{name: w, uses: wait, with: {for: 1s}}]
"""
BESIDE = "def fail(secrets=None): raise RuntimeError(f'no login with {secrets}')\n"


def prepared(drillkit: CommandLine, target: Mapping[str, object], files: Mapping[str, str]) -> None:
    (drillkit.folder / "drillkit.yaml").write_text("")
    (drillkit.folder / "drills").mkdir()
    (drillkit.folder / "drills" / "targets.yaml").write_text(yaml.safe_dump({"it": dict(target)}))
    for name, text in files.items():
        (drillkit.folder / name).write_text(text, encoding="utf-8")


def kubernetes(drillkit: CommandLine, sandbox: Sandbox, user: Mapping[str, object]) -> str:
    """The sandbox's kubeconfig with another way to log in; gives the token."""
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    token = str(config["users"][0]["user"]["token"])
    config["users"][0]["user"] = dict(user)
    (drillkit.folder / "kubeconfig").write_text(yaml.safe_dump(config))
    return token


def key_pair(fit: bool) -> tuple[str, str, str]:
    """A certificate, its key, and a line of the key: the canary."""
    pair = trustme.CA().issue_cert("me@example.com")
    certificate, key = pair.cert_chain_pems[0].bytes(), pair.private_key_pem.bytes().decode()
    canary = key.splitlines()[1] if fit else "canary-client-key-1-canary-client-key-1"
    return certificate.decode(), key if fit else f"{canary}\n", canary


def test_no_canary_of_a_run_is_found_anywhere(
    drillkit: CommandLine, sandbox: Sandbox, echo: str
) -> None:
    token = kubernetes(drillkit, sandbox, {"tokenFile": "token.secret"})
    canaries = {
        "probe env": f"Bearer canary-probe-1{QUOTED}".replace("\u00e9", "e"),
        "probe file": "canary-probe-2",
        "command env": f"canary-command-1{QUOTED}",
        "command file": "canary-command-2",
        "url": "canary-userinfo-1",
        "chaos env": "canary-chaos-1",
        "chaos literal": "canary-literal-4711",
        "chaos configuration": "canary-config-4711",
        "query": "canary-in-the-query",
        "canary key": "canary-key-1",
        "database": "canary-database-1",
        "tokenFile": token,
        "operator": "canary-operator-1",
        "operator's database": "canary-operator-2",
    }
    prepared(
        drillkit,
        {
            "kubernetes": {"kubeconfig": str(drillkit.folder / "kubeconfig")},
            "canary_key": "env:C_KEY",
            "databases": {"db": "env:C_DATABASE"},
        },
        {
            "drills/canaries.yaml": DRILL.format(url=echo, wraps="; ".join(WRAPS)),
            "experiment.yaml": EXPERIMENT,
            "drills/experiment.yaml": EXPERIMENT,
            "beside.py": BESIDE,
            "drills/beside.py": BESIDE,
            "probe.secret": f"{canaries['probe file']}\n",
            "drills/probe.secret": f"{canaries['probe file']}\n",
            "command.secret": f"{canaries['command file']}\n",
            "token.secret": f"{token}\n",
        },
    )
    env = {
        "C_PROBE": canaries["probe env"],
        "C_ENV": canaries["command env"],
        "C_URL": f"postgres://shop:{canaries['url']}@127.0.0.1/shop",
        "C_CHAOS": canaries["chaos env"],
        "C_KEY": canaries["canary key"],
        "C_DATABASE": f"user:{canaries['database']}",
        "OPERATOR_TOKEN": canaries["operator"],
        "OPERATOR_DB": "postgres://me:canary-operator-2@127.0.0.1/x",
    }
    code, said, looked = run_watched(drillkit, "run", "canaries", "-t", "it", "-y", env=env)
    assert code in (1, 3), said.decode()
    assert b"[secret]" in said
    journal = (drillkit.run_folder("canaries") / "journal.jsonl").read_text()
    for words in ("no login with", "undone with", "undo.ended"):
        assert words in journal, said.decode()
    argued = {"chaos env", "chaos literal", "chaos configuration"}
    assert leaks(drillkit, said, looked, canaries, argued) == []

    # Who holds one in its environment: those that the drill gives it to, and nobody else.
    holders = {name: looked.holders(value) for name, value in canaries.items()}
    for name in ("probe env", "probe file", "canary key", "database", "tokenFile"):
        assert holders[name] == {}, name
    assert set(holders["command env"]) <= {"A"}
    assert set(holders["command file"]) <= {"B"}
    assert set(holders["url"]) <= {"C"}
    assert holders["command env"], "nobody saw the command run"
    for name, said_by in holders["chaos env"].items():
        assert "echo" in said_by, name
    assert any("drillkit.sampler" in a.decode() for a in looked.arguments.values())
    # What the operator's shell holds, a command may need, and whoever samples does not.
    for said_by in (*holders["operator"].values(), *holders["operator's database"].values()):
        assert "drillkit.sampler" not in said_by

    modes = {
        path: path.stat().st_mode & 0o777
        for path in (drillkit.folder / "reports").rglob("*")
        if not path.is_symlink()
    }
    wrong = {p: oct(m) for p, m in modes.items() if m != (0o750 if p.is_dir() else 0o640)}
    assert wrong == {}


@pytest.mark.parametrize(
    "access",
    [
        {"bearer": "env:C_METRICS"},
        {"basic": "env:C_LOGIN"},
        {"headers": {"X-Auth-Token": "file:metrics.secret", "X-Scope-OrgID": "shop"}},
    ],
    ids=["bearer", "basic", "headers"],
)
def test_no_canary_for_a_prometheus_that_repeats_it_is_found_anywhere(
    drillkit: CommandLine, sandbox: Sandbox, echo: str, access: Mapping[str, object]
) -> None:
    prepared(
        drillkit,
        {
            "kubernetes": {"kubeconfig": str(sandbox.kubeconfig)},
            "prometheus": {"url": echo, **access},
        },
        {
            "drills/metrics.yaml": METRICS,
            "metrics.secret": "canary-metrics-1\n",
        },
    )
    env = {"C_METRICS": "canary-metrics-1", "C_LOGIN": "shop:canary-metrics-1"}
    code, said, looked = run_watched(drillkit, "run", "metrics", "-t", "it", "-y", env=env)
    assert code == 4, said.decode()
    assert b"401" in said
    assert b"[secret]" in said
    assert leaks(drillkit, said, looked, {"metrics": "canary-metrics-1"}) == []
    assert looked.holders("canary-metrics-1") == {}


PROJECT = """\
notify:
  - {{uses: slack, with: {{url: "env:C_SLACK"}}}}
  - {{uses: teams, with: {{url: "env:C_TEAMS"}}, events: [ended]}}
  - uses: webhook
    with: {{url: "env:C_HOOK", headers: {{Authorization: "env:C_HOOK_TOKEN"}}}}
    events: [ended]
  - {{uses: pagerduty, with: {{routing_key: "env:C_PAGER", url: "{echo}"}}, events: [ended]}}
  - {{uses: heartbeat, with: {{success: "env:C_BEAT"}}, events: [ended]}}
  - uses: email
    with: {{to: [a@example.com], from: b@example.com, server: "{mail}", security: none, user: me, password: "env:C_MAIL"}}
    events: [ended]
telemetry: {{push: "{echo}", traces: "{echo}", headers: {{X-Token: "env:C_TELEMETRY"}}}}
"""  # noqa: E501
TELLING = """\
drill: telling
owner: me@example.com
limit: 30s
steps:
  - name: s
    uses: command
    with:
      run: [sh, -c, "sleep 0.5; env; echo it has $A; exit 1"]
      undo: [sh, -c, "echo undone with $A; exit 1"]
      env: {{A: "env:C_ENV"}}
    checks: [{{command: ["false"], within: 1s}}]
{more}
"""


@pytest.mark.parametrize(
    ("more", "ends"),
    [
        ("announce: {grafana: true}", 5),
        ("announce: {silence: [ShopDown]}", 4),
        ('guards: {start: [{freeze: "env:C_FREEZE"}]}', 4),
    ],
    ids=["grafana", "alertmanager", "freeze"],
)
def test_no_canary_for_those_who_are_told_of_a_run_is_found_anywhere(
    drillkit: CommandLine, sandbox: Sandbox, echo: str, more: str, ends: int
) -> None:
    prepared(
        drillkit,
        {
            "kubernetes": {"kubeconfig": str(sandbox.kubeconfig)},
            "grafana": {"url": echo, "bearer": "env:C_GRAFANA"},
            "prometheus": {"url": echo, "alertmanager": echo, "bearer": "env:C_ALERTS"},
        },
        {
            "drills/telling.yaml": TELLING.format(more=more),
            "drillkit.yaml": PROJECT.format(echo=echo, mail=echo.removeprefix("http://")),
        },
    )
    doors = {
        **dict.fromkeys(("C_SLACK", "C_TEAMS", "C_HOOK", "C_BEAT"), f"{echo}/in/"),
        **({"C_FREEZE": f"{echo}/in/"} if "C_FREEZE" in more else {}),
        **dict.fromkeys(("C_HOOK_TOKEN", "C_PAGER", "C_MAIL", "C_TELEMETRY"), ""),
        **dict.fromkeys(("C_GRAFANA", "C_ALERTS", "C_ENV"), ""),
    }
    canaries = {name: f"canary-{name.lower()}-1" for name in doors}
    env = {name: f"{place}{canaries[name]}" for name, place in doors.items()}
    code, said, looked = run_watched(drillkit, "run", "telling", "-t", "it", "-y", env=env)
    assert code == ends, said.decode()
    assert leaks(drillkit, said, looked, canaries) == []
    inherited = {name: looked.holders(value) for name, value in canaries.items()}
    assert {name: held for name, held in inherited.items() if held and name != "C_ENV"} == {}
    # Each is told its own, and nobody what a program of the drill has said.
    assert not any(form in body for form in forms(canaries["C_ENV"]) for body in Echo.received)
    told = b"".join(Echo.received)
    assert all(canaries[name].encode() in told for name in ("C_SLACK", "C_HOOK", "C_TELEMETRY"))
    if ends == 5:
        assert b"it has [secret]" in told
        assert b"undone with [secret]" in told


def test_no_key_of_the_bucket_that_a_run_goes_to_is_found_anywhere(
    drillkit: CommandLine,
    sandbox: Sandbox,
    bucket: BucketServer,  # noqa: F811
) -> None:
    target = {"kubernetes": {"kubeconfig": str(sandbox.kubeconfig)}}
    prepared(drillkit, target, {"drills/telling.yaml": TELLING.format(more="")})
    canaries = {"AWS_SECRET_ACCESS_KEY": "canary-bucket-1", "AWS_SESSION_TOKEN": "canary-bucket-2"}
    env = {**bucket.environment, **canaries}
    arguments = ("run", "telling", "-t", "it", "-y", "--out", bucket.url)
    code, said, looked = run_watched(drillkit, *arguments, env={**env, "C_ENV": "canary-env-1"})
    assert code == 5, said.decode()
    canaries["C_ENV"] = "canary-env-1"
    assert leaks(drillkit, said, looked, canaries) == []
    for key in bucket.everything():
        content = bucket.read(key)
        assert [name for name, value in canaries.items() if value.encode() in content] == [], key
    for name, value in canaries.items():
        assert looked.holders(value) == {} or name == "C_ENV"


@pytest.mark.parametrize("fit", [True, False], ids=["fit", "unfit"])
def test_no_line_of_a_client_key_for_a_prometheus_is_found_anywhere(
    drillkit: CommandLine, sandbox: Sandbox, fit: bool
) -> None:
    certificate, key, canary = key_pair(fit)
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    prepared(
        drillkit,
        {
            "kubernetes": {"kubeconfig": str(sandbox.kubeconfig)},
            "prometheus": {
                "url": config["clusters"][0]["cluster"]["server"],
                "client_cert": str(drillkit.folder / "me.crt"),
                "client_key": str(drillkit.folder / "me.key"),
            },
        },
        {"drills/metrics.yaml": METRICS, "me.crt": certificate, "me.key": key},
    )
    code, said, looked = run_watched(drillkit, "run", "metrics", "-t", "it", "-y", env={})
    assert code == 4, said.decode()
    assert leaks(drillkit, said, looked, {"client key": canary}) == []
    assert looked.holders(canary) == {}


@pytest.mark.parametrize(
    "way",
    ["token", "exec", "client key", "unfit token", "failing exec", "unfit client key"],
)
def test_no_canary_of_a_kubeconfig_is_found_anywhere(
    drillkit: CommandLine, sandbox: Sandbox, way: str
) -> None:
    plugin, exec_env = drillkit.folder / "plugin", "canary-exec-env-1"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    user: dict[str, object] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plugin),
            "interactiveMode": "Never",
            "env": [{"name": "C_EXEC", "value": exec_env}],
        }
    }
    token = kubernetes(drillkit, sandbox, user)
    canaries = {"exec env": exec_env}
    if way.endswith("client key"):
        certificate, key, canaries["client key"] = key_pair(fit=way == "client key")
        kubernetes_user = {
            "token": token,
            "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
            "client-key-data": base64.b64encode(key.encode()).decode(),
        }
    elif way == "token":
        kubernetes_user = {"token": token}
    elif way == "unfit token":
        token = "canary-token-4711\n"
        kubernetes_user = {"token": token}
    else:
        kubernetes_user = {}
        token = "canary-token-4711" if way == "failing exec" else token
        said = json.dumps({**credential, "status": {"token": token}})
        plugin.write_text(
            f"#!/bin/sh\necho 'the token {token} token={token}' \"$C_EXEC\" >&2\n"
            + ("exit 1\n" if way == "failing exec" else f"echo '{said}'\n")
        )
        plugin.chmod(0o755)
    if kubernetes_user:
        config = yaml.safe_load((drillkit.folder / "kubeconfig").read_text())
        config["users"][0]["user"] = kubernetes_user
        (drillkit.folder / "kubeconfig").write_text(yaml.safe_dump(config))
    target = {
        "kubernetes": {"kubeconfig": str(drillkit.folder / "kubeconfig")},
        "urls": sandbox.endpoints["urls"],
    }
    prepared(drillkit, target, {})
    arguments = ("run", "pod-delete", "-t", "it", "-y")
    code, told, looked = run_watched(drillkit, *arguments, env={})
    refused = way in ("unfit token", "failing exec", "unfit client key")
    assert code == (4 if refused else 0) or (code == 3 and not refused), told.decode()
    canaries["token"] = token.strip()
    assert leaks(drillkit, told, looked, canaries) == []
    for name in canaries.keys() - {"exec env"}:
        assert looked.holders(canaries[name]) == {}, name


WAITING = """\
drill: waiting
owner: me@example.com
limit: 1m
steps:
  - name: wait
    uses: command
    with: {run: [sh, -c, "until [ -e go ]; do sleep 0.05; done"], undo: ["true"]}
"""


def test_the_links_of_a_page_are_told_and_found_nowhere_else(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    target = {"kubernetes": {"kubeconfig": str(sandbox.kubeconfig)}}
    prepared(drillkit, target, {"drills/waiting.yaml": WAITING})
    run = drillkit.start("run", "waiting", "-t", "it", "-y", "--serve")
    looked = Looked()
    try:
        assert run.stderr
        links = [run.stderr.readline().split()[-1] for _ in ("facilitator", "observers")]
        while "step.started" not in "".join(journals(drillkit)):
            looked.look(run.pid)
            assert run.poll() is None
            time.sleep(0.05)
        ask(
            drillkit.run_folder("waiting"),
            AddNote(by="maria", text=f"come in by {' or '.join(links)}"),
        )
        (drillkit.folder / "go").touch()
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()
        run.wait()
    canaries = {f"token {n}": link.partition("#")[2] for n, link in enumerate(links)}
    assert all(len(token) > 20 for token in canaries.values())
    assert "come in by http://127.0.0.1:" in "".join(journals(drillkit)), out + err
    assert leaks(drillkit, (out + err).encode(), looked, canaries) == []
    assert any("drillkit.live" in a.decode() for a in looked.arguments.values())
    for token in canaries.values():
        assert looked.holders(token) == {}


def journals(drillkit: CommandLine) -> list[str]:
    return [path.read_text() for path in drillkit.folder.glob("reports/*/*/journal.jsonl")]


CUT = """\
drill: cut
owner: me@example.com
limit: 1m
steps:
  - parallel:
      - name: say
        uses: command
        with:
          run: [sh, -c, 'echo "$A"; sleep 60']
          undo: [sh, -c, 'echo "undone with $A"; printf "%s" "$A" | base64 | base64; exit 1']
          env: {A: "env:C_ENV"}
      - {name: chaos, uses: chaostoolkit, with: {experiment: ./experiment.yaml}}
"""
WAITS = """\
title: waits
description: says all it knows, and waits
secrets: {shop: {token: {type: env, key: C_CHAOS}, hook_url: "https://h/in/canary-hook-1"}}
method:
  - {type: action, name: say, provider: {type: python, module: beside, func: say, secrets: [shop]}}
"""
SAYS = """\
import base64, time
def say(secrets=None):
    token = secrets["token"]
    print(secrets, base64.encodebytes(token.encode() * 9).decode(), token[:7], token[7:], sep="\\n")
    time.sleep(60)
"""


def test_no_canary_of_a_run_that_is_killed_and_recovered_is_found_anywhere(
    drillkit: CommandLine, sandbox: Sandbox
) -> None:
    files = {"drills/cut.yaml": CUT, "drills/experiment.yaml": WAITS, "drills/beside.py": SAYS}
    target = {"kubernetes": {"kubeconfig": str(sandbox.kubeconfig)}}
    prepared(drillkit, target, files)
    env = {"C_ENV": "canary-env-1", "C_CHAOS": "canary-chaos-1"}
    canaries = {**env, "hook": "canary-hook-1"}
    run = drillkit.start("run", "cut", "-t", "it", "-y", env=env)
    looked = Looked()
    logs = drillkit.folder / "reports"
    while sum(log.read_text().count("[secret]") for log in logs.rglob("*.log")) < 4:
        looked.look(run.pid)
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)
    run.kill()
    out, err = run.communicate(timeout=60)
    assert leaks(drillkit, (out + err).encode(), looked, canaries) == []
    _, said, looked = run_watched(drillkit, "recover", env=env)
    assert b"ended with 1: [secret]" in said, said.decode()
    assert leaks(drillkit, said, looked, canaries) == []


def test_a_target_that_is_launched_inherits_no_secret(drillkit: CommandLine) -> None:
    (drillkit.folder / "it.yaml").write_text(
        "drill: launched\nowner: me@example.com\nlimit: 30s\n"
        "steps: [{uses: command, with: {run: [sh, -c, 'sleep 0.3'], undo: [sh, -c, ':'], "
        "env: {A: 'env:C_ENV'}}}]\n"
    )
    env = {"C_ENV": "canary-launched-1", "OPERATOR_TOKEN": "canary-operator-1"}
    _, said, looked = run_watched(drillkit, "run", "./it.yaml", "-t", "sandbox", "-y", env=env)
    assert any("drillkit.sandbox" in a.decode() for a in looked.arguments.values()), said.decode()
    assert set(looked.holders("canary-launched-1")) == {"A"}
    for said_by in looked.holders("canary-operator-1").values():
        assert "drillkit.sandbox" not in said_by
    assert leaks(drillkit, said, looked, {"env": "canary-launched-1"}) == []


@pytest.mark.parametrize("tracker", [("--github", "a/b"), ("--jira", "AB", "--user", "me@b.c")])
def test_no_token_of_a_tracker_that_repeats_it_is_found_anywhere(
    drillkit: CommandLine, echo: str, tracker: tuple[str, ...]
) -> None:
    noted(drillkit, "r1", Note("ann", "raise the alarm", "action-item"))
    arguments = ("actions", *tracker, "--url", echo, "--token", "env:C_TRACKER")
    env = {"C_TRACKER": "canary-tracker-1"}
    _, said, looked = run_watched(drillkit, *arguments, env=env)
    assert b"401" in said, said.decode()
    assert leaks(drillkit, said, looked, {"tracker": "canary-tracker-1"}) == []
