"""The first files of a project, with comments that explain them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from drillkit.model.errors import UsageError
from drillkit.spec.project import MARKER, shown

_DRILL = """\
# A drill rehearses one disaster and proves what came of it.
#   drillkit validate {name}     look for mistakes
#   drillkit plan {name}         show what it would touch, and how that is undone
#   drillkit run {name} --target sandbox
drill: {name}
description: One web pod is deleted while users are served.
owner: platform@example.com

# The whole drill is aborted after this; clean-up has a limit of its own (cleanup_limit).
limit: 10m

# Values that --set key=value replaces; used below as ${{namespace}}.
vars:
  namespace: shop
  selector: app=web
  count: 1

# What is measured all along. 20 requests a second find an outage of 0.1 s.
probes:
  web: {{http: "${{target.urls.web}}/health", rate: 20/s}}

# The steady state. `before` missed: nothing is touched. `during` and `after` missed: the drill is
# violated. What is not declared here is observed and reported, but not judged.
hypothesis:
  before: {{web: {{bad: 2 of 200}}}}
  during: {{web: {{bad: 20, longest_gap: 5s}}}}
  after: {{web: {{bad: 2 of 200, within: 3m}}}}

# What to do, in order. `drillkit kinds` lists the kinds of step. An experiment is a Chaos Toolkit
# file in experiments/, or one that ships: `drillkit list` shows them.
steps:
  - name: kill
    uses: chaostoolkit
    with:
      experiment: pod-delete
      configuration: {{namespace: "${{namespace}}", selector: "${{selector}}", count: "${{count}}"}}
    objectives: {{recovery: 2m}}
    # on_failure: continue     # later steps run all the same
"""

_PROJECT = """\
# Marks the folder that drills, experiments and targets belong to. Every key has a default; these
# are they.
# target: staging               # when neither --target nor the drill nor DRILLKIT_TARGET names one
# drills: drills
# experiments: experiments
# slos: drills/slos
# targets: drills/targets.yaml
# reports: reports
"""

_TARGETS = """\
# Where drills run: what must not travel with them. The target `sandbox` ships with drillkit.
# A target pins what it is, so that a drill never runs elsewhere by mistake; secrets are references
# (env:, file:).
#
# staging:
#   kubernetes:
#     context: staging
#     # kubectl get namespace kube-system -o jsonpath={.metadata.uid}
#     cluster_uid: 00000000-0000-0000-0000-000000000000
#   urls:
#     web: https://shop.staging.example.com
#   prometheus:
#     url: https://prometheus.staging.example.com
#     bearer: env:PROMETHEUS_TOKEN
#   caps: {pods: 50%, nodes: 1}
"""


def first_drill(name: str = "first") -> str:
    """The text of a commented drill. Raises UsageError for a name that a drill cannot have."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        raise UsageError(
            f"expected a name of lower-case letters, digits and dashes, found {name!r}"
        )
    return _DRILL.format(name=name)


def write_first(folder: Path, name: str = "first") -> list[Path]:
    """Write `drillkit.yaml`, `drills/targets.yaml` and the drill; existing files of a project stay
    as they are.

    Gives the files written. Raises UsageError when the drill exists or the folder cannot
    be written.
    """
    drill = folder / "drills" / f"{name}.yaml"
    texts = {
        folder / MARKER: _PROJECT,
        folder / "drills" / "targets.yaml": _TARGETS,
        drill: first_drill(name),
    }
    if os.path.lexists(drill):
        raise UsageError(f"{shown(drill)} exists already; choose another name: drillkit init NAME")
    written: list[Path] = []
    try:
        drill.parent.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            if path == drill or not path.exists():
                with path.open("x", encoding="utf-8") as file:
                    file.write(text)
                written.append(path)
    except OSError as error:
        raise UsageError(f"{shown(folder)} cannot be written: {error.strerror or error}") from error
    return written
