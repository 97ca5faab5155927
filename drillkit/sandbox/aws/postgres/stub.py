"""Run as a script: becomes unprivileged, asks to die with its parent, then becomes the command.

    python -I -S stub.py MODE PARENT_PID COMMAND [ARGUMENT ...]

PostgreSQL refuses to run as root.  MODE says how to stop being root: `self` (we are not), `userns`
(a user namespace in which we are `nobody`, while files stay ours) or `nobody` (the real user).  The
order matters: the kernel forgets the parent-death signal whenever credentials change, so it is set
last.  A signal on death reaches the server even when its parent is killed with SIGKILL and can tell
it nothing; SIGQUIT makes PostgreSQL free its shared memory on the way out.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534


def _enter_user_namespace(libc: ctypes.CDLL) -> None:
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER) was refused")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {uid} 1"),
        ("gid_map", f"{NOBODY} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def main(arguments: list[str]) -> None:
    mode, parent, command = arguments[0], int(arguments[1]), arguments[2:]
    if mode == "nobody":
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if mode == "userns":
            _enter_user_namespace(libc)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
        if os.getppid() != parent:  # it died before the line above took hold
            sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
