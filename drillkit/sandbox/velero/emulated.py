"""What the sandbox's Velero really does and what it only plays; reports of its runs say so."""

from __future__ import annotations

REAL = (
    "Backups are tarballs in Velero's layout in the bucket; restores create what these hold, and "
    "nothing else.",
    "Phases, validation, namespace mapping, resource modifiers, results and finalizers "
    "follow Velero's.",
)

EMULATED = (
    "Velero itself: its server is a controller of the sandbox. Hooks, plugins, node agents and "
    "data movers are absent.",
    "Volumes hold a short text in an annotation of their PersistentVolume; that is what is saved "
    "and restored.",
    "Pods, replica sets and jobs with a controller are left to it rather than restored "
    "and adopted.",
    "The shop's heartbeat beats every second, by the sandbox itself; its first daily backup is "
    "taken at the start.",
    "Backups and restores take milliseconds, unless they are slowed on purpose.",
)
