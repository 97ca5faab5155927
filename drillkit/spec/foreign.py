"""Files of other tools, named as what they are, with what helps whoever gave one to drillkit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drillkit.lazy_dataclass import dataclass
from drillkit.model.errors import Mistake, SpecError
from drillkit.spec.document import Map, Node, Seq, Text, Where, quoted

_EXPERIMENT = "drills run Chaos Toolkit experiments: `drillkit list` shows some that do the like"
_APPLY = (
    "a drill names objects by namespace and selector; apply the file itself with `kubectl apply -f`"
)
_SLO = (
    "write it as an OpenSLO v1 document in `drills/slos/`: `drillkit docs slos` shows one, the "
    "queries stay the same"
)
_RESTORE = "a drill restores with `uses: velero.restore`: `drillkit kinds velero.restore`"
_PIPELINE = "let a job of it call `drillkit run NAME --yes`, and write what to do as a drill"
_GROUPS: tuple[tuple[str, str, str], ...] = (
    ("sloth.slok.dev/", "a Sloth SLO", _SLO),
    ("pyrra.dev/", "a Pyrra SLO", _SLO),
    ("nobl9.com/", "a Nobl9 resource", _SLO),
    (
        "openslo",
        "an OpenSLO document",
        "put it into `drills/slos/` and name it in a drill's `hypothesis`",
    ),
    (
        "litmuschaos.io/",
        "a LitmusChaos resource",
        "a ChaosEngine is run by `uses: litmus.engine` with `manifest:`: `drillkit kinds "
        "litmus.engine`",
    ),
    ("chaos-mesh.org/", "a Chaos Mesh resource", _EXPERIMENT),
    ("velero.io/", "a Velero resource", _RESTORE),
    (
        "monitoring.coreos.com/",
        "a resource of the Prometheus operator",
        "drills read alerts and metrics of the target's `prometheus`; nothing is copied from there",
    ),
    ("networking.istio.io/", "an Istio resource", _APPLY),
    ("argoproj.io/", "an Argo resource", _PIPELINE),
    ("tekton.dev/", "a Tekton resource", _PIPELINE),
    ("kustomize.config.k8s.io/", "a kustomization", "apply it with `kubectl apply -k`"),
)
"""Beginning of an `apiVersion`, what it is, and what helps. First hit wins."""
_SHAPES: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset({"chaoslib-version", "experiment"}),
        "the journal of a run by Chaos Toolkit",
        "run the experiment that it tells of: what stands under `experiment` in it",
    ),
    (
        frozenset({"service", "slos", "version"}),
        "a Sloth specification",
        _SLO,
    ),
    (
        frozenset({"prev", "kind", "mono"}),
        "a record of drillkit's journal",
        "`drillkit report FOLDER` reads it",
    ),
    (
        frozenset({"holds", "findings", "exit_code"}),
        "the verdict of a run of drillkit",
        "`drillkit report RUN` shows it; the drill stands in record 1 of the journal beside it",
    ),
    (
        frozenset({"AWSTemplateFormatVersion", "Resources"}),
        "a CloudFormation template",
        "a `command` step runs it: `run: [aws, cloudformation, deploy, ...]`",
    ),
    (
        frozenset({"actions", "stopConditions"}),
        "an experiment template of AWS FIS",
        _EXPERIMENT,
    ),
    (frozenset({"on", "jobs"}), "a GitHub workflow", _PIPELINE),
    (frozenset({"true", "jobs"}), "a GitHub workflow", _PIPELINE),
    (frozenset({"stages", "image"}), "a GitLab pipeline", _PIPELINE),
    (
        frozenset({"services.*.image"}),
        "a Compose file",
        "drills run on Kubernetes and AWS; what Compose starts is reached by `command` steps and "
        "probes only",
    ),
    (
        frozenset({"scrape_configs[]"}),
        "a configuration of Prometheus",
        "give the address of Prometheus to the target: `prometheus: {url: ...}`",
    ),
    (
        frozenset({"route", "receivers[]"}),
        "a configuration of Alertmanager",
        "give its address to the target: `prometheus: {alertmanager: ...}`",
    ),
    (frozenset({"groups[]"}), "a file of Prometheus rules", _SLO),
    (
        frozenset({"clusters[]", "contexts[]", "users[]"}),
        "a kubeconfig",
        "name it in `drills/targets.yaml`: `kubernetes: {kubeconfig: FILE, context: NAME}`",
    ),
)
"""Keys that a file has all of, what it is, and what helps. First hit wins."""
_OURS = frozenset({"drill", "steps", "title", "method"})


@dataclass(frozen=True, slots=True)
class Stranger:
    """A file of another tool."""

    what: str
    advice: str

    def instead_of(self, wanted: str) -> str:
        """A message for somebody who wanted something else of it."""
        return f"expected {wanted}, found {self.what}; {self.advice}"


def stranger(document: Node | Mapping[str, Any] | list[Any]) -> Stranger | None:
    """What a document is, if it is none of drillkit's and is known."""
    if isinstance(document, Seq | list):
        first = document.items[:1] if isinstance(document, Seq) else document[:1]
        keys = _texts(first[0]) if first else {}
        if keys.keys() >= {"hosts"} and keys.keys() & {"tasks", "roles"}:
            return Stranger("an Ansible playbook", "a `command` step runs it: `ansible-playbook`")
        return None
    keys = _texts(document)
    if keys.keys() >= {"apiVersion", "kind"}:
        return _of_kubernetes(keys)
    if keys.keys() & _OURS:
        return None
    for shape, what, advice in _SHAPES:
        if keys.keys() >= shape:
            return Stranger(what, advice)
    return None


def _of_kubernetes(keys: Mapping[str, str]) -> Stranger:
    api, kind = keys["apiVersion"], keys["kind"]
    named = f" {quoted(keys['metadata.name'])}" if keys.get("metadata.name") else ""
    if kind == "Config" and "clusters" in keys:
        _, what, advice = _SHAPES[-1]
        return Stranger(what, advice)
    for begin, what, advice in _GROUPS:
        if api.startswith(begin):
            return Stranger(f"{what} ({kind}{named})", advice)
    return Stranger(f"a Kubernetes {kind}{named} ({api})", _APPLY)


def _texts(document: Any) -> dict[str, str]:
    """The texts of a mapping by key, '' for what is no text. `KEY[]` says that a list stands there;
    `KEY.INNER` and `KEY.*.INNER` are what a mapping there holds.
    """
    found: dict[str, str] = {}
    for key, value in _pairs(document):
        found[key] = _text(value)
        if isinstance(value, Seq | list):
            found[f"{key}[]"] = ""
        for inner, deeper in _pairs(value):
            found[f"{key}.{inner}"] = _text(deeper)
            found |= {f"{key}.*.{last}": "" for last, _ in _pairs(deeper)}
    return found


def _pairs(document: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(document, Map):
        yield from ((key.text, value) for key, value in document.pairs)
    elif isinstance(document, Mapping):
        yield from document.items()


def _text(value: Any) -> str:
    if isinstance(value, Text):
        return value.text
    return value if isinstance(value, str) else ""


def refuse_stranger(document: Any, wanted: str, where: Where) -> None:
    """Raises SpecError when a document is another tool's. `wanted`: `a drill`."""
    if found := stranger(document):
        raise SpecError([Mistake(str(where), "", found.instead_of(wanted))])
