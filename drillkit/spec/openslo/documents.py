"""OpenSLO v1 documents as they are written. Names of fields are the format's own keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from drillkit.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    name: str
    displayName: str | None = None
    labels: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSource:
    metricSourceRef: str | None = None
    type: str | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    metricSource: MetricSource


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioMetric:
    counter: bool | None = None
    good: Metric | None = None
    bad: Metric | None = None
    total: Metric | None = None
    raw: Metric | None = None
    rawType: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliSpec:
    description: str | None = None
    ratioMetric: RatioMetric | None = None
    thresholdMetric: Metric | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliDocument:
    apiVersion: str = ""
    kind: Literal["SLI"] = "SLI"
    metadata: Metadata | None = None
    spec: SliSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSourceSpec:
    description: str | None = None
    type: str
    connectionDetails: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSourceDocument:
    apiVersion: str = ""
    kind: Literal["DataSource"] = "DataSource"
    metadata: Metadata
    spec: DataSourceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDocument:
    apiVersion: str = ""
    kind: Literal["Service"] = "Service"
    metadata: Metadata
    spec: ServiceSpec = ServiceSpec()


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnCondition:
    kind: str = "burnrate"
    op: str
    threshold: float
    lookbackWindow: str
    alertAfter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionSpec:
    description: str | None = None
    severity: str
    condition: BurnCondition


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionDocument:
    apiVersion: str = ""
    kind: Literal["AlertCondition"] = "AlertCondition"
    metadata: Metadata
    spec: ConditionSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionReference:
    conditionRef: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySpec:
    description: str | None = None
    alertWhenNoData: bool = False
    alertWhenResolved: bool = False
    alertWhenBreaching: bool = False
    conditions: tuple[ConditionDocument | ConditionReference, ...]
    notificationTargets: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDocument:
    apiVersion: str = ""
    kind: Literal["AlertPolicy"] = "AlertPolicy"
    metadata: Metadata
    spec: PolicySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReference:
    alertPolicyRef: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarStart:
    startTime: str
    timeZone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeWindow:
    duration: str
    isRolling: bool | None = None
    calendar: CalendarStart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    displayName: str | None = None
    op: str | None = None
    value: float | None = None
    target: float | None = None
    targetPercent: float | None = None
    timeSliceTarget: float | None = None
    timeSliceWindow: str | None = None
    indicator: Any = None
    indicatorRef: str | None = None
    compositeWeight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SloSpec:
    description: str | None = None
    service: str = ""
    indicator: SliDocument | None = None
    indicatorRef: str | None = None
    timeWindow: tuple[TimeWindow, ...] = ()
    budgetingMethod: str
    objectives: tuple[Objective, ...]
    alertPolicies: tuple[str | PolicyDocument | PolicyReference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SloDocument:
    apiVersion: str = ""
    kind: Literal["SLO"] = "SLO"
    metadata: Metadata
    spec: SloSpec


KINDS: Mapping[str, type] = {
    "SLO": SloDocument,
    "SLI": SliDocument,
    "DataSource": DataSourceDocument,
    "Service": ServiceDocument,
    "AlertPolicy": PolicyDocument,
    "AlertCondition": ConditionDocument,
}
IGNORED = "AlertNotificationTarget"
API = "openslo/v1"
