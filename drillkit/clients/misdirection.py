"""Settings of a drill or an experiment that would lead a program elsewhere than to its target."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drillkit.model.target import Target

_KUBECONFIG = ("KUBECONFIG", "KUBE_CONFIG_PATH", "KUBE_CONFIG_PATHS", "K8S_AUTH_KUBECONFIG")
_CONTEXT = (
    "KUBERNETES_CONTEXT",
    "KUBE_CONTEXT",
    "KUBE_CTX",
    "HELM_KUBECONTEXT",
    "K8S_AUTH_CONTEXT",
)
_CLUSTER = (
    "KUBERNETES_HOST",
    "KUBERNETES_MASTER",
    "KUBERNETES_API_KEY",
    "KUBERNETES_USERNAME",
    "KUBERNETES_PASSWORD",
    "KUBERNETES_CERT_FILE",
    "KUBERNETES_KEY_FILE",
    "KUBERNETES_CA_CERT_FILE",
    "KUBERNETES_SERVICE_HOST",
    "KUBE_HOST",
    "KUBE_TOKEN",
    "HELM_KUBEAPISERVER",
    "HELM_KUBETOKEN",
    "K8S_AUTH_HOST",
    "K8S_AUTH_API_KEY",
    "CHAOSTOOLKIT_IN_POD",
)
_PROFILE = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_PROFILE_NAME")
_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ENDPOINT = ("AWS_ENDPOINT_URL",)
_CREDENTIALS = ("AWS_SHARED_CREDENTIALS_FILE",)
_ACCOUNT = (
    "AWS_CONFIG_FILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_ASSUME_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
_FLAGS: Mapping[str, Mapping[str, str]] = {
    "kubectl": {"--kubeconfig": "KUBECONFIG", "--context": "KUBERNETES_CONTEXT"}
    | dict.fromkeys(("--server", "-s", "--cluster"), "KUBERNETES_HOST"),
    "helm": {
        "--kubeconfig": "KUBECONFIG",
        "--kube-context": "KUBERNETES_CONTEXT",
        "--kube-apiserver": "KUBERNETES_HOST",
    },
    "velero": {"--kubeconfig": "KUBECONFIG", "--kubecontext": "KUBERNETES_CONTEXT"},
    "aws": {
        "--profile": "AWS_PROFILE",
        "--region": "AWS_REGION",
        "--endpoint-url": "AWS_ENDPOINT_URL",
    },
}


def own_settings(target: Target) -> dict[str, tuple[str, ...]]:
    """Settings that name a cluster or an account, each with the values that are the target's; with
    none where a setting may not be used at all.
    """
    found: dict[str, tuple[str, ...]] = {}
    cluster, account = target.kubernetes, target.aws
    found |= dict.fromkeys(_KUBECONFIG, _known(cluster.kubeconfig if cluster else None))
    found |= dict.fromkeys(_CONTEXT, _known(cluster.context if cluster else None))
    found |= dict.fromkeys(_CLUSTER + _ACCOUNT, ())
    found |= dict.fromkeys(_PROFILE, _known(account.read_profile if account else None))
    found |= dict.fromkeys(_REGION, _known(account.region, account.dr_region) if account else ())
    found |= dict.fromkeys(_ENDPOINT, _known(account.endpoint_url if account else None))
    found |= dict.fromkeys(_CREDENTIALS, _known(account.credentials_file if account else None))
    return found


def _known(*values: str | None) -> tuple[str, ...]:
    return tuple(value for value in values if value)


def elsewhere(path: str, settings: Any, target: Target) -> Iterator[str]:
    """Why settings (a mapping, of mappings) may not be: they name another cluster or account than
    the target's. `path` says for people where they stand. No value is shown.
    """
    if not isinstance(settings, Mapping):
        return
    own = own_settings(target)
    for key, value in settings.items():
        here, name = f"{path}.{key}", str(key).upper()
        if name in own:
            yield from _named(here, _value(value), own[name], target)
        elif isinstance(value, Mapping) and "type" not in value:
            yield from elsewhere(here, value, target)


def flags_elsewhere(path: str, command: Sequence[str], target: Target) -> Iterator[str]:
    """The same for the arguments of programs whose flags are known."""
    own = own_settings(target)
    flags = _FLAGS.get(os.path.basename(command[0]) if command else "", {})
    for position, word in enumerate(command):
        flag, given, value = word.partition("=")
        if flag in flags:
            following = command[position + 1] if position + 1 < len(command) else ""
            said = value if given else following
            yield from _named(f"{path}: `{flag}`", said, own[flags[flag]], target)


def _named(here: str, value: str | None, own: tuple[str, ...], target: Target) -> Iterator[str]:
    if value == "" or (value is not None and _same(value, own)):
        return
    yield (
        f"{here} names a place of its own; expected that of target `{target.name}`"
        + (f" ({' or '.join(own)})" if own else "")
        + ". Leave it out: what runs is given the target's; or choose another target"
    )


def _same(value: str, own: tuple[str, ...]) -> bool:
    return value in own or os.path.expanduser(value) in map(os.path.expanduser, own)


def _value(value: Any) -> str | None:
    """What a setting says; None where that cannot be known before it runs."""
    if isinstance(value, Mapping):
        if value.get("type") != "env":
            return None
        value = os.environ.get(str(value.get("key")), value.get("default"))
    if value is None:
        return ""
    text = str(value)
    if text.startswith("env:"):
        return os.environ.get(text.removeprefix("env:"), "")
    return None if text.startswith(("file:", "aws-secret:")) else text
