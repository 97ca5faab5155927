"""Whoever changes the world outside has an undo on disk: there is no other way to send a change.

mypy holds it for the calls that clients show (they take a `Planned`); this holds it for the ones
that they do not show.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import drillkit

ROOT = Path(drillkit.__file__).parent
SENDING = frozenset({"_send", "_change"})
"""Methods of a client that may change something."""
SYSTEM = frozenset({"atexit", "os"})
"""Modules of the system whose private functions have a use."""
REACHES: dict[str, dict[str, str]] = {
    "aiohttp": {"live": "the page's own server"},
    "apprise": {"notify": "messages"},
    "smtplib": {"notify": "messages"},
    "requests": {"attest/timestamp.py": "asks for a time stamp"},
    "socket": {
        "journal": "processes of one run, and names of machines",
        "prestart.py": "the process of a worker",
        "runner": "names of machines",
        "sampler": "probes",
    },
    "subprocess": {
        "attest/publication.py": "git",
        "live/launch.py": "the page's process",
        "prestart.py": "the process of a worker",
        "report/pdf.py": "a browser that prints",
        "runner/target_process.py": "a target that is started for a run",
        "sampler/process.py": "the sampler's process",
    },
    **{
        module: {}
        for module in (
            *("boto3", "botocore", "kubernetes", "urllib3", "chaoslib", "chaosk8s", "httpx"),
            *("http.client", "urllib.request", "ftplib", "paramiko", "redis", "pg8000", "pymysql"),
            *("psycopg", "socketserver", "multiprocessing", "pty"),
        )
    },
}
"""Modules with which something may be reached without a client, and which rooms or modules import
them for what.
"""
SHELLS = frozenset({"system", "popen", "execv", "execve", "execvp", "spawnv", "posix_spawn"})
UNPLANNED: dict[str, dict[str, str]] = {
    "drillkit.clients.http_post": {"notify": "messages", "cli/telemetry.py": "metrics"},
    "drillkit.clients.trackers": {"cli/actions.py": "issues that a person asks for"},
    "drillkit.clients.canary.install": {
        "cli/canary.py": "installed for good, by a command of the operator's own",
    },
    "drillkit.clients.command": {
        "steps/command.py": "starts with a plan",
        "checks/kinds.py": "a check that the drill declares",
    },
    "drillkit.clients.bucket": dict.fromkeys(
        ("archive", "attest", "cli", "runner", "spec"), "the journal itself and its reports"
    ),
}
"""Modules of clients in which something sends without a plan, and who imports them for what."""
CALLS: dict[str, dict[str, str]] = {
    "apply": {"cleanup/application.py": "all undos", "fleet/jobs.py": "the undo of a Job"},
    "set_block": {"cli/block.py": "a person's decision, which stays until a person lifts it"},
    "rehearse_lease": {"runner/dry_run.py": "the server's own dry run: nothing is made"},
    "chaostoolkit.run": {"steps/chaostoolkit.py": "its worker plans what is to be undone"},
}
"""Methods with an effect that take no plan, and who calls them."""
MAKES: dict[str, dict[str, str]] = {
    "Planned": {"journal": "what is on disk", "fleet/jobs.py": "what stands in the bucket"},
    "EffectConfirmed": {
        "journal": "what was planned",
        "model/records/codec.py": "what is read back",
    },
    "UndoEnded": {
        "cleanup/progress.py": "what was applied",
        "faults/context.py": "what was applied when its time was over",
        "journal": "what never happened",
        "runner": "what ended with its target, was kept or settled",
    },
}
"""Receipts, and words that an effect is known or undone: who may say so."""
WIRES = frozenset({"effect", "wire", "verified", "service_client"})
"""Modules inside `clients/` whose contents send."""
OF_ITS_OWN = frozenset({"UndoAction", "OwnObject", "ScratchNamespace"})
"""Bases of all undos, the shape of those that delete, and what volumes need of theirs."""
PASSED_ON = {
    ("kube/client.py", "_read"): "marked as harmless",
    ("kube/effect.py", "_send"): "an attempt of a plan",
    ("aws/effect.py", "_send"): "an attempt of a plan",
    ("aws/service_client.py", "read"): "only operations that change nothing",
    ("aws/service_client.py", "_change"): "is itself looked for",
    ("kube/lease.py", "rehearse_lease"): "the server's own dry run: nothing is made",
    ("kube/lease.py", "set_block"): "a person's decision, which stays until a person lifts it",
    **{
        ("bucket.py", name): "the journal itself and its reports, where undos are planned"
        for name in ("put", "replace", "mark", "unmark", "get", "list")
    },
    ("canary/install.py", "_send"): "installed for good, by a command of the operator's own",
}
"""Functions that send for others, or without an undo, and why they may."""


@functools.cache
def modules(folder: Path) -> tuple[tuple[str, ast.Module], ...]:
    return tuple(
        (path.relative_to(folder).as_posix(), ast.parse(path.read_text()))
        for path in sorted(folder.rglob("*.py"))
        if "sandbox" not in path.relative_to(folder).parts
    )


def allowed(name: str, places: Iterable[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


@functools.cache
def private_of_clients() -> frozenset[str]:
    """Names of what clients keep to themselves."""
    found = {
        node.attr
        for _, tree in modules(ROOT / "clients")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_")
    }
    return frozenset(each for each in found if not each.startswith("__")) | SENDING


def defined(nodes: Iterable[ast.AST]) -> set[str]:
    """Names that a module's own classes give to what is theirs."""
    found = set()
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                found.add(name)
            case ast.FunctionDef(name=name):
                found.add(name)
    return found


