"""``python -m drillkit.sandbox --state DIR``: prints one line of JSON when everything is ready,
then serves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

READY_S = 20.0
AWS_READY_S = 55.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the arguments and serves until SIGTERM, SIGINT or the end of the parent; answers the
    exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(words)
    from drillkit.sandbox.serve import Options, run

    return run(
        Options(
            state=options.state.absolute(),
            arguments=tuple(words),
            cluster=options.cluster,
            shop=options.cluster and options.shop,
            prometheus=options.cluster and options.prometheus,
            aws=options.aws or options.aurora,
            aurora=options.aurora,
            audit=options.audit,
            velero=options.velero,
            ready_timeout_s=options.ready_timeout
            or (AWS_READY_S if options.aws or options.aurora else READY_S),
            die_with_parent=options.die_with_parent,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m drillkit.sandbox",
        description="A Kubernetes API with real pods on 127.0.0.1; AWS on demand. Prints one line "
        "of JSON when ready.",
    )
    parser.add_argument(
        "--state", type=Path, required=True, metavar="DIR", help="folder for everything it writes"
    )
    parser.add_argument(
        "--no-shop", dest="shop", action="store_false", help="without the demo shop"
    )
    parser.add_argument(
        "--no-cluster",
        dest="cluster",
        action="store_false",
        help="the API alone, nothing runs in it",
    )
    parser.add_argument(
        "--prometheus", action="store_true", help="run a real Prometheus (it must be installed)"
    )
    parser.add_argument(
        "--aws", action="store_true", help="serve RDS and S3, with a database (slower to start)"
    )
    parser.add_argument("--aurora", action="store_true", help="serve AWS with an Aurora cluster")
    parser.add_argument(
        "--velero", action="store_true", help="emulate Velero; its bucket is in S3 with --aws"
    )
    parser.add_argument(
        "--audit",
        action="store_true",
        help="tell every request to the Kubernetes API in audit.jsonl of the folder",
    )
    limit = f"how long the start may take (default: {READY_S:.0f}, with AWS {AWS_READY_S:.0f})"
    parser.add_argument("--ready-timeout", type=float, metavar="SECONDS", help=limit)
    parser.add_argument(
        "--die-with-parent",
        action="store_true",
        help="stop when the parent dies or closes its end of standard input",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
