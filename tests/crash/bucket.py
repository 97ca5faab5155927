"""A bucket as a further door: each put may go wrong in every way, and the process or its whole
machine may end there. Whoever recovers has nothing but what the bucket holds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field

from drillkit.journal.mirror import Mirror, read_parts
from drillkit.journal.objects import ListedObject, StoredObject
from drillkit.model.errors import Conflict, DrillError, Unanswered, Unavailable
from tests.crash.campaign import Trial, _begun, _differences
from tests.crash.scenarios import Scenario
from tests.crash.world import Cluster, Dead, Fate, Stage, WorldClock, recover

FOLDER = "drill/run/"
SLOW_S = 30.0
PUTS_GO_WRONG = ("slow", "409", "412", "500", "no answer", "gone")


@dataclass
class Bucket:
    """`ObjectStore` in memory, as one process sees it."""

    objects: MutableMapping[str, bytes]
    fate: Fate
    clock: WorldClock
    blow: tuple[int, str] = (0, "")
    """Put number so and so goes wrong in that way; once gone it stays so for this process."""
    place: str = "s3://bucket"
    puts: int = 0
    gone: bool = False
    marks: set[str] = field(default_factory=set)

    def put(self, key: str, content: bytes, *, over: str | None = None) -> str:
        self.puts += 1
        self.fate.door("before a put")
        wrong = self.blow[1] if self.puts == self.blow[0] else ""
        self.gone |= wrong == "gone"
        if wrong == "slow":
            self.clock.sleep(SLOW_S)
        if wrong == "500" or self.gone:
            raise Unavailable("InternalError")
        if wrong in ("409", "412") or key in self.objects:
            raise Conflict("ConditionalRequestConflict" if wrong == "409" else "PreconditionFailed")
        self.objects[key] = content
        self.fate.door("after a put")
        if wrong == "no answer":
            raise Unanswered("the connection broke")
        return "etag"

    def replace(self, key: str, content: bytes) -> str:
        raise NotImplementedError

    def mark(self, key: str) -> None:
        raise NotImplementedError

    def unmark(self, key: str) -> None:
        raise NotImplementedError

    def get(self, key: str) -> StoredObject | None:
        if self.gone:
            raise Unavailable("InternalError")
        found = self.objects.get(key)
        return None if found is None else StoredObject(found, "etag", 0.0)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        yield from (ListedObject(k, "etag") for k in sorted(self.objects) if k.startswith(prefix))


MakesMirror = Callable[[Bucket, WorldClock, int], Mirror]


def lawful(bucket: Bucket, clock: WorldClock, sent: int) -> Mirror:
    return Mirror(bucket, FOLDER, clock, sent=sent)


class Hasty(Mirror):
    """Says that the bucket has a line before it has."""

    def ship(self, upto: int, patience_s: float = 0.0) -> None:
        return


def hasty(bucket: Bucket, clock: WorldClock, sent: int) -> Mirror:
    return Hasty(bucket, FOLDER, clock, sent=sent)


def machines_lost(scenario: Scenario, make: MakesMirror = lawful) -> Iterator[Trial]:
    """The machine ends at each door in turn, with its disk."""
    rehearsal = Fate(random.Random(0))
    _act(scenario, _begun(scenario)[0].fork(), rehearsal, {}, make)
    for end_at in range(1, rehearsal.n + 1):
        fate, objects = Fate(random.Random(end_at), end_at), dict[str, bytes]()
        cluster = _begun(scenario)[0].fork()
        _act(scenario, cluster, fate, objects, make)
        trial = Trial(fate.where, [])
        _elsewhere(cluster, objects, trial)
        yield _compared(scenario, cluster, trial)


def puts_go_wrong(scenario: Scenario) -> Iterator[Trial]:
    """Each put goes wrong in every way, and the process goes on as long as it may; then it cleans
    up, and so does another machine that knows what the bucket holds.
    """
    counted = _act(scenario, _begun(scenario)[0].fork(), Fate(random.Random(0)), {}, lawful)[1]
    for number in range(1, counted.puts + 1):
        for wrong in PUTS_GO_WRONG:
            objects = dict[str, bytes]()
            cluster, fate = _begun(scenario)[0].fork(), Fate(random.Random(number))
            blow = (number, wrong)
            stage, bucket = _act(scenario, cluster, fate, objects, lawful, blow)
            trial = Trial(f"put {number}: {wrong}, {fate.where}", [])
            assert not stage.journal.lost, "the journal here goes on"
            recover(stage)
            stage.journal.close()
            assert bool(stage.journal.unsent) == bucket.gone, trial.where
            _elsewhere(cluster, objects, trial)
            yield _compared(scenario, cluster, trial)


def _act(
    scenario: Scenario,
    cluster: Cluster,
    fate: Fate,
    objects: MutableMapping[str, bytes],
    make: MakesMirror,
    blow: tuple[int, str] = (0, ""),
) -> tuple[Stage, Bucket]:
    random.seed(0)
    buckets: list[Bucket] = []

    def mirror(clock: WorldClock) -> Mirror:
        buckets.append(Bucket(objects, fate, clock, blow))
        return make(buckets[0], clock, 0)

    stage = Stage.open(cluster, fate, mirror=mirror)
    try:
        scenario.act(stage)
    except Dead:
        pass
    except DrillError as error:
        fate.where = f"failed: {error}"
    return stage, buckets[0]


def _elsewhere(cluster: Cluster, objects: MutableMapping[str, bytes], trial: Trial) -> None:
    """Another machine recovers: it has the bucket and nothing else."""
    fate = Fate(random.Random(1))
    content = read_parts(Bucket(objects, fate, WorldClock(fate, cluster)), FOLDER)
    sent = content.count(b"\n")

    def mirror(clock: WorldClock) -> Mirror:
        return lawful(Bucket(objects, fate, clock), clock, sent)

    stage = Stage.open(cluster, fate, content, mirror=mirror)
    cleaned = recover(stage)
    stage.journal.close()
    assert not stage.journal.unsent
    assert read_parts(Bucket(objects, fate, stage.clock), FOLDER) == stage.disk.content()
    trial.recoveries += [f"{each.undo.resource}: {each.undone.outcome}" for each in cleaned.ended]
    trial.recoveries += [f"{each.undo.resource}: open: {each.why}" for each in cleaned.failed]


def _compared(scenario: Scenario, cluster: Cluster, trial: Trial) -> Trial:
    cluster.advance(120)
    after, before = cluster.inventory(), _begun(scenario)[1]
    scenario.forgive(after)
    trial.differs = list(_differences(before, after))
    return trial
