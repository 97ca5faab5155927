"""What the identity of a target must be allowed to do."""

from __future__ import annotations

from drillkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one resource of a Kubernetes cluster: a rule of a Role, or of a ClusterRole where
    it has no namespace.
    """

    verb: str
    """Such as `get`; as RBAC names it."""
    resource: str
    """The plural: `deployments`."""
    group: str = ""
    """API group; '' for the core group."""
    subresource: str = ""
    namespace: str = ""
    """'' means every namespace, or an object that is in none. A Namespace lies in itself."""
    name: str = ""
    """'' means any object."""
    reason: str = ""
    """What for, for people."""

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        if self.subresource:
            what += f"/{self.subresource}"
        name = f" {self.name}" if self.name else ""
        itself = self.resource == "namespaces" and self.name == self.namespace
        where = f" in namespace {self.namespace}" if self.namespace and not itself else ""
        return f"{self.verb} {what}{name}{where}"


@dataclass(frozen=True, slots=True)
class AwsAction:
    """An action of AWS, such as `rds:DescribeDBInstances`; checked by the calls' dry runs."""

    action: str
    reason: str = ""
    resource: str = ""
    """The only resource that is meant, as ARNs end: `db:orders`, of S3 `BUCKET/KEY`. '' where marks
    or reading decide.
    """

    def __str__(self) -> str:
        return self.action
