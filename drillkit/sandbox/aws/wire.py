"""AWS's query protocol, driven by the service models that ship with botocore: forms in, XML out,
nothing invented.

A parameter the service does not know is refused, and so is a missing required one: a client that
misspells a parameter learns it here rather than in production.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape


class Fault(Exception):
    """An error answer, as the service would give it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Call:
    """One API request, understood."""

    service: str
    action: str
    region: str
    params: dict[str, Any]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


def _nest(form: Mapping[str, str]) -> dict[str, Any]:
    """`{"Tags.Tag.1.Key": "a"}` as nested dictionaries."""
    tree: dict[str, Any] = {}
    for name, value in form.items():
        node = tree
        *parents, last = name.split(".")
        for part in parents:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                raise Fault(
                    "MalformedQueryString", f"parameter {name} is both a value and a structure"
                )
            node = child
        node[last] = value
    return tree


def _scalar(shape: Any, value: str, where: str) -> Any:
    kind = shape.type_name
    try:
        if kind in ("integer", "long"):
            return int(value)
        if kind in ("float", "double"):
            return float(value)
        if kind == "timestamp":
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError as error:
        raise Fault(
            "InvalidParameterValue", f"{where}: expected a {kind}, found {value!r}"
        ) from error
    if kind == "boolean":
        if value.lower() not in ("true", "false"):
            raise Fault(
                "InvalidParameterValue", f"{where}: expected true or false, found {value!r}"
            )
        return value.lower() == "true"
    return value


def _read(shape: Any, node: Any, where: str) -> Any:
    if shape.type_name == "structure":
        if not isinstance(node, dict):
            raise Fault("InvalidParameterValue", f"{where}: expected a structure")
        names = {
            member.serialization.get("name", name): (name, member)
            for name, member in shape.members.items()
        }
        unknown = sorted(set(node) - set(names))
        if unknown:
            raise Fault(
                "ValidationError", f"unknown parameter {where + '.' if where else ''}{unknown[0]}"
            )
        return {
            names[key][0]: _read(names[key][1], value, f"{where}.{key}".lstrip("."))
            for key, value in node.items()
        }
    if shape.type_name == "list":
        if node == "":  # how clients send an empty list
            return []
        items = node if shape.serialization.get("flattened") else next(iter(node.values()))
        if not all(key.isdigit() for key in items):
            raise Fault(
                "InvalidParameterValue",
                f"{where}: expected numbered members, found {sorted(items)[:3]}",
            )
        return [_read(shape.member, items[key], f"{where}.{key}") for key in sorted(items, key=int)]
    if not isinstance(node, str):
        raise Fault("InvalidParameterValue", f"{where}: expected a value, found a structure")
    return _scalar(shape, node, where)


def _timestamp(value: datetime) -> str:
    """Cut to the millisecond, never rounded up: a restorable time must not lie beyond what can
    be restored.
    """
    utc = value.astimezone(UTC)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def _write(shape: Any, value: Any, tag: str, out: list[str]) -> None:
    if value is None:
        return
    if shape.type_name == "structure":
        out.append(f"<{tag}>")
        for name, member in shape.members.items():
            if name in value:
                _write(member, value[name], member.serialization.get("name", name), out)
        out.append(f"</{tag}>")
    elif shape.type_name == "list":
        flat = shape.serialization.get("flattened")
        item_tag = tag if flat else shape.member.serialization.get("name", "member")
        items: list[str] = []
        for item in value:
            _write(shape.member, item, item_tag, items)
        out.append("".join(items) if flat else f"<{tag}>{''.join(items)}</{tag}>")
    elif shape.type_name == "map":
        out.append(f"<{tag}>")
        for key, item in value.items():
            out.append(f"<entry><key>{escape(str(key))}</key>")
            _write(shape.value, item, "value", out)
            out.append("</entry>")
        out.append(f"</{tag}>")
    else:
        if shape.type_name == "timestamp":
            text = _timestamp(value)
        elif shape.type_name == "boolean":
            text = "true" if value else "false"
        else:
            text = escape(str(value))
        out.append(f"<{tag}>{text}</{tag}>")


class QueryProtocol:
    """Reads requests of one service and writes its answers."""

    def __init__(self, service: str) -> None:
        from botocore.loaders import Loader
        from botocore.model import ServiceModel

        self.service = service
        self._model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
        self._namespace = self._model.metadata["xmlNamespace"]

    def read(self, region: str, body: str) -> Call:
        """Parses one form; raises Fault when the service would refuse it."""
        form = dict(parse_qsl(body, keep_blank_values=True))
        action = form.pop("Action", "")
        form.pop("Version", None)
        if action not in self._model.operation_names:
            raise Fault("InvalidAction", f"{self.service} has no action {action!r}")
        shape = self._model.operation_model(action).input_shape
        params = _read(shape, _nest(form), "") if shape is not None else {}
        for name in shape.required_members if shape is not None else ():
            if params.get(name) in (None, ""):
                raise Fault(
                    "MissingParameter", f"the request to {action} must contain the parameter {name}"
                )
        return Call(self.service, action, region, params)

    def write(self, call: Call, result: Mapping[str, Any]) -> str:
        """The XML answer of a call that went well."""
        operation = self._model.operation_model(call.action)
        out: list[str] = []
        if operation.output_shape is not None:
            wrapper = operation.output_shape.serialization.get(
                "resultWrapper", f"{call.action}Result"
            )
            _write(operation.output_shape, self._page(call, operation, dict(result)), wrapper, out)
        return (
            f"<{call.action}Response "
            f'xmlns="{self._namespace}">{"".join(out)}<ResponseMetadata><RequestId>'
            f"{call.request_id}</RequestId></ResponseMetadata></{call.action}Response>"
        )

    def _page(self, call: Call, operation: Any, result: dict[str, Any]) -> dict[str, Any]:
        """Cuts the answer's one list into pages, for actions that have pages."""
        if (
            "Marker" not in operation.output_shape.members
            or "Marker" not in operation.input_shape.members
        ):
            return result
        lists = [name for name, value in result.items() if isinstance(value, list)]
        if len(lists) != 1:
            return result
        size = int(call.params.get("MaxRecords", 100))
        if not 20 <= size <= 100:
            raise Fault(
                "InvalidParameterValue", f"MaxRecords must lie between 20 and 100, found {size}"
            )
        start = int(call.params.get("Marker") or 0)
        items = result[lists[0]]
        result[lists[0]] = items[start : start + size]
        if start + size < len(items):
            result["Marker"] = str(start + size)
        return result

    def fault(self, name: str, message: str) -> Fault:
        """The service's own error by its name in the model, e.g. `DBInstanceNotFoundFault`."""
        error = self._model.shape_for(name).metadata.get("error", {})
        return Fault(error.get("code", name), message, error.get("httpStatusCode", 400))

    def write_fault(self, fault: Fault, request_id: str) -> str:
        """The XML of an error answer."""
        kind = "Receiver" if fault.status >= 500 else "Sender"
        return (
            "<ErrorResponse "
            f'xmlns="{self._namespace}"><Error><Type>{kind}</Type><Code>{escape(fault.code)}</Code>'
            f"<Message>{escape(fault.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
