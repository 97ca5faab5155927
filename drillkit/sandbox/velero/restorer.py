"""One restore at work: items of a backup created in the cluster, in Velero's order, a few at
a time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from drillkit.sandbox.kube.errors import ApiError
from drillkit.sandbox.kube.objects import NAMESPACES, Gvr, Object, clone, is_terminating, owners_of
from drillkit.sandbox.velero.archive import Item
from drillkit.sandbox.velero.context import ControllerContext, Results
from drillkit.sandbox.velero.modifiers import Rule, modify
from drillkit.sandbox.velero.names import BACKUP_NAME, RESTORE_NAME, VOLUMES, label_value
from drillkit.sandbox.velero.selection import NEVER, Selection
from drillkit.sandbox.velero.volumes import VolumePlan

_RBAC = "rbac.authorization.k8s.io"
FIRST = (
    "customresourcedefinitions.apiextensions.k8s.io",
    "namespaces",
    "storageclasses.storage.k8s.io",
    "persistentvolumes",
    "persistentvolumeclaims",
    f"clusterroles.{_RBAC}",
    f"roles.{_RBAC}",
    "serviceaccounts",
    f"clusterrolebindings.{_RBAC}",
    f"rolebindings.{_RBAC}",
    "secrets",
    "configmaps",
    "limitranges",
    "pods",
    "replicasets.apps",
)
"""What is restored before everything else, in this order; the rest follows by name."""
TERMINATING_LIMIT = timedelta(minutes=10)
CARRIED = ("name", "namespace", "generateName", "labels", "annotations")
"""What survives of an object's metadata."""


def in_order(items: list[Item]) -> list[Item]:
    """Velero's order of resources; within one by namespace and name."""
    rank = {name: number for number, name in enumerate(FIRST)}
    return sorted(items, key=lambda item: (rank.get(item.group_resource, len(FIRST)), item.path))


@dataclass
class Progress:
    """What became of the items."""

    errors: Results = field(default_factory=Results)
    warnings: Results = field(default_factory=Results)
    log: list[str] = field(default_factory=list)
    listed: dict[str, list[str]] = field(default_factory=dict)
    done: int = 0

    def note(self, obj: Object, what: str) -> None:
        """`created`, `updated`, `skipped` or `failed`, as the resource list shows it."""
        meta = obj["metadata"]
        place = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
        self.listed.setdefault(f"{obj['apiVersion']}/{obj['kind']}", []).append(f"{place}({what})")
        self.log.append(f'level=info msg="{what}" resource={obj["kind"]} name={place}')


