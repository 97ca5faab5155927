"""`keep` and `sweep`: a copy that somebody needs stays, what has outlived its run goes, and nothing
else does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.steps.velero.conftest import DRILL, VELERO, Town

pytestmark = pytest.mark.slow
NAMESPACES = "/api/v1/namespaces"
RUN = "20200101-030000-aaaa"


def scratches(town: Town) -> list[str]:
    names = [n["metadata"]["name"] for n in town.api.items(NAMESPACES)]
    return [name for name in names if name.startswith("dr-")]


def gone(town: Town, name: str) -> None:
    town.api("DELETE", f"{NAMESPACES}/{name}")
    town.until(lambda: town.api("GET", f"{NAMESPACES}/{name}") is None)


@pytest.fixture
def running(town: Town) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A drill whose restore is at work, and the namespace that it restores into."""
    town.knobs(slow_s={"Restore.InProgress": 3.0})
    path = town.drillkit.folder / "dr.yaml"
    path.write_text(yaml.safe_dump(DRILL))
    process = town.drillkit.start("run", str(path), "-t", "sandbox", "--yes")
    town.until(
        lambda: (
            "InProgress"
            in [r.get("status", {}).get("phase") for r in town.api.items(f"{VELERO}/restores")]
        )
    )
    yield process, scratches(town)[0]
    process.kill()
    process.communicate()
    town.drillkit("recover")
    for name in scratches(town):
        gone(town, name)


def test_a_running_drill_leaves_alone_what_somebody_wants_to_keep(
    town: Town, running: tuple[subprocess.Popen[str], str]
) -> None:
    process, scratch = running
    asked = town.drillkit("keep", town.folder.name, scratch)
    assert asked.code == 0, asked.said
    assert "will be kept" in asked.out
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    there = town.api("GET", f"{NAMESPACES}/{scratch}")
    assert not [k for k in (there["metadata"].get("labels") or {}) if k.startswith("drillkit.dev/")]
    assert town.api("GET", f"/apis/apps/v1/namespaces/{scratch}/deployments/web") is not None
    kept = [u for u in town.verdict["undos"] if u["outcome"] == "kept"]
    assert [u["resource"] for u in kept] == [f"namespace/{scratch}"]
    assert "still sealed" in kept[0]["detail"]
    swept = town.drillkit("sweep", "-t", "sandbox", "--yes")
    assert swept.code == 0
    assert scratch in scratches(town)


def test_a_copy_of_a_run_that_was_killed_is_kept_and_the_rest_recovered(
    town: Town, running: tuple[subprocess.Popen[str], str]
) -> None:
    process, scratch = running
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    run = town.folder.name
    kept = town.drillkit("keep", run, f"namespace/{scratch}")
    assert kept.code == 0, kept.said
    assert f"namespace/{scratch}: kept" in kept.out
    again = town.drillkit("keep", town.folder.name, scratch)
    assert again.code == 2
    assert "it is kept already" in again.said
    recovered = town.drillkit("recover")
    assert recovered.code in (0, 3), recovered.said
    assert scratch in scratches(town)
    assert town.api.items(f"{VELERO}/restores") == []
    assert list((town.drillkit.home / "open").iterdir()) == []


def test_what_is_gone_cannot_be_kept_and_what_never_was_is_said_so(town: Town) -> None:
    assert town.run(DRILL).code == 0
    scratch = f"dr-{town.folder.name}"
    for name, why in ((scratch, "it was removed"), ("orders", "not among what this run made")):
        ran = town.drillkit("keep", "dr/latest", name)
        assert ran.code == 2
        assert why in ran.said


def stamped(days: float) -> dict[str, str]:
    return {"drillkit.dev/expires": (datetime.now(UTC) + timedelta(days=days)).isoformat()}


def marked(name: str, *, of: str | None = None, days: float = -1.0) -> dict[str, Any]:
    """Metadata as a run of another machine left it."""
    labels = {"drillkit.dev/run": RUN, "drillkit.dev/of": of or name}
    return {"name": name, "labels": labels, "annotations": stamped(days)}


def test_only_what_has_expired_and_bears_both_marks_is_swept(town: Town) -> None:
    made = {
        "old": marked("old"),
        "young": marked("young", days=1),
        "copied": marked("copied", of="another"),
        "plain": {"name": "plain"},
        "unmarked": {"name": "unmarked", "annotations": stamped(-1)},
    }
    for meta in made.values():
        town.api("POST", NAMESPACES, {"metadata": meta})
    town.api(
        "POST",
        f"{NAMESPACES}/shop/configmaps",
        {"metadata": marked("forgotten"), "data": {"a": "1"}},
    )
    town.backup("stale")
    town.api("PATCH", f"{VELERO}/backups/stale", {"metadata": marked("stale")})
    before = town.api.items(NAMESPACES)
    try:
        listed = town.drillkit("sweep", "-t", "sandbox")
        assert listed.code == 0, listed.said
        assert "3 in all" in listed.out
        for resource in ("namespace/old", "configmap/shop/forgotten", "backup/velero/stale"):
            assert f"{resource}  of run {RUN}, expired 1 d" in listed.out
        assert len(town.api.items(NAMESPACES)) == len(before), "listing touches nothing"

        swept = town.drillkit("sweep", "-t", "sandbox", "--yes")
        assert swept.code == 0, swept.said
        assert "3 of 3 are undone" in swept.out
        left = {n["metadata"]["name"] for n in town.api.items(NAMESPACES)}
        assert "old" not in left
        assert {"young", "copied", "plain", "unmarked", "shop"} <= left
        assert town.api("GET", f"{NAMESPACES}/shop/configmaps/forgotten") is None
        assert town.api("GET", f"{VELERO}/backups/stale") is None
        assert "nothing at sandbox" in town.drillkit("sweep", "-t", "sandbox").out
    finally:
        for name in made:
            town.api("DELETE", f"{NAMESPACES}/{name}")


def test_everything_that_a_restore_makes_says_until_when_it_may_live(
    town: Town, running: tuple[subprocess.Popen[str], str]
) -> None:
    _, scratch = running
    paths = [
        f"{NAMESPACES}/{scratch}",
        *(
            f"{VELERO}/restores/{r['metadata']['name']}"
            for r in town.api.items(f"{VELERO}/restores")
        ),
    ]
    for path in paths:
        meta = town.api("GET", path)["metadata"]
        assert datetime.fromisoformat(meta["annotations"]["drillkit.dev/expires"]) > datetime.now(
            UTC
        ), json.dumps(meta)
