"""Start a child of the sandbox: tie its life to the parent's, then run one module. Executed as
a script.

`python -S -E boot.py PARENT_PID LIBRARIES MODULE [ARGUMENT...]` runs
`drillkit.sandbox.cluster.MODULE.main(arguments)`. A parent of 0 leaves the child untied: the reaper
has work to do when the parent is gone. LIBRARIES are folders to import from, besides the standard
library's; mostly ''.
"""

from __future__ import annotations

import os
import sys

PR_SET_PDEATHSIG = 1
SIGKILL = 9


def tether(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent ends; exit if the parent is already gone.

    Linux only; elsewhere the reaper process does it. The parent is checked after the request: it
    may have died before.
    """
    if sys.platform == "linux":
        import ctypes

        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        raise SystemExit("the sandbox that started this process is gone")


def _skip_package_code(cluster_dir: str) -> None:
    """Register the enclosing packages without running their `__init__`: a pod has to be up in
    50 ms.
    """
    path = cluster_dir
    for name in ("drillkit.sandbox.cluster", "drillkit.sandbox", "drillkit"):
        package = type(sys)(name)
        package.__path__ = [path]
        sys.modules[name] = package
        path = os.path.dirname(path)


def _main() -> None:
    parent_pid, libraries, module, *arguments = sys.argv[1:]
    if int(parent_pid):
        tether(int(parent_pid))
    _skip_package_code(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.pop(0)
    sys.path += filter(None, libraries.split(os.pathsep))
    name = f"drillkit.sandbox.cluster.{module}"
    __import__(name)
    sys.modules[name].main(arguments)


if __name__ == "__main__":
    _main()