LOOKED_AT = (
    ast.Attribute,
    ast.Constant,
    ast.Call,
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
)


def outside(name: str, tree: ast.AST, private: frozenset[str] = frozenset()) -> Iterator[str]:
    """What a module outside `clients/` does that only clients may. `private`: names of what these
    keep to themselves.
    """
    nodes = [node for node in ast.walk(tree) if isinstance(node, LOOKED_AT)]
    own = defined(nodes)
    for node in nodes:
        match node:
            case ast.Attribute() | ast.Constant() | ast.Call():
                found = _touched(name, node, own, private)
            case ast.Import() | ast.ImportFrom():
                found = _imported(name, node)
            case _:
                continue
        yield from (f"line {node.lineno}: {what}" for what in found)


def _touched(name: str, node: ast.AST, own: set[str], private: frozenset[str]) -> Iterator[str]:
    match node:
        case ast.Attribute(value=ast.Name(id=module)) if module in SYSTEM | {"self", "cls"}:
            if module == "os" and node.attr in SHELLS:
                yield f"starts a program by os.{node.attr}"
        case ast.Attribute(attr=attr) if attr.startswith("_") and not attr.startswith("__"):
            if attr not in own:
                yield f"uses {attr}"
        case ast.Attribute(attr="run", value=ast.Attribute(attr="chaostoolkit")):
            if not allowed(name, CALLS["chaostoolkit.run"]):
                yield "calls chaostoolkit.run"
        case ast.Attribute(attr=attr) if attr in CALLS and not allowed(name, CALLS[attr]):
            yield f"calls {attr}"
        case ast.Constant(value=str(text)) if text in private and text not in own:
            yield f"names {text}"
        case ast.Call(func=ast.Name(id=made)) if made in MAKES and not allowed(name, MAKES[made]):
            yield f"makes {made}"


