"""Nothing of a cluster outlives its main process."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

SCRIPT = textwrap.dedent(
    """
    import asyncio, sys
    from drillkit.sandbox.cluster import start_cluster
    from drillkit.sandbox.kube.objects import PODS, is_ready
    from drillkit.sandbox.kube.store import Store

    async def main():
        store = Store()
        cluster = await start_cluster(store, sys.argv[1])
        command = ["sh", "-c", "trap '' TERM; sleep 300 & sleep 300"]
        spec = {"containers": [{"name": "x", "image": "sandbox/exec", "command": command}]}
        store.create(PODS, {"metadata": {"name": "family"}, "spec": spec}, "shop")
        await cluster.ready()
        while not is_ready(store.get(PODS, "shop", "family")):
            await asyncio.sleep(0.02)
        print("ready", flush=True)
        await asyncio.sleep(300)

    asyncio.run(main())
    """
)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_every_descendant_is_gone_soon_after_the_main_process(tmp_path, ending):
    main = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "state")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert main.stdout is not None
        assert main.stdout.readline() == "ready\n"
        family = psutil.Process(main.pid).children(recursive=True)
        assert len(family) >= 14  # ten pods of the shop, proxy, reaper, the shell and its children
        assert sum(process.name() == "sleep" for process in family) == 2
        main.send_signal(ending)
        main.wait(5)
        deadline = time.monotonic() + 5
        while any(map(alive, family)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [process for process in family if alive(process)] == []
    finally:
        main.kill()
        main.wait(5)
        main.stdout.close()


def alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
