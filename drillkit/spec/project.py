"""`drillkit.yaml`: what a project says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import UsageError
from drillkit.model.notice import Notify
from drillkit.spec.binder import bind
from drillkit.spec.document import Mistakes, Text, lookup, read_bytes, read_one
from drillkit.spec.misplaced_keys import Places

if TYPE_CHECKING:
    from drillkit.clients.bucket import BucketUrl

MARKER = "drillkit.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Where it is sent what a run came to, when it is over."""

    push: str | None = None
    """Base URL of a Prometheus Pushgateway. `run --metrics-push` names another one."""
    traces: str | None = None
    """Base URL of an OTLP/HTTP endpoint, such as `http://collector:4318`: a trace whose spans are
    the run, its steps and its effects.
    """
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the requests to both; a value may be a reference (`env:NAME`, `file:PATH`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`drillkit.yaml`: marks the folder that drills, experiments and targets belong to. It may
    be empty.
    """

    target: str | None = None
    """Target of drills that name none, when neither `--target` nor DRILLKIT_TARGET is given."""
    drills: str = "drills"
    """Folder of drills, relative to this file."""
    experiments: str = "experiments"
    """Folder of Chaos Toolkit experiments."""
    slos: str = "drills/slos"
    """Folder of OpenSLO documents."""
    targets: str = "drills/targets.yaml"
    """File of targets."""
    reports: str = "reports"
    """Folder that runs are written to, or a bucket: `s3://BUCKET/PREFIX`, as `--out` takes it."""
    notify: tuple[Notify, ...] = ()
    """Who is told what happens to drills; see `drillkit docs unattended`."""
    report_url: str | None = None
    """Where the folder of runs is served: messages link to DRILL/RUN/report.html below it."""
    telemetry: Telemetry = Telemetry()
    """Metrics and traces of runs; see `drillkit docs unattended`."""


def shown(path: Path) -> str:
    """A path as people read it: relative to the working folder when it is below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def read_project(file: Path) -> Project:
    """The content of a `drillkit.yaml`. From here on it is known that what its references lead to
    is secret: no process that is started inherits it. Raises SpecError.
    """
    mistakes = Mistakes(Places(Project, "the top of the file").hint)
    node = read_one(shown(file), read_bytes(file))
    if isinstance(node, Text) and node.plain and not node.text:
        return Project()
    project = bind(Project, node, mistakes)
    if isinstance(project, Project) and "://" in project.reports:
        try:
            reports_bucket(project)
        except UsageError as error:
            mistakes.add(lookup(node, ("reports",)), ("reports",), str(error))
    mistakes.settle()
    assert isinstance(project, Project)
    if project.notify or project.telemetry.headers:
        from drillkit.model.codec import to_data
        from drillkit.secrets import learn

        learn(to_data((project.notify, project.telemetry.headers)))
    return project


def reports_bucket(project: Project) -> BucketUrl | None:
    """The bucket that `reports` names; None: it is a folder. Raises UsageError."""
    if "://" not in project.reports:
        return None
    from drillkit.clients.bucket import BucketUrl

    return BucketUrl.parse(project.reports)
