"""A fleet in the world of the crash campaign: its controller passes the doors to the cluster, the
bucket and the clock, and may end at each. What runs in the pods is played: a run takes its name
in the bucket, and comes to what its target is to come to.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from drillkit.clients import Clients
from drillkit.clients.identity import Identity
from drillkit.clients.kube import Kube
from drillkit.clients.kube.verified import VerifiedTransport
from drillkit.fleet.controller import FleetController, FleetState, FleetWorker
from drillkit.fleet.outcome import TargetOutcome
from drillkit.fleet.plan import FORMAT, FleetPlan, members_of
from drillkit.fleet.store import FleetStore, SubmittedJob
from drillkit.fleet.waves import Result
from drillkit.journal.claim import RunNote
from drillkit.journal.copy import LocalCopy
from drillkit.journal.objects import StoredObject
from drillkit.model.target import KubernetesTarget, Target
from drillkit.sandbox.kube.objects import ACCOUNTS, CONFIGMAPS, JOBS, Object
from tests.crash.bucket import Bucket
from tests.crash.world import Cluster, Fate, Wire, WorldClock

FLEET = "20260101-000000-flt2"
LONGEST_S, STOP_S = 900, 60


def a_plan(names: str, image: str = "drillkit", **more: object) -> FleetPlan:
    """Targets by letters, all in one cluster; the first one is the canary."""
    targets = [Target(name=name, kubernetes=KubernetesTarget(namespace=name)) for name in names]
    plan = FleetPlan(
        format=FORMAT,
        id=FLEET,
        drill="d",
        folder="d",
        sha256="",
        operator="me",
        begun=0.0,
        image=image,
        place="s3://bucket",
        at_once=1,
        longest_s=LONGEST_S,
        stop_s=STOP_S,
        members=members_of(targets, "1,100%", None),
        targets={each.name: each for each in targets},
        files={"drillkit.yaml": ""},
        targets_file="targets.yaml",
    )
    return plan


@dataclass
class FleetWorld:
    """What outlives the controller."""

    plan: FleetPlan
    cluster: Cluster
    objects: MutableMapping[str, bytes] = field(default_factory=dict)
    begun: dict[str, list[str]] = field(default_factory=dict)
    """UIDs of the Jobs that began a run of that name, in this order."""
    unwritten: set[str] = field(default_factory=set)
    """Jobs that were there while nothing in the bucket knew of them."""

    @classmethod
    def of(cls, plan: FleetPlan) -> FleetWorld:
        cluster = Cluster()
        for name in plan.targets:
            account = {"metadata": {"name": plan.job_of(name).service_account}}
            cluster.store.create(ACCOUNTS, account, "drillkit")
        return cls(plan, cluster)

    def fork(self) -> FleetWorld:
        return FleetWorld(self.plan, self.cluster.fork(), dict(self.objects))

    def jobs(self) -> list[Object]:
        return list(self.cluster.store.list(JOBS))

    def files(self) -> list[Object]:
        return [
            each
            for each in self.cluster.store.list(CONFIGMAPS)
            if each["metadata"]["name"].startswith("drillkit-")
        ]

    def look(self) -> None:
        """Note which runs have begun, and what stands there unwritten."""
        written = {
            json.loads(content)["job"]
            for key, content in self.objects.items()
            if key.startswith(f".fleets/{FLEET}/jobs/")
        }
        for job in self.jobs():
            name, status = job["metadata"]["name"], job.get("status") or {}
            if name not in written:
                self.unwritten.add(name)
            if status.get("ready") or status.get("succeeded"):
                uids = self.begun.setdefault(_run_of(name), [])
                if job["metadata"]["uid"] not in uids:
                    uids.append(job["metadata"]["uid"])

    def at_work(self, run: str) -> bool:
        return any(
            _run_of(job["metadata"]["name"]) == run
            and not (job.get("status") or {}).get("succeeded")
            for job in self.jobs()
        )


def _run_of(job: str) -> str:
    return job[-len(FLEET) :]


@dataclass
class FleetBucket(Bucket):
    """The bucket, in which runs that have begun have notes."""

    world: FleetWorld | None = None

    def get(self, key: str) -> StoredObject | None:
        assert self.world is not None
        self.world.look()
        if not key.startswith(".runs/"):
            return super().get(key)
        run = key.removeprefix(".runs/d/").removesuffix(".json")
        if run not in self.world.begun:
            return None
        busy = self.world.at_work(run)
        note = RunNote(run, "d", "t", "me", open=busy, writer="a pod" if busy else "")
        return StoredObject(note.encoded(), "etag", 0.0)


class PlayedWorker(FleetWorker):
    """Its clusters are the world's, and its runs are played."""

    leads_to: type[Wire] = Wire

    def __init__(
        self, world: FleetWorld, fate: Fate, results: Mapping[str, Result], **more: object
    ) -> None:
        clock = WorldClock(fate, world.cluster)
        bucket = FleetBucket(world.objects, fate, clock, world=world)
        store = FleetStore(bucket, clock, FLEET)
        super().__init__(world.plan, store, LocalCopy(Path("/nowhere"), bucket, clock), clock)
        self._results = results
        self.wire = self.leads_to(fate, world.cluster)

    def _connected(self, target: Target, expected: Identity) -> Clients:
        clients = super()._connected(target, expected)
        transport = VerifiedTransport(self.wire, expected, "the test")
        vars(clients)["kube"] = Kube(transport, self.clock, clients.fence, "the test")
        return clients

    def read_run(self, written: SubmittedJob) -> TargetOutcome:
        return TargetOutcome(
            target=written.target,
            result=self._results.get(written.target, "met"),
            why="played",
            at=self.clock.now(),
            run=written.run,
        )


MakesWorker = Callable[[FleetWorld, Fate, Mapping[str, Result]], FleetWorker]


def controlled(
    world: FleetWorld,
    fate: Fate,
    results: Mapping[str, Result] | None = None,
    make: MakesWorker = PlayedWorker,
) -> FleetState:
    """One process that takes the fleet on, to its end or its own."""
    random.seed(0)
    worker = make(world, fate, results or {})
    runs = iter(f"20260101-{fate.rng.randrange(10**6):06d}-{n:04d}" for n in range(100))
    return FleetController(worker, lambda: next(runs)).run()
