"""An AWS account: who we are there, and a client for each service and region."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from drillkit.clients.aws.service_client import CONNECT_S, READ_S, ServiceClient
from drillkit.clients.aws_session import ProfileFiles, open_session, profile_alone
from drillkit.clients.identity import Identity
from drillkit.clients.proxies import is_loopback
from drillkit.clock import Clock, Fence, by_their_clock
from drillkit.model.errors import TargetError, UsageError
from drillkit.model.target import AwsTarget

if TYPE_CHECKING:
    from drillkit.model.lifetime import Lifetime


class Aws:
    """One account. Nothing but its own id is asked for before that id is the expected one."""

    def __init__(
        self, target: AwsTarget, clock: Clock, fence: Fence, expected: Identity | None = None
    ) -> None:
        """`expected`: whose account it must be (default: the one that the target pins)."""
        self.target = target
        self._expected = expected or Identity(aws_account=target.account)
        self.clock = clock
        self.fence = fence
        self._opening = threading.RLock()
        self._services: dict[tuple[str, str], ServiceClient] = {}
        self._session: Any = None
        self._account = ""
        self.clock_offset_s: float | None = None
        """Seconds that AWS' clock is ahead of ours, +/- 0.5 s; known once the account is."""

    def service(self, name: str, region: str = "") -> ServiceClient:
        """A service (`rds`) in a region (default: the target's).

        Raises WrongTarget when these credentials lead to another account than the expected one,
        TargetError when they lead to none.
        """
        region = region or self.target.region
        with self._opening:
            self.check_account()
            if (name, region) not in self._services:
                self._services[name, region] = self._open(name, region)
            return self._services[name, region]

    def check_account(self) -> str:
        """The account's id, asked once. Raises WrongTarget when it is not the expected
        one, CallError.
        """
        with self._opening:
            if not self._account:
                before = self.clock.now()
                answer = self._open("sts", self.target.region).read(
                    "GetCallerIdentity", "learn which account this is"
                )
                date = ((answer.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}).get("date")
                if date:  # it tells whole seconds
                    told = parsedate_to_datetime(date).timestamp() + 0.5
                    self.clock_offset_s = round(told - (before + self.clock.now()) / 2, 3)
                found = str(answer["Account"])
                self._expected.check_account(found, str(answer.get("Arn", "unknown")))
                self._account = found
            return self._account

    def now(self) -> float:
        """Seconds since the epoch by AWS' clock, which backups are dated by. Raises what
        `check_account` does.
        """
        self.check_account()
        return by_their_clock(self.clock.now(), self.clock_offset_s)

    def caller_arn(self) -> str:
        """Who we are, as policies name it: of a session, its role. Raises CallError."""
        answer = self.service("sts").read("GetCallerIdentity", "learn who asks")
        arn = str(answer["Arn"])
        head, marker, rest = arn.partition(":assumed-role/")
        if not marker:
            return arn
        return f"{head.replace(':sts:', ':iam:', 1)}:role/{rest.rpartition('/')[0]}"

    def denied(
        self, actions: Sequence[str], resources: Sequence[str], context: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Which of the actions our policies do not allow on all of the resources, in a request with
        that context. Service control policies are not all seen. Asks only. Raises CallError.
        """
        if not actions:
            return ()
        answer = self.service("iam").read(
            "SimulatePrincipalPolicy",
            "ask what our policies allow",
            PolicySourceArn=self.caller_arn(),
            ActionNames=list(actions),
            ResourceArns=list(resources),
            ContextEntries=[
                {
                    "ContextKeyName": key,
                    "ContextKeyValues": [value],
                    "ContextKeyType": "boolean" if value in ("true", "false") else "string",
                }
                for key, value in context.items()
            ],
            MaxItems=1000,
        )
        found = {each["EvalActionName"]: each for each in answer.get("EvaluationResults") or ()}
        return tuple(action for action in actions if not _allowed(found.get(action)))

    def secret_text(self, secret: str, what: str) -> str:
        """See `secrets.Vault`."""
        region = secret.split(":")[3] if secret.startswith("arn:") else ""
        answer = self.service("secretsmanager", region).read(
            "GetSecretValue", f"read the secret of {what}", SecretId=secret
        )
        value = answer.get("SecretString")
        if not isinstance(value, str):
            raise UsageError(f"{what}: expected text in the secret, found none")
        return value

    def lifetime(self) -> Lifetime | None:
        """Until when these credentials are good; None where they do not end. Asks nobody but, for
        credentials of a machine or role, who gives them. Raises TargetError.
        """
        from botocore.exceptions import BotoCoreError

        from drillkit.clients.aws.lifetime import lifetime

        try:
            return lifetime(self._opened_session())
        except BotoCoreError as error:
            raise TargetError(
                f"AWS gives no credentials as the target says ({error}); look at its profile"
            ) from error

    def configuration(self) -> ProfileFiles:
        """What leads other programs to this account, as it was read when we connected."""
        with self._opening:
            return profile_alone(self._opened_session())

    def _open(self, service: str, region: str) -> ServiceClient:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        # The operator's settings do not decide where this target's calls go.
        elsewhere: dict[str, Any] = {"ignore_configured_endpoint_urls": True}
        if is_loopback(urlsplit(self.target.endpoint_url or "").hostname or ""):
            elsewhere["proxies"] = {}
        config = Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            retries={"total_max_attempts": 1},
            max_pool_connections=50,
            user_agent_extra="drillkit",
            s3={"addressing_style": "path"},
            parameter_validation=True,
            **elsewhere,
        )
        try:
            client = self._opened_session().create_client(
                service, region_name=region, endpoint_url=self.target.endpoint_url, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise TargetError(
                f"AWS cannot be reached as the target says ({error}); look at its profile, region "
                "and endpoint_url"
            ) from error
        return ServiceClient(client, self.clock, self.fence)

    def _opened_session(self) -> Any:
        if self._session is None:
            self._session = open_session(self.target)
        return self._session


def _allowed(result: Mapping[str, Any] | None) -> bool:
    """Whether an action was found allowed, on each resource where these are told apart."""
    if result is None:
        return False
    parts = result.get("ResourceSpecificResults") or ()
    decisions = [each["EvalResourceDecision"] for each in parts] or [result["EvalDecision"]]
    return all(decision == "allowed" for decision in decisions)
