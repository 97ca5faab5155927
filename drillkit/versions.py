"""Versions of everything that takes part in a run."""

from __future__ import annotations

import sys

from drillkit import __version__

PACKAGES = (
    "chaostoolkit",
    "chaostoolkit-lib",
    "chaostoolkit-kubernetes",
    "kubernetes",
    "boto3",
)


def versions() -> dict[str, str]:
    """By name; what is not there is `not installed`."""
    # Chaos Toolkit imports it as well: whoever has imported that pays nothing here.
    from importlib import metadata

    found = {"drillkit": __version__, "python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
