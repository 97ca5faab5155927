"""`python -m drillkit.sandbox.aws --state DIR [--demo]`: prints one JSON line when ready,
then serves.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from drillkit.sandbox.aws.postgres.tools import PostgresMissing

PR_SET_PDEATHSIG = 1


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m drillkit.sandbox.aws", description="AWS on 127.0.0.1, with real PostgreSQL."
    )
    parser.add_argument(
        "--state", type=Path, required=True, help="folder for databases, backups and logs"
    )
    parser.add_argument("--region", default="eu-central-1")
    parser.add_argument("--dr-region", default="eu-west-1")
    parser.add_argument(
        "--demo", action="store_true", help="boot with the demo shop's database and a writer"
    )
    parser.add_argument("--aurora", action="store_true", help="boot with an Aurora cluster too")
    parser.add_argument("--postgres", type=Path, help="folder with PostgreSQL's programs")
    parser.add_argument("--cache", type=Path, help="folder for the template of new databases")
    parser.add_argument(
        "--ship-interval",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds between two shipments of WAL",
    )
    parser.add_argument(
        "--die-with-parent",
        action="store_true",
        help="end when the starting process ends, however it ends",
    )
    return parser.parse_args(argv)


def _forget_the_operator() -> None:
    """What somebody has set for an AWS of their own is not for the one here: moto would look for
    their profile, too.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _die_with_parent(stop: threading.Event) -> None:
    """SIGTERM from the kernel on Linux; elsewhere, or if the parent was quicker, the end of
    standard input tells.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def watch() -> None:
        while os.read(0, 1024):
            pass
        stop.set()

    threading.Thread(target=watch, daemon=True).start()


def main(argv: list[str] | None = None) -> int:
    """Serves until SIGTERM, SIGINT or the parent's end; 2 when PostgreSQL is missing."""
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    _forget_the_operator()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *ignored: stop.set())
    if arguments.die_with_parent:
        _die_with_parent(stop)
    arguments.state.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=arguments.state / "aws.log",
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    from drillkit.sandbox.aws.server import AwsSandbox, Options

    try:
        sandbox = AwsSandbox(
            Options(
                state=arguments.state.resolve(),
                region=arguments.region,
                dr_region=arguments.dr_region,
                demo=arguments.demo,
                aurora=arguments.aurora,
                postgres=arguments.postgres,
                cache=arguments.cache,
                ship_interval_s=arguments.ship_interval,
            )
        )
    except PostgresMissing as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        print(json.dumps(sandbox.start()), flush=True)
        stop.wait()
    finally:
        sandbox.stop()
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    os._exit(code)  # everything is stopped; taking moto's modules apart would only cost time
