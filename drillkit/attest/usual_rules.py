"""What a run's journal says of people and places, for a copy that shall not: by field where a field
says it, and by its form wherever else it stands.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

from drillkit.attest.export import ExportRules, RedactionRule, literal, name_rule
from drillkit.journal.file import read
from drillkit.journal.runs import JOURNAL
from drillkit.model.evidence import Alert, Mark, Note
from drillkit.model.json_text import load_json
from drillkit.model.records import (
    History,
    MessageSent,
    ParticipantJoined,
    PeopleEntry,
    RunAborted,
    RunOpened,
    RunRecovered,
    RunSettled,
)

ADDRESS = r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\bip(?:-\d{1,3}){4}\b"
"""An address, also as AWS names machines by theirs."""
ADDRESS_6 = r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:%\w+)?(?![\w:])"
EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+"
_MACHINES = frozenset({"drillkit", "velero", "the drill"})
"""Who notes things, too, and is nobody."""
_LOGINS = frozenset(
    {"root", "admin", "user", "runner", "ubuntu", "nobody", "jenkins", "ec2-user", "localhost"}
)
"""Names that many machines and nobody have."""
_ACCOUNT = r"\barn:aws[\w-]*:[\w-]*:[\w-]*:(\d{12}):"
_URL_HOST = r"://(?:[^/@\s\"']*@)?([A-Za-z0-9.-]+)"
_INSIDE = (
    r"(?<![\w.-])((?:[A-Za-z0-9][A-Za-z0-9-]*\.)+"
    r"(?:internal|local|localdomain|svc|lan|corp|intranet|amazonaws\.com(?:\.cn)?))(?![\w-])"
)
"""A name that is no URL's and can be nothing else than a host's."""
_NODE = r"\bnode/([A-Za-z0-9][A-Za-z0-9.-]*)"
_NODE_OF = r"(?m)^Node: +(?!none yet)([A-Za-z0-9][A-Za-z0-9.-]*)$"
"""The node of a pod, as pods are described."""
_BUCKET = r"\bs3://([a-z0-9][a-z0-9.-]+)"
_HOME = r"/(?:home|Users)/([^/\s\"'\\]+)"
_ASKED = r"^(.+?) asked for it: "
"""How an abort tells who wanted it."""
_INSTANCES = frozenset({"instance", "host", "hostname", "node", "nodename", "kubernetes_node"})
"""Labels of alerts whose values are machines."""
_PUBLIC = ("drillkit.dev", "kubernetes.io", "in-toto.io")
"""Whose documents are linked, and who says nothing of anybody."""


def usual_rules(folder: Path) -> ExportRules:
    """Accounts, clusters, hosts, buckets, operator, whoever took part, was told or approved, where
    messages went; and every address and e-mail.
    """
    history = read(folder / JOURNAL)
    opened = next((r.entry for r in history if isinstance(r.entry, RunOpened)), None)
    texts = (*_texts_in([load_json(line) for line in _lines(folder)]), *_attached(folder))
    found = [literal(label, text) for label, text in _identifying(opened) if len(text) >= 3]
    found += _words("account", {*_found(_ACCOUNT, texts)})
    found += _words("cluster", {*_contexts(opened)})
    found += _words("person", {*_people(opened, history, texts)} - _MACHINES)
    found += _words("host", {*_hosts(opened, history, texts)})
    found += _words("bucket", {*_found(_BUCKET, texts)})
    found += _words("receiver", {*_told(history)})
    return ExportRules((*found, *forms()))


def forms() -> tuple[RedactionRule, ...]:
    """What goes wherever it stands, whoever it belongs to."""
    return (
        RedactionRule("email", re.compile(EMAIL)),
        RedactionRule("address", re.compile(ADDRESS)),
        RedactionRule("address", re.compile(ADDRESS_6), fits=_is_address),
    )


def _lines(folder: Path) -> list[bytes]:
    return [line for line in (folder / JOURNAL).read_bytes().split(b"\n") if line]


def _attached(folder: Path) -> Iterator[str]:
    """Texts that are kept with the run: logs and descriptions name machines that no record does."""
    for path in sorted(folder.glob("attachments/*")):
        # What is no text is left out of a copy.
        with contextlib.suppress(OSError, UnicodeDecodeError):
            yield path.read_text(encoding="utf-8")


def _texts_in(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for key, inner in data.items():
            yield str(key)
            yield from _texts_in(inner)
    elif isinstance(data, Sequence):
        for inner in data:
            yield from _texts_in(inner)


def _found(pattern: str, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from re.findall(pattern, text)


def _words(label: str, names: Set[str]) -> Iterator[RedactionRule]:
    """The longest first: a part of a name that goes must not leave the rest of it."""
    for name in sorted(names, key=lambda each: (-len(each), each)):
        if len(name.strip()) >= 2:
            yield name_rule(label, name)


def _identifying(opened: RunOpened | None) -> Iterator[tuple[str, str]]:
    if opened is None:
        return
    yield "cluster", opened.identities.cluster_uid
    yield "account", opened.identities.aws_account
    yield "person", opened.operator
    yield "host", str(opened.vantage.get("host", ""))
    if opened.drill:
        yield "owner", opened.drill.owner
    if opened.target and opened.target.aws:
        yield "account", opened.target.aws.account


def _contexts(opened: RunOpened | None) -> Iterator[str]:
    """What a kubeconfig calls the cluster, unless it is a word such as `default`."""
    cluster = opened.target.kubernetes if opened and opened.target else None
    if cluster and cluster.context and not cluster.context.isalpha():
        yield cluster.context


def _people(opened: RunOpened | None, history: History, texts: Iterable[str]) -> Iterator[str]:
    if opened is not None:
        yield from _in_roles(opened)
    yield from _taking_part(history)
    logins = [*_found(_HOME, texts)]
    for name in ([opened.operator] if opened else []) + [*_after(history)]:
        yield name
        logins.append(name.partition("@")[0])
    yield from (login for login in logins if len(login) >= 3 and login not in _LOGINS)


def _in_roles(opened: RunOpened) -> Iterator[str]:
    """Whom drill and target name, and who approved the plan."""
    for of in (opened.drill, opened.target):
        if of is not None:
            yield from of.audit.participants
            yield from of.audit.informed
            yield from of.audit.approved.split(", ")
    if opened.drill is not None and opened.drill.gameday is not None:
        for names in opened.drill.gameday.roles.values():
            yield from names
    if opened.target is not None:
        yield from opened.target.approvers
    yield from opened.approved_by


def _taking_part(history: History) -> Iterator[str]:
    """Whoever joined, said, decided or has to do something."""
    for record in history:
        entry = record.entry
        if isinstance(entry, ParticipantJoined):
            yield entry.name
        if isinstance(entry, Note):
            yield entry.owner
        if isinstance(entry, Note | Mark | PeopleEntry):
            yield str(getattr(entry, "by", ""))


def _after(history: History) -> Iterator[str]:
    """Whoever stopped the run, or cleaned up behind it."""
    for record in history:
        entry = record.entry
        if isinstance(entry, RunRecovered | RunSettled):
            yield entry.by
        if isinstance(entry, RunAborted) and (asked := re.match(_ASKED, entry.why)):
            yield asked[1]


def _told(history: History) -> Iterator[str]:
    """Channels, addresses and hosts that messages went to."""
    for record in history:
        if isinstance(record.entry, MessageSent):
            yield from record.entry.to.split(", ")


def _hosts(opened: RunOpened | None, history: History, texts: Sequence[str]) -> Iterator[str]:
    """Machines by name. What has no dot is a name like any other, unless a field says it is one."""
    named = {*_found(_URL_HOST, texts), *_found(_INSIDE, texts)}
    named = {host.strip(".") for host in named}
    for host in named:
        if "." in host and not re.fullmatch(ADDRESS, host) and not host.endswith(_PUBLIC):
            yield host
    yield from _found(_NODE, texts)
    yield from _found(_NODE_OF, texts)
    for record in history:
        if isinstance(record.entry, Alert):
            for label, value in record.entry.labels.items():
                if label in _INSTANCES:
                    yield value.partition(":")[0]
    for who in ([opened.operator] if opened else []) + [*_after(history)]:
        if (host := who.partition("@")[2]) not in _LOGINS:
            yield host


def _is_address(text: str) -> bool:
    """Whether it is an address of IPv6, and no time of day or number with colons."""
    try:
        return not IPv6Address(text).is_unspecified
    except ValueError:
        return False