class Restorer:
    """Restores item by item; `step` goes on until a share of them is done or something must be
    waited for.
    """

    def __init__(
        self,
        context: ControllerContext,
        restore: Object,
        items: list[Item],
        wanted: Selection,
        rules: list[Rule],
        volumes: VolumePlan,
    ) -> None:
        self._context = context
        self._restore = restore
        self._spec: Object = restore["spec"]
        self._mapping: dict[str, str] = self._spec.get("namespaceMapping") or {}
        self._rules = rules
        self._volumes = volumes
        self._spaces = {
            item.name: item.object for item in items if item.group_resource == "namespaces"
        }
        self._queue = in_order([item for item in items if self._means(item, wanted, items)])
        self._waiting_since: dict[str, datetime] = {}
        self.total = len(self._queue)
        self.progress = Progress()

    def _means(self, item: Item, wanted: Selection, items: list[Item]) -> bool:
        if (
            item.group_resource in NEVER
            or not wanted.resource(item.group_resource)
            or not wanted.labels(item.object)
        ):
            return False
        if item.group_resource == "namespaces":
            return wanted.namespace(item.name)
        if item.namespace:
            return wanted.namespace(item.namespace)
        if wanted.cluster_resources is not None:
            return wanted.cluster_resources
        if item.group_resource == "persistentvolumes":
            claim = item.object["spec"].get("claimRef") or {}
            return wanted.every_namespace() or wanted.namespace(claim.get("namespace", ""))
        if item.group_resource.startswith("customresourcedefinitions"):
            return True
        return wanted.every_namespace() or item.group_resource in wanted.included_resources

    @property
    def finished(self) -> bool:
        return self.progress.done >= self.total

    def step(self, share: float) -> None:
        """Restores items until `share` (0 to 1) of all is done, or a terminating namespace must be
        waited for.
        """
        goal = int(self.total * share + 1e-9)
        while self.progress.done < goal:
            item = self._queue[self.progress.done]
            if not self._space_ready(item):
                return
            self._one(item)
            self.progress.done += 1

    def _space_ready(self, item: Item) -> bool:
        """Makes the target namespace if need be; False while one of that name is still on its
        way out.
        """
        source = item.name if item.group_resource == "namespaces" else item.namespace
        if not source:
            return True
        target = self._mapping.get(source, source)
        existing = self._context.store.get(NAMESPACES, "", target)
        if existing is not None and is_terminating(existing):
            since = self._waiting_since.setdefault(target, self._context.now())
            if self._context.now() < since + TERMINATING_LIMIT:
                self._context.wake(self._context.now() + timedelta(seconds=0.2))
                return False
            return True  # the creation's refusal is the error to report
        if existing is None and item.group_resource != "namespaces":
            self._create_space(source, target)
        return True

    def _create_space(self, source: str, target: str) -> None:
        meta = (self._spaces.get(source) or {}).get("metadata") or {}
        labels = {
            key: value
            for key, value in (meta.get("labels") or {}).items()
            if key != "kubernetes.io/metadata.name"
        }
        space: Object = {
            "metadata": {
                "name": target,
                "labels": labels,
                "annotations": meta.get("annotations") or {},
            }
        }
        try:
            self._context.store.create(NAMESPACES, self._labelled(space))
            self._context.changed = True
        except ApiError as error:
            self.progress.errors.add(target, f"error creating namespace {target}: {error.message}")

    def _labelled(self, obj: Object) -> Object:
        labels = obj["metadata"].setdefault("labels", {}) or {}
        obj["metadata"]["labels"] = labels | {
            BACKUP_NAME: label_value(self._spec["backupName"]),
            RESTORE_NAME: label_value(self._restore["metadata"]["name"]),
        }
        return obj

    def _one(self, item: Item) -> None:
        gvr = _gvr(item)
        if reason := self._skipped(item):
            self.progress.log.append(f'level=info msg="{reason}" resource={item.path}')
            self.progress.note(item.object, "skipped")
            return
        if self._context.store.registry.find(*gvr) is None:
            self.progress.warnings.add(
                item.namespace,
                f"the server does not serve {item.group_resource}: {item.path} skipped",
            )
            return
        namespace = self._mapping.get(item.namespace, item.namespace)
        try:
            obj = self._prepared(item, namespace)
            if obj is None:
                return
            obj = self._labelled(modify(self._rules, item, obj))
            self._create(gvr, item, obj, namespace)
        except ApiError as error:
            self.progress.errors.add(namespace, f"error restoring {item.path}: {error.message}")
            self.progress.note(item.object, "failed")

    def _skipped(self, item: Item) -> str:
        """Why an item is left to others, or nothing."""
        obj = item.object
        annotations = obj["metadata"].get("annotations") or {}
        if any(owner.get("controller") for owner in owners_of(obj)):
            return "not restored because its controller makes it again"
        if item.group_resource == "pods" and "kubernetes.io/config.mirror" in annotations:
            return "not restored because it's a mirror pod"
        if item.group_resource == "pods" and (obj.get("status") or {}).get("phase") in (
            "Succeeded",
            "Failed",
        ):
            return "not restored because it's a completed pod"
        if item.group_resource == "jobs.batch" and (obj.get("status") or {}).get("completionTime"):
            return "not restored because it's a completed job"
        if item.group_resource == "configmaps" and item.name == "kube-root-ca.crt":
            return "not restored because the cluster makes it"
        if item.group_resource == "endpoints":
            return "not restored because the Service's controller makes it"
        return ""

    def _prepared(self, item: Item, namespace: str) -> Object | None:
        """The object as it is to be created, or None when nothing is."""
        if item.group_resource == "persistentvolumes":
            volume, told = self._volumes.volume(item, self._token(item))
            self.progress.log.append(f'level=info msg="{told}"')
            if volume is None:
                self.progress.note(item.object, "skipped")
                return None
            obj = volume
        elif item.group_resource == "persistentvolumeclaims":
            obj = self._volumes.claim(item.object)
        else:
            obj = clone(item.object)
        obj["metadata"] = {key: obj["metadata"][key] for key in CARRIED if obj["metadata"].get(key)}
        obj.pop("status", None)
        if namespace:
            obj["metadata"]["namespace"] = namespace
        if item.group_resource == "namespaces":
            obj["metadata"]["name"] = self._mapping.get(item.name, item.name)
            (obj["metadata"].get("labels") or {}).pop("kubernetes.io/metadata.name", None)
            obj.pop("spec", None)
        _adapt(item.group_resource, obj, self._spec, self._mapping)
        return obj

    def _token(self, item: Item) -> str:
        """The same for the same restore and volume, so that a run can be repeated exactly."""
        seed = f"{self._restore['metadata']['uid']}/{item.path}"
        return hashlib.sha256(seed.encode()).hexdigest()[:12]

    def _create(self, gvr: Gvr, item: Item, obj: Object, namespace: str) -> None:
        store = self._context.store
        try:
            created = store.create(gvr, obj, namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            self._met(gvr, item, obj, namespace)
            return
        self._context.changed = True
        if gvr == VOLUMES:
            self.progress.log.append(
                f'level=info msg="volume {created["metadata"]["name"]} restored"'
            )
        self.progress.note(created, "created")

    def _met(self, gvr: Gvr, item: Item, obj: Object, namespace: str) -> None:
        """Something of that name is there already: updated if the policy says so, else left with
        a warning.
        """
        name = obj["metadata"]["name"]
        existing = self._context.store.need(gvr, namespace, name)
        if _content(existing) == _content(obj) or item.group_resource in (
            "namespaces",
            "serviceaccounts",
        ):
            self.progress.note(existing, "skipped")
            return
        if self._spec.get("existingResourcePolicy") == "update":
            merged = {**existing, **obj, "metadata": {**existing["metadata"], **obj["metadata"]}}
            self._context.store.update(gvr, merged)
            self._context.changed = True
            self.progress.note(existing, "updated")
            return
        self.progress.warnings.add(
            namespace,
            f'could not restore, {obj["kind"]} "{name}" already exists. Warning: the in-cluster '
            "version is different "
            f"than the backed-up version",
        )
        self.progress.note(existing, "skipped")

    def finalize(self) -> None:
        """The last phase's work."""
        self._volumes.finalize()


def _gvr(item: Item) -> Gvr:
    plural, _, group = item.group_resource.partition(".")
    return group, plural


def _content(obj: Object) -> Any:
    """What is compared between the cluster and the backup: labels of restores aside, all but status
    and identity.
    """
    meta = obj["metadata"]
    labels = {
        k: v for k, v in (meta.get("labels") or {}).items() if k not in (BACKUP_NAME, RESTORE_NAME)
    }
    rest = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    return labels, meta.get("annotations") or {}, rest


def _adapt(group_resource: str, obj: Object, spec: Object, mapping: dict[str, str]) -> None:
    """What Velero's item actions change."""
    match group_resource:
        case "pods":
            pod = obj.get("spec") or {}
            pod.pop("nodeName", None)
            pod["volumes"] = [
                v for v in pod.get("volumes") or () if not v["name"].startswith("kube-api-access-")
            ]
            for container in [*(pod.get("containers") or ()), *(pod.get("initContainers") or ())]:
                mounts = container.get("volumeMounts") or ()
                container["volumeMounts"] = [
                    m for m in mounts if not m["name"].startswith("kube-api-access-")
                ]
        case "services":
            service = obj["spec"]
            if service.get("clusterIP") != "None":
                service.pop("clusterIP", None)
                service.pop("clusterIPs", None)
            if not spec.get("preserveNodePorts"):
                for port in service.get("ports") or ():
                    port.pop("nodePort", None)
        case "jobs.batch":
            obj["spec"].pop("selector", None)
            labels = ((obj["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
            for name in ("controller-uid", "batch.kubernetes.io/controller-uid"):
                labels.pop(name, None)
        case (
            "rolebindings.rbac.authorization.k8s.io"
            | "clusterrolebindings.rbac.authorization.k8s.io"
        ):
            for subject in obj.get("subjects") or ():
                if subject.get("namespace") in mapping:
                    subject["namespace"] = mapping[subject["namespace"]]
