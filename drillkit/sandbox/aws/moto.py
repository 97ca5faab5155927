"""moto, for the services that need no more than it has: imported late, spoken to from
inside, seeded.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from functools import partial
from typing import Any

DRILL_SECURITY_GROUP = "sg-0d5a11ed0d5a11ed0"
SHOP_SECURITY_GROUP = "sg-0a11ed0a11ed0a11e"


class LazyMoto:
    """moto's application, imported when first needed (it takes half a second) or ahead of time.

    EC2 takes a second and a half more, and drills ask it for little: it comes, with its two
    security groups, with the first request to it.
    """

    def __init__(self, account: str, regions: tuple[str, ...]) -> None:
        self._account = account
        self._regions = regions
        self._lock = threading.Lock()
        self._application: Any = None
        self._ec2_ready = False

    def __call__(self, service: str) -> Any:
        """The WSGI application, ready for this service."""
        with self._lock:
            if self._application is None:
                from moto.moto_server.werkzeug_app import (
                    DomainDispatcherApplication,
                    create_backend_app,
                )

                self._application = DomainDispatcherApplication(create_backend_app)
            if service == "ec2" and not self._ec2_ready:
                self._seed_ec2()
                self._ec2_ready = True
            return self._application

    def _seed_ec2(self) -> None:
        """Two security groups with identifiers known beforehand; the drills' own lets
        nothing out.
        """
        os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        from moto.ec2.models import ec2_backends

        module: Any = importlib.import_module("moto.ec2.models.security_groups")
        original = module.random_security_group_id
        try:
            for region in self._regions:
                backend = ec2_backends[self._account][region]
                for identifier, name in (
                    (DRILL_SECURITY_GROUP, "drillkit-drill"),
                    (SHOP_SECURITY_GROUP, "shop-database"),
                ):
                    module.random_security_group_id = partial(str, identifier)
                    group = backend.create_security_group(name, f"the sandbox's {name}", tags={})
                    if identifier == DRILL_SECURITY_GROUP:
                        group.egress_rules.clear()
        finally:
            module.random_security_group_id = original

    def request(
        self, service: str, region: str, access_key: str, body: bytes, **headers: str
    ) -> bytes:
        """One request from inside, as any client would send it; raises RuntimeError for an
        error answer.
        """
        from werkzeug.test import Client

        stamp = time.strftime("%Y%m%d", time.gmtime())
        scope = f"{access_key}/{stamp}/{region}/{service}/aws4_request"
        sent = {
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, "
            "Signature=0",
            **headers,
        }
        method, path = sent.pop("method", "POST"), sent.pop("path", "/")
        answer = Client(self(service)).open(path, method=method, data=body, headers=sent)
        if answer.status_code >= 300:
            raise RuntimeError(f"{service}: {answer.status}: {answer.get_data(as_text=True)[:300]}")
        return bytes(answer.get_data())
