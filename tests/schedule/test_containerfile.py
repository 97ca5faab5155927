"""The image's steps, done one after the other in a fresh folder: there is no builder here, and no
network. So the base is the Python of the tests, and the packages that drillkit depends on are
theirs; everything else happens as it is written.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from drillkit.schedule.kubernetes import manifests
from tests.conftest import ROOT
from tests.schedule.test_forms import NOW, job

FILE = ROOT / "Containerfile"
PLACES = ("/opt/drillkit", "/etc/drillkit", "/var/lib/drillkit", "/src")


def instructions() -> Iterator[tuple[str, str]]:
    for line in FILE.read_text().splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


@dataclass
class Built:
    """What the steps came to."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    entrypoint: list[str] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    workdir: str = "/"

    def here(self, text: str) -> str:
        """A text of the file with the image's places in the fresh folder."""
        for place in PLACES:
            text = re.sub(rf"(?<![\w.]){place}\b", f"{self.root}{place}", text)
        return text

    def env(self) -> dict[str, str]:
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        own = {k: self.here(v).replace("$PATH", path) for k, v in self.environment.items()}
        return {"PATH": path, **offline, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **own}

    def run(self, command: str) -> None:
        folder = self.here(self.workdir)
        Path(folder).mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["/bin/sh", "-c", self.here(command)],
            cwd=folder,
            env=self.env(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"RUN {command}\n{done.stdout}{done.stderr}"
        if " -m venv " in command:
            # What drillkit depends on, and what builds it: the image asks an index for them.
            (packages,) = (self.root / "opt/drillkit/lib").glob("python*/site-packages")
            (packages / "of_the_tests.pth").write_text("\n".join(site.getsitepackages()))

    def copy(self, words: list[str]) -> None:
        *sources, into = words
        if sources[0].startswith("--from="):
            assert sources[1] == into, "the stages share one folder here"
            shutil.rmtree(self.root / "src")  # the second stage has nothing else of the first
            return
        target = Path(self.here(self.workdir)) / into
        for source in sources:
            found = ROOT / source
            if found.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(found, target, dirs_exist_ok=True, ignore=ignored)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The image's program, as its user, where that one may read the tests' own Python."""
        uid, _, gid = self.user.partition(":")
        user: Any = {}
        if _may_be(uid):
            user = {"user": int(uid), "group": int(gid), "extra_groups": []}
        return subprocess.run(
            [*self.entrypoint, *words],
            cwd=self.here(self.workdir),
            env=self.env(),
            capture_output=True,
            text=True,
            check=False,
            **user,
        )


def _may_be(uid: str) -> bool:
    if os.getuid() != 0:
        return False
    python = os.path.realpath(sys.executable)
    try:
        subprocess.run([python, "-c", "pass"], user=int(uid), check=True, capture_output=True)
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


@pytest.fixture(scope="module")
def image() -> Iterator[Built]:
    # pytest's own folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="drillkit-image-"))
    folder.chmod(0o755)
    built = Built(folder)
    values: dict[str, str] = {}
    try:
        for word, rest in instructions():
            match word:
                case "ARG":
                    name, _, value = rest.partition("=")
                    values[name] = value
                case "FROM":
                    base = rest.split()[0].replace("${BASE}", values["BASE"])
                    built.bases.append(base)
                    built.environment, built.workdir = {}, "/"
                case "WORKDIR":
                    built.workdir = rest
                case "COPY":
                    built.copy(shlex.split(rest))
                case "RUN":
                    built.run(rest)
                case "ENV":
                    built.environment |= dict(each.split("=", 1) for each in shlex.split(rest))
                case "USER":
                    built.user = rest
                case "ENTRYPOINT":
                    built.entrypoint = json.loads(rest)
                case "CMD":
                    assert json.loads(rest) == ["--help"]
                case other:
                    pytest.fail(f"the test does not know {other}")
        yield built
    finally:
        shutil.rmtree(folder)


@pytest.mark.slow
def test_the_image_holds_a_drillkit_that_needs_nothing_else_and_is_no_root(image: Built) -> None:
    assert len(set(image.bases)) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-\w+", image.bases[0])
    assert image.user == "65532:65532"
    assert not (image.root / "src").exists()
    program = shutil.which(image.entrypoint[0], path=image.env()["PATH"])
    assert program == str(image.root / "opt/drillkit/bin/drillkit")
    ask = [str(image.root / "opt/drillkit/bin/python"), "-c", "import drillkit; print(drillkit)"]
    told = subprocess.run(
        ask, cwd=image.root, env=image.env(), capture_output=True, text=True, check=True
    )
    assert str(image.root / "opt/drillkit/lib") in told.stdout, "it is the one that was built"
    version = image("version")
    assert version.returncode == 0, version.stderr
    listed = image("list")
    assert "monthly-dr" in listed.stdout, "its drills are in it: " + listed.stderr
    assert image("validate", "pod-delete").returncode == 0


def test_the_cronjob_runs_the_image_as_it_was_made(tmp_path: Path) -> None:
    said = dict(instructions())
    text = manifests(
        job(tmp_path), NOW, image="registry.example.com/drillkit", namespace="drillkit", files={}
    )
    (cron_job,) = (each for each in yaml.safe_load_all(text) if each["kind"] == "CronJob")
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == json.loads(said["ENTRYPOINT"])
    security = pod["securityContext"]
    assert said["USER"] == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert container["workingDir"] == said["WORKDIR"]
    made = dict(each.split("=", 1) for each in said["ENV"].split())
    for each in container["env"]:
        assert made[each["name"]] == each["value"]
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {"/var/lib/drillkit", "/etc/drillkit", "/tmp"} <= mounts
