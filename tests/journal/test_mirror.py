"""A journal whose lines are in a bucket as well: what counts as planned, and who may write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drillkit.clock import Fence
from drillkit.journal.file import Journal, parse
from drillkit.journal.mirror import Mirror, read_parts
from drillkit.journal.objects import ListedObject, StoredObject
from drillkit.model.errors import Conflict, JournalLost, Unanswered, Unavailable
from drillkit.model.records import Progress
from tests.journal.test_journal import Uncordon, known_undo

__all__ = ["known_undo"]
RUN = "pod-delete/r1/"


class Ticking:
    """A clock that passes as it is slept on."""

    at = 1000.0

    def now(self) -> float:
        return self.at

    def mono(self) -> float:
        return self.at

    def sleep(self, seconds: float, wake: object = None) -> bool:
        self.at += seconds
        return False


class Memory:
    """A bucket in memory; `trouble` says what happens to the next writes."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.trouble: list[str] = []
        self.gone = False

    place = "memory"

    def put(self, key: str, content: bytes, *, over: str | None = None) -> str:
        trouble = self.trouble.pop(0) if self.trouble else ""
        if self.gone or trouble == "500":
            raise Unavailable("500")
        if trouble == "409":
            raise Conflict("ConditionalRequestConflict")
        if key in self.objects:
            raise Conflict("PreconditionFailed")
        self.objects[key] = content
        if trouble == "no answer":
            raise Unanswered("the connection broke")
        return "etag"

    def replace(self, key: str, content: bytes) -> str:
        self.objects[key] = content
        return "etag"

    def mark(self, key: str) -> None:
        self.objects[key] = b""

    def unmark(self, key: str) -> None:
        self.objects.pop(key, None)

    def get(self, key: str) -> StoredObject | None:
        found = self.objects.get(key)
        return None if found is None else StoredObject(found, "etag", 0.0)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        yield from (ListedObject(k, "etag") for k in sorted(self.objects) if k.startswith(prefix))


def opened(
    path: Path, store: Memory, sent: int = 0, on_lost: Callable[[str], None] = lambda why: None
) -> Journal:
    clock = Ticking()
    mirror = Mirror(store, RUN, clock, sent=sent)
    return Journal(path, clock=clock, fence=Fence(), mirror=mirror, on_lost=on_lost)


@pytest.mark.parametrize("trouble", [[], ["500"], ["409"], ["no answer"], ["500", "no answer"]])
def test_an_undo_is_planned_when_the_bucket_has_it_whatever_it_says_first(
    tmp_path: Path, trouble: list[str]
) -> None:
    store = Memory()
    store.trouble = trouble
    journal = opened(tmp_path / "journal.jsonl", store)
    journal.append(Progress("before"))
    journal.plan(Uncordon("n1"))
    kinds = [r.kind for r in parse(read_parts(store, RUN))]
    assert kinds == ["progress", "undo.planned"]
    journal.append(Progress("after"))
    journal.close()
    assert journal.unsent == ""
    assert read_parts(store, RUN) == (tmp_path / "journal.jsonl").read_bytes()


def test_without_the_bucket_nothing_begins_and_clean_up_is_written_down_here(
    tmp_path: Path,
) -> None:
    store = Memory()
    lost: list[str] = []
    journal = opened(tmp_path / "journal.jsonl", store, on_lost=lost.append)
    planned = journal.plan(Uncordon("n1"))
    store.gone = True
    for _ in range(2):
        with pytest.raises(JournalLost, match="the bucket does not take the journal: 500"):
            journal.plan(Uncordon("n2"))
    assert len(lost) == 1
    assert journal.fence.closed.is_set()
    planned.never_happened("test")
    store.gone = False
    journal.close()
    assert journal.unsent == ""
    assert read_parts(store, RUN) == (tmp_path / "journal.jsonl").read_bytes()


def test_of_two_writers_of_one_run_the_second_finds_out_and_stops(tmp_path: Path) -> None:
    store = Memory()
    first = opened(tmp_path / "first.jsonl", store)
    first.plan(Uncordon("n1"))
    (tmp_path / "second.jsonl").write_bytes(read_parts(store, RUN))
    second = opened(tmp_path / "second.jsonl", store, sent=1)
    second.plan(Uncordon("n2"))
    with pytest.raises(JournalLost, match="holds other lines than this process wrote"):
        first.plan(Uncordon("n3"))
    first.close()
    assert first.unsent, "it is not written over what the other one wrote"
    assert len(list(parse(read_parts(store, RUN)))) == 2
    second.close()
