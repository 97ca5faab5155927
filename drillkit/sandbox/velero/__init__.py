"""Velero's server, emulated over the sandbox's Kubernetes store, with real tarballs in Velero's
own layout.
"""

from __future__ import annotations

from drillkit.sandbox.velero.controller import VeleroController, install
from drillkit.sandbox.velero.driver import run_velero
from drillkit.sandbox.velero.knobs import Knobs

__all__ = ["Knobs", "VeleroController", "install", "run_velero"]