def _imported(name: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    found = [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom):
        found = [str(node.module), *(f"{node.module}.{each}" for each in found)]
    if all(each.split(".")[-1] == "exceptions" for each in found[:1]):
        return
    for each in found:
        for table in (REACHES, UNPLANNED):
            for module, places in table.items():
                if (each == module or each.startswith(f"{module}.")) and not allowed(name, places):
                    yield f"imports {each}"
    words = found[0].split(".")
    if words[:2] == ["drillkit", "clients"] and words[-1] in WIRES:
        yield from (f"imports {each}" for each in found[1:] if not each.split(".")[-1].isupper())


def undo_names(trees: list[ast.Module]) -> frozenset[str]:
    """Classes of undos, and aliases for some of them."""
    known = set(OF_ITS_OWN)
    while True:
        found = set(known)
        for tree in trees:
            for node in ast.walk(tree):
                match node:
                    case ast.ClassDef(name=name, bases=bases):
                        if any(isinstance(b, ast.Name) and b.id in known for b in bases):
                            found.add(name)
                    case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                        if "TypeAlias" in ast.unparse(node.annotation) and (
                            used := {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
                        ):
                            found |= {name} if used <= known else set()
        if found == known:
            return frozenset(known)
        known = found


def inside(name: str, tree: ast.Module, undos: frozenset[str]) -> Iterator[str]:
    """Changes in a client that stand in no function which takes a plan, an attempt of one, or the
    undo that it applies.
    """

    def planned(scope: ast.AST) -> bool:
        if isinstance(scope, ast.ClassDef):
            return scope.name in undos
        if not isinstance(scope, ast.FunctionDef):
            return False
        arguments = [*scope.args.args, *scope.args.kwonlyargs]
        said = [ast.parse(ast.unparse(a.annotation)) for a in arguments if a.annotation]
        named = {n.id for each in said for n in ast.walk(each) if isinstance(n, ast.Name)}
        return bool(named & (undos | {"Planned", "KubeAttempts", "AwsAttempts"}))

    def look(node: ast.AST, scopes: tuple[ast.AST, ...]) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.FunctionDef() | ast.ClassDef():
                    yield from look(child, (*scopes, child))
                    continue
                case ast.Attribute(attr=sending) if sending in SENDING:
                    function = next(
                        (s.name for s in reversed(scopes) if isinstance(s, ast.FunctionDef)), ""
                    )
                    if not (any(map(planned, scopes)) or (name, function) in PASSED_ON):
                        yield f"{name}:{child.lineno}: {function} sends without a plan"
            yield from look(child, scopes)

    yield from look(tree, ())


def test_no_room_outside_the_clients_sends_anything_itself() -> None:
    private = private_of_clients()
    found = [
        f"{name}: {what}"
        for name, tree in modules(ROOT)
        if not name.startswith("clients/")
        for what in outside(name, tree, private)
    ]
    assert found == []


def test_who_may_reach_something_without_a_client_still_does() -> None:
    trees = dict(modules(ROOT))
    for table in (REACHES, UNPLANNED):
        for module, places in table.items():
            for place in places:
                inside_it = [tree for name, tree in trees.items() if allowed(name, [place])]
                words = {ast.unparse(n) for t in inside_it for n in ast.walk(t) if imports(n)}
                assert any(last_word(module) in each for each in words), (module, place)


def imports(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def last_word(module: str) -> str:
    return module.split(".")[-1]


def test_inside_the_clients_each_change_stands_in_a_function_that_takes_a_plan_or_its_undo() -> (
    None
):
    read = dict(modules(ROOT / "clients"))
    undos = undo_names(list(read.values()))
    assert {"DeleteObject", "DeleteInstance", "DeleteScratch", "RestoreFields"} <= undos
    found = [
        what
        for name, tree in read.items()
        if name != "prometheus/wire.py"  # the door itself
        for what in inside(name, tree, undos)
    ]
    assert found == []


def test_what_may_send_for_others_is_still_there() -> None:
    read = dict(modules(ROOT / "clients"))
    for name, function in PASSED_ON:
        names = {n.name for n in ast.walk(read[name]) if isinstance(n, ast.FunctionDef)}
        assert function in names, (name, function)


WAYS = (
    "act.clients.kube._send('DELETE', '/', 'delete it')",
    "act.clients.kube._read('/', 'delete it', review={})",
    "act.clients.kube._transport.send('DELETE', '/', {})",
    "getattr(act.clients.kube, '_transport')",
    "act.clients.rds.service._change('DeleteDBInstance', 'delete it')",
    "act.clients.aws.service('rds')._client.delete_db_instance()",
    "act.clients.aws._opened_session().create_client('rds')",
    "vars(act.clients.aws)['_session']",
    "act.clients.alertmanager._expire(undo, 'of somebody else')",
    "act.clients.grafana._wire.post('/api/annotations', {}, 'change it')",
    "act.clients.kube.set_block('drillkit', 'because')",
    "act.clients.chaostoolkit.run(job, act.book, by='me', deadline=deadline)",
    "RestoreFields(changes).apply(act.clients, context)",
    "act.clients.kube.delete_pod(Planned(0, DeletePod('n', 'p', 'u'), act.book))",
    "act.book.append(UndoEnded(7, 'undone'))",
    "import boto3",
    "import subprocess",
    "from requests import delete",
    "from urllib.request import urlopen",
    "import http.client",
    "import os; os.system('kubectl delete namespace shop')",
    "from kubernetes import client",
    "from drillkit.clients.kube.effect import KubeAttempts",
    "from drillkit.clients.prometheus.wire import Wire",
    "from drillkit.clients.http_post import post_json",
    "from drillkit.clients.command import run",
    "from drillkit.clients import command",
    "from drillkit.clients.bucket import Bucket",
    "from drillkit.clients.canary.install import install",
)
"""Ways to change something in a step without a plan, all of which mypy takes."""


@pytest.mark.parametrize("way", WAYS)
def test_no_way_that_mypy_takes_is_overlooked(way: str) -> None:
    assert list(outside("steps/mine.py", ast.parse(way), private_of_clients()))


def test_the_look_inside_finds_what_it_is_for() -> None:
    client = ast.parse(
        "def fine(kube: Kube, plan: Planned[DeleteObject]):\n"
        "    kube._send('DELETE', '/', 'delete it')\n"
        "def wrong(kube: Kube, name: str):\n"
        "    return lambda: kube._send('DELETE', '/', 'delete it')\n"
    )
    assert list(inside("kube/x.py", client, OF_ITS_OWN)) == [
        "kube/x.py:4: wrong sends without a plan"
    ]


def test_a_client_shows_no_change_that_takes_an_undo_instead_of_its_plan() -> None:
    """Whoever makes an undo by hand would change what it names."""
    read = dict(modules(ROOT / "clients"))
    undos = undo_names(list(read.values()))
    found = [
        f"{name}: {cls.name}.{method.name}"
        for name, tree in read.items()
        for cls in ast.walk(tree)
        if isinstance(cls, ast.ClassDef) and cls.name not in undos
        for method in cls.body
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
        if any(isinstance(n, ast.Attribute) and n.attr in SENDING for n in ast.walk(method))
        and not any(isinstance(n, ast.Name) and n.id == "Planned" for n in ast.walk(method.args))
        and (name, method.name) not in PASSED_ON
        and name != "prometheus/wire.py"
    ]
    assert found == []
