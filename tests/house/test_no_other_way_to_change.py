"""Whoever changes the world outside has an undo on disk: there is no other way to send a change.

mypy holds it for the calls that clients show (they take a `Planned`); this holds it for the ones
that they do not show.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import drillkit

ROOT = Path(drillkit.__file__).parent
SENDING = frozenset({"_send", "_change"})
"""Methods of a client that may change something."""
PRIVATE = SENDING | {"_transport", "_inner", "_door", "_kube"}
SDKS = frozenset({"boto3", "botocore", "kubernetes", "urllib3"})
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


def modules(folder: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(folder).as_posix(), ast.parse(path.read_text())


def outside(tree: ast.AST) -> Iterator[str]:
    """What a room outside `clients/` does that only clients may."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self")):
                continue
            case ast.Attribute(attr=name) if name in PRIVATE:
                yield f"line {node.lineno}: uses {name}"
            case ast.Constant(value=str(name)) if name in PRIVATE:
                yield f"line {node.lineno}: names {name}"
            case ast.Import(names=names):
                yield from (
                    f"line {node.lineno}: imports {each.name}"
                    for each in names
                    if each.name.split(".")[0] in SDKS and not each.name.endswith(".exceptions")
                )
            case ast.ImportFrom(module=str(module)):
                words = module.split(".")
                sends = words[:2] == ["drillkit", "clients"] and words[-1] in WIRES
                speaks = words[0] in SDKS and words[-1] != "exceptions"
                if (sends and words[2] != "prometheus") or speaks:
                    yield f"line {node.lineno}: imports from {module}"


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
    found = [
        f"{name}: {what}"
        for name, tree in modules(ROOT)
        if name.split("/")[0] not in ("clients", "sandbox")
        for what in outside(tree)
    ]
    assert found == []


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


def test_both_looks_find_what_they_are_for() -> None:
    step = ast.parse(
        "from drillkit.clients.kube.effect import KubeAttempts\n"
        "import boto3\n"
        "def run(self, arguments, act):\n"
        "    act.clients.kube._send('DELETE', '/', 'delete it')\n"
        "    act.clients.rds.door._change('DeleteDBInstance', 'delete it')\n"
        "    getattr(act.clients.kube, '_transport')\n"
    )
    assert len(list(outside(step))) == 5
    client = ast.parse(
        "def fine(kube: Kube, plan: Planned[DeleteObject]):\n"
        "    kube._send('DELETE', '/', 'delete it')\n"
        "def wrong(kube: Kube, name: str):\n"
        "    return lambda: kube._send('DELETE', '/', 'delete it')\n"
    )
    assert list(inside("kube/x.py", client, OF_ITS_OWN)) == [
        "kube/x.py:4: wrong sends without a plan"
    ]
