"""Whose keys sign what is asked of a target's account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drillkit.model.target import AwsTarget


def open_session(target: AwsTarget | None) -> Any:
    """A botocore session that is led by the target, and by the operator's environment only in what
    the target leaves open. Nothing is read yet.
    """
    from botocore.session import Session

    if target is None:
        return Session()
    # A profile that is given here goes before keys of the environment; one of the environment's
    # does not.
    session = Session(profile=target.read_profile)
    if target.credentials_file:
        session.set_config_variable("credentials_file", target.credentials_file)
    return session
