"""JSON Schema of what `plan --json` prints, from the records that it is made of."""

from __future__ import annotations

from typing import Any


def plan_schema() -> dict[str, Any]:
    """The schema. What is empty may be left out of a step."""
    from drillkit.archive.duration import Took
    from drillkit.model.permissions import Permission
    from drillkit.model.prospect import Prospect
    from drillkit.spec.schema import Definitions

    writer = Definitions(references=False)
    permissions = writer.of(tuple[Permission, ...])
    writer.of(Prospect)
    prospect = writer.defs["Prospect"]
    step = {
        **prospect,
        "properties": {
            "step": {"type": "string"},
            "uses": {"type": "string", "description": "Kind of the step."},
            "group": {
                "type": "string",
                "description": "Steps of a group run at once.",
            },
            "must": _texts("Its objectives, checks and hypothesis, as the drill writes them."),
            **prospect["properties"],
            "wishes": {
                **permissions,
                "description": "What a run can do without: for failures and weaknesses.",
            },
        },
        "required": ["step", "uses"],
    }
    guard = _object(
        guard={"type": "string"},
        holds={"enum": ["met", "violated", "unknown"]},
        why={"type": "string"},
    )
    takes = _object(
        limit_s={"type": "number"},
        cleanup_limit_s={"type": "number"},
        before={"anyOf": [writer.of(Took), {"type": "null"}]},
    )
    root = _object(
        drill={"type": "string"},
        owner={"type": "string"},
        description={"type": "string"},
        target={"type": "string"},
        protected={"type": "boolean"},
        at={"type": "string", "format": "date-time"},
        would={
            "enum": ["start", "fail", "refuse"],
            "description": "`fail`: it would start, and a step would fail as things are now.",
        },
        takes={**takes, "description": "How long at most, and how long it took before."},
        probes={"type": "object"},
        hypothesis={"type": "object"},
        aborts=_texts("Guards that abort it while it runs."),
        guards={"type": "array", "items": guard, "description": "What its start depends on."},
        needs={**permissions, "description": "What the run needs besides its steps."},
        steps={"type": "array", "items": {"$ref": "#/$defs/Step"}},
        problems=_texts("Why it must not start."),
        fails=_texts("Steps that would fail as things are now, and why."),
        notes=_texts("What it costs, and what it will do without."),
    )
    writer.defs["Step"] = step
    return writer.document(root, "drillkit plan")


def _texts(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
