"""What went over the wire while a drill was planned and run, against what its plan said."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from drillkit.model.permissions import AwsAction, Permission
from tests.conftest import CommandLine
from tests.drills.conftest import Playground

IDLE_SHARE = 0.1
"""What a plan may say beyond what was asked."""
AT_TIMES = {
    "patch leases.coordination.k8s.io": "a run that ends before its lock must be renewed",
    "patch persistentvolumes": "volumes of the copy that would stay after it",
    "delete persistentvolumes": "volumes of the copy that name a disk of the original",
    "kms:": "AWS does it by itself with the copy's maker's rights",
    "rds:AddTagsToResource": "AWS checks it with the call that makes something",
    "elasticache:AddTagsToResource": "AWS checks it with the call that makes something",
    "rds:CopyDBParameterGroup": "an original with parameters of its own",
    "rds:CopyDBClusterParameterGroup": "an original with parameters of its own",
    "rds:DescribeEvents": "a copy that fails says why",
    "rds:ModifyDBInstance": "a copy that inherited a protection against deletion",
    "rds:ModifyDBCluster": "a copy that inherited a protection against deletion",
    "rds:RebootDBInstance": "a copy whose parameters take effect with a restart",
    "rds:DescribeDBClusters": "backups of Aurora",
    "rds:DescribeDBClusterSnapshots": "backups of Aurora",
}
"""What only some worlds make a drill ask, and which: the beginnings of permissions."""
UNCHECKED = ("sts:GetCallerIdentity",)
"""What AWS lets everybody do, whatever a policy says."""
PARTS = {"retention": "GetObjectRetention", "object-lock": "GetBucketObjectLockConfiguration"}
"""What is read of S3 besides objects."""
ASKING = "authorization.k8s.io"
OURS = "drillkit"
"""How drillkit calls itself: the practice Velero and these tests have the same keys."""


class Wire:
    """What the drills' account asks from now on."""

    def __init__(self, drillkit: CommandLine, world: Playground) -> None:
        self._log = drillkit.home / "sandbox" / "audit.jsonl"
        self._from = self._log.stat().st_size
        self._aws = dict(world.endpoints.get("aws") or {})
        self._after = max((call["number"] for call in self._calls(0)), default=0)

    def must_be(
        self, said: list[Permission], actions: Iterable[AwsAction], *, denied: int | None = None
    ) -> None:
        """All that was asked was said; of what was said a tenth at most was not asked.

        `denied`: how often something was looked at that the roles do not grant, which alone is
        asked by itself; None where nobody counts.
        """
        if denied is not None:
            assert self._questions().count("selfsubjectaccessreviews") <= denied
        asked, done = self._asked(), self._done()
        beyond = [str(each) for each in asked if not any(grants(one, each) for one in said)]
        named = {each.action for each in actions}
        beyond += sorted(done - named)
        assert beyond == [], f"asked and not said: {beyond}"
        idle = [str(each) for each in said if not any(grants(each, one) for one in asked)]
        idle += sorted(named - done)
        idle = [each for each in idle if not each.startswith((*AT_TIMES, *UNCHECKED))]
        assert len(idle) <= IDLE_SHARE * (len(said) + len(named)), idle

    def _asked(self) -> set[Permission]:
        """Each call to the cluster as the permission that it takes, with its names."""
        keys = ("verb", "resource", "group", "subresource", "namespace", "name")
        return {
            Permission(*(call[key] for key in keys))
            for call in self._of_the_drill()
            if call["group"] != ASKING  # everybody may ask about oneself
        }

    def _questions(self) -> list[str]:
        """How the drill's account asked what it may."""
        return [call["resource"] for call in self._of_the_drill() if call["group"] == ASKING]

    def _of_the_drill(self) -> list[Mapping[str, Any]]:
        with self._log.open() as log:
            log.seek(self._from)
            calls = [json.loads(line) for line in log]
        return [call for call in calls if call["user"].endswith(":drill") and "resource" in call]

    def _done(self) -> set[str]:
        """Each call to AWS as the action that it takes."""
        calls = [each for each in self._calls(self._after) if OURS in each["agent"]]
        return {action for each in calls if (action := _action(each)) not in UNCHECKED}

    def _calls(self, after: int) -> list[Mapping[str, Any]]:
        if not self._aws:
            return []
        control = self._aws["control"]
        url = f"{self._aws['endpoint_url']}{control['path']}/calls?after={after}"
        asked = urllib.request.Request(url, headers={control["header"]: control["token"]})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            calls: list[Mapping[str, Any]] = json.load(answer)
        return calls


def _action(call: Mapping[str, Any]) -> str:
    """What a policy calls it."""
    if call["service"] != "s3":
        return f"{call['service']}:{call['action']}"
    asked = str(call["params"].get("query", ""))
    return "s3:" + next((name for part, name in PARTS.items() if part in asked), "GetObject")


def grants(permission: Permission, call: Permission) -> bool:
    """Whether it allows that call: there or everywhere, by its name or for any."""
    narrow = replace(
        call,
        namespace=call.namespace if permission.namespace else "",
        name=call.name if permission.name else "",
    )
    return permission == narrow
