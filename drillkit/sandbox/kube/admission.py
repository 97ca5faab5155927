"""What admission adds to a new pod: the volume with which it speaks to the API as its
ServiceAccount, mounted in every container.
"""

from __future__ import annotations

from drillkit.sandbox.kube.errors import forbidden
from drillkit.sandbox.kube.objects import PODS, Object, clone

DEFAULT_ACCOUNT = "default"
MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
ROOT_AUTHORITY = "kube-root-ca.crt"
"""The ConfigMap with the authority that signs the API's certificate; every namespace has one."""
AUTHORITY_KEY = "ca.crt"
_VOLUME = "kube-api-access-"
_SOURCES = [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {
        "configMap": {
            "name": ROOT_AUTHORITY,
            "items": [{"key": AUTHORITY_KEY, "path": AUTHORITY_KEY}],
        }
    },
    {
        "downwardAPI": {
            "items": [
                {
                    "path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                }
            ]
        }
    },
]


def mount_account(pod: Object, account: Object | None, suffix: str) -> None:
    """Completes a new pod in place.

    Args:
        pod: with its defaults filled in.
        account: the ServiceAccount that it names, if there is one.
        suffix: the end of the volume's name.

    Raises 403 for an account that does not exist. The account `default` need not: an API without
    controllers has none.
    """
    meta, spec = pod["metadata"], pod["spec"]
    name = spec["serviceAccountName"]
    if account is None and name != DEFAULT_ACCOUNT:
        why = (
            f"error looking up service account {meta['namespace']}/{name}: "
            f'serviceaccount "{name}" not found'
        )
        raise forbidden(PODS, meta["name"], why)
    if not _wanted(spec, account):
        return
    volumes = spec.get("volumes") or []
    known = next((each["name"] for each in volumes if _is_access(each)), None)
    volume = known or _VOLUME + suffix
    bare = [each for each in containers_of(spec) if not mounts_account(each)]
    for container in bare:
        mount = {"name": volume, "readOnly": True, "mountPath": MOUNT}
        container["volumeMounts"] = [*(container.get("volumeMounts") or []), mount]
    if bare and known is None:
        projected = {"sources": clone(_SOURCES), "defaultMode": 420}
        spec["volumes"] = [*volumes, {"name": volume, "projected": projected}]


def mounts_account(container: Object) -> bool:
    """Whether a container has something at the place of its token."""
    return any(each.get("mountPath") == MOUNT for each in container.get("volumeMounts") or ())


def containers_of(spec: Object) -> list[Object]:
    """The containers of a pod's spec, those of its start first."""
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return [each for each in listed if isinstance(each, dict)]


def _wanted(spec: Object, account: Object | None) -> bool:
    """The pod's own word counts, else its account's."""
    for owner in (spec, account or {}):
        if owner.get("automountServiceAccountToken") is not None:
            return bool(owner["automountServiceAccountToken"])
    return True


def _is_access(volume: Object) -> bool:
    return str(volume.get("name")).startswith(_VOLUME)
