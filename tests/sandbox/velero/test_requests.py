"""Downloads over real HTTP with an expiry, the server's version, S3, the event loop, Velero's
own schemas.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from drillkit.sandbox.kube.objects import Object
from drillkit.sandbox.kube.seed import seed
from drillkit.sandbox.kube.store import Store
from drillkit.sandbox.velero import VeleroController, install, run_velero
from drillkit.sandbox.velero.blobs import FolderBlobs, MemoryBlobs, S3Blobs, UrlServer
from drillkit.sandbox.velero.names import BACKUPS, DOWNLOADS, SCHEDULES


def test_results_are_downloaded_by_a_url_that_lives_ten_minutes(world):
    server = UrlServer(world.blobs, now=lambda: world.clock.time.timestamp())
    try:
        world.backup("b1")
        world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
        world.make(DOWNLOADS, "d1", spec={"target": {"kind": "RestoreResults", "name": "r1"}})
        world.make(
            DOWNLOADS, "d2", spec={"target": {"kind": "CSIBackupVolumeSnapshots", "name": "b1"}}
        )
        world.run()
        url = world.status(DOWNLOADS, "d1")["downloadURL"]
        with urllib.request.urlopen(url) as answer:
            assert json.loads(gzip.decompress(answer.read())) == {"errors": {}, "warnings": {}}
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(world.status(DOWNLOADS, "d2")["downloadURL"])
        assert world.status(DOWNLOADS, "d1")["expiration"] == "2026-03-01T03:10:00Z"
        world.run(601)
        assert world.get(DOWNLOADS, "d1") is None
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(url)
    finally:
        server.stop()


def test_a_download_of_nothing_or_without_a_bucket_stays_new(world):
    world.make(DOWNLOADS, "d1", spec={"target": {"kind": "RestoreResults", "name": "nobody"}})
    world.run(30)
    assert world.status(DOWNLOADS, "d1") == {"phase": "New"}
    world.backup("b1")
    world.knobs.location_unavailable = "away"
    world.make(DOWNLOADS, "d2", spec={"target": {"kind": "BackupLog", "name": "b1"}})
    world.run(30)
    assert world.status(DOWNLOADS, "d2") == {"phase": "New"}
    world.knobs.location_unavailable = ""
    world.run(5)
    assert world.status(DOWNLOADS, "d2")["phase"] == "Processed"


def test_a_folder_is_a_bucket_too(tmp_path: Path):
    blobs = FolderBlobs(tmp_path)
    blobs.put("a/b/c", b"1")
    blobs.put("a/d", b"2")
    assert blobs.list("a/") == ["a/b/c", "a/d"]
    assert blobs.get("a/b/c") == b"1"
    blobs.delete("a/b/c")
    blobs.delete("a/b/c")
    assert blobs.get("a/b/c") is None


async def take_one_backup(store: Store, controller: VeleroController) -> None:
    task = asyncio.create_task(run_velero(store, controller))
    try:
        store.create(
            BACKUPS,
            {"metadata": {"name": "b1"}, "spec": {"includedNamespaces": ["default"]}},
            "velero",
        )
        async with asyncio.timeout(5):
            while (store.need(BACKUPS, "velero", "b1").get("status") or {}).get(
                "phase"
            ) != "Completed":
                await asyncio.sleep(0.01)
    finally:
        task.cancel()


def loop_takes_a_backup(blobs: Any) -> Store:
    store = Store()
    seed(store)
    install(store)
    asyncio.run(take_one_backup(store, VeleroController(store, blobs)))
    return store


def test_the_event_loop_reacts_to_new_objects():
    loop_takes_a_backup(MemoryBlobs())


@pytest.mark.slow
def test_backups_are_kept_in_s3_and_read_back_by_presigned_urls(tmp_path: Path):
    from drillkit.sandbox.aws import start_aws
    from drillkit.sandbox.aws.postgres.tools import PostgresMissing, find_postgres

    try:
        find_postgres()
    except PostgresMissing as error:
        pytest.skip(str(error))
    aws = start_aws(tmp_path, cache=tmp_path / "cache")
    try:
        blobs = S3Blobs(aws.endpoint, aws.bucket, aws.region, aws.access_key)
        loop_takes_a_backup(blobs)
        assert "backups/b1/b1.tar.gz" in blobs.list("backups/")
        assert blobs.get("backups/b1/none") is None
        with urllib.request.urlopen(blobs.url("backups/b1/b1-resource-list.json.gz", 60)) as answer:
            assert json.loads(gzip.decompress(answer.read()))["v1/Namespace"] == ["default"]
        blobs.delete("backups/b1/b1.tar.gz")
        assert blobs.get("backups/b1/b1.tar.gz") is None
    finally:
        aws.stop()


def strict(schema: Any) -> Any:
    """A custom resource's schema as JSON Schema: unknown fields refused, nullable honoured."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if made.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    open_ended = made.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in made
    if "properties" in made and made.get("type") == "object" and not open_ended:
        made["additionalProperties"] = False
    return made


def schema_of(folder: Path, plural: str) -> Any:
    definition = yaml.safe_load((folder / f"velero.io_{plural}.yaml").read_text(encoding="utf-8"))
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    return strict(schema)


@pytest.fixture
def definitions() -> Path:
    folder = os.environ.get("DRILLKIT_CRDS")
    if not folder or not Path(folder).is_dir():
        pytest.skip(
            "DRILLKIT_CRDS does not name a folder with Velero's own custom resource definitions"
        )
    return Path(folder)


def test_everything_written_fits_veleros_own_schemas(world, definitions):
    seen: list[Object] = []
    world.store.subscribe(
        lambda event: seen.append(event.object) if event.gvr[0] == "velero.io" else None
    )
    world.make(
        SCHEDULES,
        "daily",
        spec={"schedule": "5 3 * * *", "template": {"includedNamespaces": ["shop"]}},
    )
    world.backup("b1")
    world.knobs.end.append({"kind": "Restore", "match": "r2", "phase": "PartiallyFailed"})
    world.restore("r1", backupName="b1", namespaceMapping={"shop": "dr"})
    world.restore("r2", backupName="b1", namespaceMapping={"shop": "dr"})
    world.restore("r3")
    world.make(DOWNLOADS, "d1", spec={"target": {"kind": "RestoreResults", "name": "r1"}})
    world.make(("velero.io", "deletebackuprequests"), "x1", spec={"backupName": "b1"})
    world.make(("velero.io", "deletebackuprequests"), "x2", spec={"backupName": "nobody"})
    world.run(301)
    plurals = {
        "Backup": "backups",
        "Restore": "restores",
        "Schedule": "schedules",
        "DownloadRequest": "downloadrequests",
        "BackupStorageLocation": "backupstoragelocations",
        "DeleteBackupRequest": "deletebackuprequests",
    }
    checked = set()
    for obj in seen:
        jsonschema.validate(obj, schema_of(definitions, plurals[obj["kind"]]))
        checked.add(obj["kind"])
    assert checked >= set(plurals) - {"BackupStorageLocation"}
    jsonschema.validate(
        world.store.need(("velero.io", "backupstoragelocations"), "velero", "default"),
        schema_of(definitions, "backupstoragelocations"),
    )
