"""`targets.yaml`, and which target a drill runs against."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from drillkit.clients.kube.selectors import parse_selector
from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.target import AwsTarget, PrometheusTarget, Target, WebTarget
from drillkit.model.units import Amount
from drillkit.secrets import KNOWN, is_reference, is_secret_name
from drillkit.secrets.references import EXPECTED
from drillkit.spec.binder import bind
from drillkit.spec.document import (
    Map,
    Mistakes,
    Node,
    Trail,
    is_null,
    is_there,
    lookup,
    nearest,
    only,
    quoted,
    read_all,
    read_bytes,
)
from drillkit.spec.foreign import refuse_stranger
from drillkit.spec.interpolation import parts
from drillkit.spec.misplaced_keys import Places
from drillkit.spec.project import shown
from drillkit.spec.roots import Root, Roots

VARIABLE = "DRILLKIT_TARGET"
_URL = re.compile(r"https?://[^/]")
_SOCKET = re.compile(r"tcp://[^/].*|[^/:\s]+:[0-9]+")
"""What a probe takes besides."""


@dataclass(frozen=True, slots=True)
class ChosenTarget:
    """A target, and why it is this one."""

    target: Target
    by: str
    """`--target`, `the drill`, `DRILLKIT_TARGET`, or the `drillkit.yaml` that names it."""
    file: Path

    def __str__(self) -> str:
        return f"{self.target.name} ({shown(self.file)}, chosen by {self.by})"


def read_targets(file: Path) -> dict[str, Target]:
    """The targets of a file by name: a mapping of names to targets. Raises SpecError with
    every mistake.
    """
    source = shown(file)
    documents = read_all(source, read_bytes(file))
    for document in documents[:1]:
        refuse_stranger(document, "targets by name", document.where)
    return bind_targets(only(documents, source))


def bind_targets(tree: Node) -> dict[str, Target]:
    """The targets of a tree. Raises SpecError with every mistake."""
    if is_null(tree):
        return {}
    mistakes = Mistakes(Places(Target, "the target itself").hint)
    _no_references(tree, mistakes)
    found = _sound(tree, mistakes)
    for name, target in found.items():
        if (
            isinstance(tree, Map)
            and isinstance(node := tree.get(name), Map)
            and node.get("name") is not None
        ):
            mistakes.add(
                lookup(tree, (name, "name")),
                (name, "name"),
                "the key is the target's name; remove this one",
            )
        for path, what in _complaints(name, target):
            mistakes.add(lookup(tree, path), path, what)
    mistakes.settle()
    return found


def _sound(tree: Node, mistakes: Mistakes) -> dict[str, Target]:
    """The targets that can be looked at further; of the others, their mistakes are noted."""
    if not isinstance(tree, Map):
        bind(Mapping[str, Target], tree, mistakes)
        return {}
    found: dict[str, Target] = {}
    for name, node in tree.pairs:
        before = len(mistakes)
        target = bind(Target, node, mistakes, (name.text,))
        if len(mistakes) == before:
            found[name.text] = replace(target, name=name.text)
    return found


def _no_references(node: Node, mistakes: Mistakes, path: Trail = ()) -> None:
    if isinstance(node, Map):
        for key, value in node.pairs:
            _no_references(value, mistakes, (*path, key.text))
        return
    for i, item in enumerate(getattr(node, "items", ())):
        _no_references(item, mistakes, (*path, i))
    text = getattr(node, "text", "")
    if "${" in text:
        try:
            literal = all(isinstance(part, str) for part in parts(text))
        except ValueError:
            literal = False
        if not literal:
            mistakes.add(
                node.where,
                path,
                "a target takes no `${...}`: write the value itself, secrets as `env:NAME`",
            )


def _complaints(name: str, target: Target) -> Iterator[tuple[Trail, str]]:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", name):
        yield (
            (name,),
            "expected a name of letters, digits, `-`, `_` and `.` (at most 63), "
            f"found {quoted(name)}",
        )
    if target.kubernetes is None and target.aws is None and target.launch is None:
        yield (name,), "expected `kubernetes`, `aws` or `launch`: a target must say where it is"
    if target.protected:
        yield from _protected(name, target)
    if target.aws is not None and not re.fullmatch(r"[0-9]{12}", target.aws.account):
        yield (name, "aws", "account"), "expected an account id of 12 digits"
    if target.launch is not None and not re.fullmatch(
        r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", target.launch.module
    ):
        yield (
            (name, "launch", "module"),
            f"expected a Python module, found {quoted(target.launch.module)}",
        )
    yield from _empty((name,), target)
    yield from _places(name, target)
    yield from _limits(name, target)
    yield from _addresses(name, target)
    yield from _secrets(name, target)


def _empty(path: Trail, section: Any) -> Iterator[tuple[Trail, str]]:
    """Texts without a letter: a context or a profile that is '' would be whichever is current."""
    for each in fields(section):
        value = getattr(section, each.name)
        if is_dataclass(value):
            yield from _empty((*path, each.name), value)
        elif value == "" and each.default != "":
            yield (*path, each.name), "expected text, found ''; leave the key out"
        elif isinstance(value, tuple):
            yield from (
                ((*path, each.name, i), "expected text, found ''; leave it out")
                for i, item in enumerate(value)
                if item == ""
            )


def _places(name: str, target: Target) -> Iterator[tuple[Trail, str]]:
    """Where it is: what would be found out, or ignored, only when something works there."""
    spaces = {(name, "fleet", "namespace"): target.fleet.namespace}
    if target.kubernetes is not None:
        spaces[name, "kubernetes", "namespace"] = target.kubernetes.namespace
    for path, space in spaces.items():
        if space and not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", space):
            yield path, f"expected a namespace such as drillkit, found {quoted(space)}"
    if target.aws is not None:
        yield from _regions((name, "aws"), target.aws)
    for section, server in (("prometheus", target.prometheus), ("grafana", target.grafana)):
        if server is not None:
            yield from _logins((name, section), server)


def _regions(path: Trail, aws: AwsTarget) -> Iterator[tuple[Trail, str]]:
    for key in ("region", "dr_region"):
        region = getattr(aws, key)
        if region and not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", region):
            yield (*path, key), f"expected a region such as eu-central-1, found {quoted(region)}"
    if aws.endpoint_url and not _URL.match(aws.endpoint_url):
        found = quoted(aws.endpoint_url)
        yield (*path, "endpoint_url"), f"expected a URL such as https://host, found {found}"
    for key in ("dr_subnet_group", "dr_security_groups", "dr_kms_key"):
        if getattr(aws, key) and aws.dr_region is None:
            yield (*path, key), f"`{key}` goes with `dr_region`; add it, or leave this out"


def _logins(path: Trail, server: WebTarget) -> Iterator[tuple[Trail, str]]:
    signed = isinstance(server, PrometheusTarget) and server.sigv4_region is not None
    given = [key for key in ("bearer", "basic") if getattr(server, key) is not None]
    given += ["sigv4_region"] if signed else []
    if len(given) > 1:
        found = " and ".join(f"`{key}`" for key in given)
        yield (*path, given[1]), f"expected one way to prove who asks, found {found}"
    if server.client_key is not None and server.client_cert is None:
        yield (*path, "client_key"), "`client_key` goes with `client_cert`; add it"


def _limits(name: str, target: Target) -> Iterator[tuple[Trail, str]]:
    for key in ("pods", "nodes"):
        try:
            Amount.parse(getattr(target.caps, key))
        except ValueError as error:
            yield (name, "caps", key), str(error)
    for i, text in enumerate(target.caps.never_pods):
        try:
            parse_selector(text)
        except ValueError as error:
            yield (name, "caps", "never_pods", i), str(error)
    if target.caps.pods_of_run is not None and target.caps.pods_of_run < 0:
        yield (name, "caps", "pods_of_run"), "expected 0 or more"
    for key in ("instance_storage", "instance_hours"):
        most = getattr(target.caps, key)
        if most is not None and most < 0:
            yield (name, "caps", key), "expected 0 or more"
    if not 0 <= target.approvals <= len(target.approvers):
        yield (
            (name, "approvals"),
            f"expected at most as many as `approvers` names ({len(target.approvers)}), "
            f"found {target.approvals}",
        )
    if target.approvers and target.approvals == 0:
        yield (
            (name, "approvers"),
            "nobody is asked while `approvals` is 0: say how many must approve",
        )
    if target.caps.duration is not None and target.caps.duration <= timedelta():
        yield (name, "caps", "duration"), "expected a duration above zero, found 0s"
    if target.caps.instances < 0:
        yield (name, "caps", "instances"), "expected 0 or more"


def _protected(name: str, target: Target) -> Iterator[tuple[Trail, str]]:
    if target.launch is not None:
        yield (name, "protected"), "a target that drillkit launches itself cannot be protected"
    if target.kubernetes is not None and not target.kubernetes.cluster_uid:
        how = "kubectl get namespace kube-system -o jsonpath={.metadata.uid}"
        yield (name, "kubernetes"), f"a protected target needs `cluster_uid`; get it with: {how}"


def _addresses(name: str, target: Target) -> Iterator[tuple[Trail, str]]:
    urls = {(name, "urls", key): url for key, url in target.urls.items()}
    if target.prometheus is not None:
        urls[(name, "prometheus", "url")] = target.prometheus.url
        if target.prometheus.alertmanager is not None:
            urls[(name, "prometheus", "alertmanager")] = target.prometheus.alertmanager
    if target.grafana is not None:
        urls[(name, "grafana", "url")] = target.grafana.url
    for path, url in urls.items():
        if re.match(r"[a-z]+://[^/]*@", url):
            yield path, "a password must not stand in a URL"
        elif _URL.match(url) or not url:
            continue
        elif path[1] != "urls" or not _SOCKET.fullmatch(url):
            yield path, f"expected a URL such as https://host, found {quoted(url)}"


def _secrets(name: str, target: Target) -> Iterator[tuple[Trail, str]]:
    """Secrets are references. What was found is not repeated: it may be the secret itself."""
    given: dict[Trail, str | None] = {
        (name, "databases", key): value for key, value in target.databases.items()
    }
    given[(name, "canary_key")] = target.canary_key
    for section, server in (("prometheus", target.prometheus), ("grafana", target.grafana)):
        if server is None:
            continue
        given[(name, section, "bearer")] = server.bearer
        given[(name, section, "basic")] = server.basic
        for key, value in server.headers.items():
            if is_secret_name(key) or KNOWN.text(value) != value:
                given[(name, section, "headers", key)] = value
    for path, reference in given.items():
        if reference is not None and not is_reference(reference):
            yield path, f"{EXPECTED}; secrets do not stand here"


def all_targets(roots: Roots) -> dict[str, tuple[Target, Path]]:
    """Targets by name with their file; the first root wins, but what ships never hides a
    project's own.

    Raises SpecError.
    """
    found: dict[str, tuple[Target, Path]] = {}
    for root in _in_order(roots):
        if is_there(root.targets):
            for name, target in read_targets(root.targets).items():
                found.setdefault(name, (target, root.targets))
    return found


def _in_order(roots: Roots) -> list[Root]:
    """Targets of what ships come last, also for a drill that ships."""
    return sorted(roots, key=lambda root: root.origin == "package")


def choose_target(
    command: str,
    roots: Roots,
    *,
    option: str | None = None,
    own: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ChosenTarget:
    """The target of a run: `--target`, the drill's own, DRILLKIT_TARGET, the project's default;
    never a guess.

    `command` is what the user typed, such as `run pod-delete` (for the line to type), `option` the
    value of `--target`, `own` the target that the drill names. Raises UsageError when none
    is named or it is unknown, SpecError for a broken targets.yaml.
    """
    default = roots.default_target
    candidates: tuple[tuple[str | None, str], ...] = (
        (option, "--target"),
        (own, "the drill"),
        (environ.get(VARIABLE), VARIABLE),
        (default[0], shown(default[1].folder / "drillkit.yaml")) if default else (None, ""),
    )
    known = all_targets(roots)
    name, by = next(((named, by) for named, by in candidates if named), ("", ""))
    if not name:
        example = "sandbox" if "sandbox" in known or not known else next(iter(known))
        raise UsageError(
            f"no target: expected --target, `target:` in the drill, {VARIABLE} or a default in "
            f"drillkit.yaml; known targets: {', '.join(known) or 'none'}\n"
            f"type: drillkit {command} --target {example}"
        )
    if name not in known:
        files = ", ".join(shown(root.targets) for root in _in_order(roots))
        raise UsageError(f"no target `{name}` ({by}){nearest(name, known)}\nlooked in: {files}")
    target, file = known[name]
    return ChosenTarget(target, by, file)
