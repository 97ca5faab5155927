"""What the processes that we start inherit when they need no more than to start, and that none
leaves a core behind.

Nothing is imported here that takes time: `prestart` needs it before anything else.
"""

from __future__ import annotations

import os

PUBLIC = frozenset(
    {
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_REGION",
        "EDITOR",
        "HOME",
        "HOSTNAME",
        "KUBECONFIG",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "PATH",
        "PWD",
        "PYTHONPATH",
        "SHELL",
        "TERM",
        "TMPDIR",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
    }
)
"""Variables that hold no secret, also where a reference names them."""
_PLAIN_PREFIXES = ("LC_", "PYTHON", "XDG_", "DYLD_", "LD_", "COVERAGE_")


def plain_environment() -> dict[str, str]:
    """The few variables that a process of our own needs to start before it is known what for."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in PUBLIC or name.startswith(_PLAIN_PREFIXES)
    }


def leave_no_core() -> None:
    """Neither this process nor what it starts leaves its memory, secrets included, in a file when
    it crashes. On systems without such limits, nothing is done.
    """
    try:
        import resource
    except ImportError:  # no such file is made there by default
        return
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
