"""A target's caps count what another package makes and hits as what ours do."""

from __future__ import annotations

import importlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from drillkit.journal.book import Book
from drillkit.journal.file import Journal
from drillkit.journal.wire import RemoteJournal, serve
from drillkit.model.target import Caps, Target
from drillkit.plugin import Counted, Irreversible, Refused
from drillkit.runner.limits import effect_limits

pytestmark = pytest.mark.usefixtures("plugged_in")


@dataclass(frozen=True)
class Reboot(Irreversible):
    """What another package does to a pod."""

    kind: ClassVar[str] = "acme.reboot"
    ns: str
    name: str

    @property
    def resource(self) -> str:
        return f"shop/{self.name}"

    @property
    def reason(self) -> str:
        return "a pod that was rebooted was rebooted"

    @property
    def wait_for(self) -> str:
        return "it to be ready"

    @property
    def counts(self) -> Counted:
        return Counted(self.ns, pod=self.resource)


def notice(name: str, size: str = "board.large") -> Any:
    board = importlib.import_module("acme_drills.board")
    return board.TakeDown("http://board", name, "run", size=size)


@pytest.fixture(params=["runner", "child"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    """The journal as a step has it in the runner, and a fault in a process of its own."""
    caps = Caps(
        instance_classes=("board.*",), instance_hours=4, pods_of_run=1, never_namespaces=("pay",)
    )
    limits = effect_limits(Target(name="t", caps=caps), timedelta(hours=2))
    journal = Journal(tmp_path / "journal.jsonl", limits=limits)
    if request.param == "runner":
        yield journal
        journal.close()
        return
    ours, theirs = socket.socketpair()
    served = threading.Thread(target=serve, args=(journal, ours, "child"))
    served.start()
    remote = RemoteJournal(theirs)
    yield remote
    theirs.shutdown(socket.SHUT_RDWR)
    served.join()
    theirs.close()
    journal.close()


def test_what_another_package_pays_for_and_takes_is_counted(book: Book) -> None:
    for effect in (notice("a"), notice("b"), notice("a"), notice("c", ""), Reboot("shop", "web-1")):
        assert book.plan(effect).n
    for effect, why in (
        (notice("d"), "board/d: target `t`: 3 restored instances may live 6 hours together"),
        (notice("e", "wall.huge"), "class wall.huge is none of `caps.instance_classes`"),
        (Reboot("shop", "web-2"), r"a run may delete or evict 1 pods"),
        (Reboot("pay", "web-1"), "namespace pay may never be touched"),
    ):
        with pytest.raises(Refused, match=why):
            book.plan(effect)
