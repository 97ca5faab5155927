"""Each notifier against somebody who checks what comes as the vendor would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from drillkit.model.notice import EVENTS, Event, Notice, Notify, Number
from drillkit.model.records import MessageSent
from drillkit.model.verdict import Holds
from drillkit.notify import Messenger, Receiver, deliver, notifier_named, notifier_names
from drillkit.spec.notify import complaints
from tests.notify import schemas
from tests.notify.receiver import Receiver as Listener
from tests.notify.receiver import mail_server, receiver

KEY = "k" * 32


def notice(event: Event, text: str = "41 of 2,400 lost <bound> & more", **more: Any) -> Notice:
    numbers = tuple(
        Number(f"web during the steps {i}", "41", "at most 20", Holds.VIOLATED) for i in range(60)
    )
    return Notice(
        event=event,
        drill="pod-delete",
        target="prod",
        headline=text,
        at=datetime(2026, 11, 1, 3, tzinfo=UTC),
        run="20261101-030000-x7k2",
        owner="sre@example.com",
        numbers=numbers,
        advice="drillkit recover 20261101-030000-x7k2",
        link="https://reports.example.com/pod-delete/20261101-030000-x7k2/report.html",
        exit_code=1,
        **more,
    )


def place(uses: str, **arguments: Any) -> Receiver:
    notifier = notifier_named(uses)
    return Receiver(uses, notifier, notifier.Arguments(**arguments), notifier.events)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    with receiver() as found:
        monkeypatch.setenv("TOLD_URL", f"{found.url}/services/T0/B0/hidden")
        monkeypatch.setenv("TOLD_KEY", KEY)
        yield found


def sent(listener: Listener, to: Receiver, what: Notice) -> Any:
    assert deliver(to, what) == ""
    return listener.came[-1].data


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("text", ["41 of 2,400 lost <bound> & more", "ü" * 50_000])
def test_every_message_fits_what_the_vendors_take(
    listener: Listener, event: Event, text: str
) -> None:
    what = notice(event, text)
    for uses, schema in (("slack", schemas.SLACK), ("teams", schemas.TEAMS)):
        jsonschema.validate(sent(listener, place(uses, url="env:TOLD_URL"), what), schema)
        assert listener.came[-1].path == "/services/T0/B0/hidden"
        assert len(listener.came[-1].body) < 28 * 1024
    hook = place("webhook", url=listener.url, headers={"Authorization": "env:TOLD_KEY"})
    jsonschema.validate(sent(listener, hook, what), schemas.CLOUD_EVENT)
    assert listener.came[-1].headers["Content-Type"] == "application/cloudevents+json"
    assert listener.came[-1].headers["Authorization"] == KEY
    pager = place("pagerduty", routing_key="env:TOLD_KEY", url=listener.url)
    if event in pager.events:
        data = sent(listener, pager, what)
        incident = event in ("dirty", "overdue")
        assert listener.came[-1].path == ("/v2/enqueue" if incident else "/v2/change/enqueue")
        jsonschema.validate(data, schemas.PAGERDUTY_ALERT if incident else schemas.PAGERDUTY_CHANGE)


def test_a_message_says_what_was_found_against_what_and_where_to_read_on(
    listener: Listener,
) -> None:
    what = notice("violated")
    for uses in ("slack", "teams"):
        sent(listener, place(uses, url="env:TOLD_URL"), what)
        said = listener.came[-1].body.decode()
        for part in ("violated", "41 (expected at most 20)", "drillkit recover", what.link):
            assert part in said, (uses, part)
    assert (
        "&lt;bound&gt; &amp; more"
        in sent(listener, place("slack", url="env:TOLD_URL"), what)["blocks"][1]["text"]["text"]
    ), "Slack reads `<` as a link"


def test_an_overdue_drill_is_one_incident_however_often_it_is_told(listener: Listener) -> None:
    pager = place("pagerduty", routing_key="env:TOLD_KEY", url=listener.url)
    keys = [
        sent(
            listener,
            pager,
            Notice(
                event="overdue",
                drill="d",
                target="t",
                headline="late",
                at=datetime(2026, 11, day, tzinfo=UTC),
                which=which,
            ),
        )["dedup_key"]
        for day, which in ((2, "2026-11-01"), (3, "2026-11-01"), (4, "2026-12-01"))
    ]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("event", "path"),
    [("started", "/hc/start"), ("met", "/hc"), ("violated", "/hc/fail"), ("dirty", "/hc/fail")],
)
def test_a_dead_man_service_hears_start_success_and_failure(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, event: Event, path: str
) -> None:
    monkeypatch.setenv("TOLD_HEART", f"{listener.url}/hc")
    heart = place("heartbeat", success="env:TOLD_HEART")
    assert deliver(heart, notice(event)) == ""
    assert listener.came[-1].path == path
    assert "refused" not in heart.notifier.default
    own = place("heartbeat", success=f"{listener.url}/a", start=f"{listener.url}/b")
    assert deliver(own, notice("started")) == ""
    assert listener.came[-1].path == "/b"


def test_a_mail_is_plain_text_and_says_that_a_machine_wrote_it() -> None:
    with mail_server() as (server, mails):
        to = place(
            "email",
            to=("a@example.com", "b@example.com"),
            from_="d@example.com",
            server=server,
            security="none",
        )
        assert deliver(to, notice("violated", "Grüße: 41 lost")) == ""
    (mail,) = mails
    assert mail["Subject"] == "drill pod-delete on prod: violated"
    assert (mail["To"], mail["Auto-Submitted"]) == (
        "a@example.com, b@example.com",
        "auto-generated",
    )
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert "Grüße: 41 lost" in content.decode()


def test_apprise_brings_its_own(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("apprise")
    monkeypatch.setenv("TOLD_APPRISE", listener.url.replace("http://", "json://"))
    assert deliver(place("apprise", url="env:TOLD_APPRISE"), notice("dirty")) == ""
    assert listener.came[-1].data["type"] == "failure"
    monkeypatch.setenv("TOLD_APPRISE", "nothing://at-all")
    assert "knows no such service" in deliver(
        place("apprise", url="env:TOLD_APPRISE"), notice("dirty")
    )


def test_what_went_wrong_is_told_without_the_secret_in_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiver(500) as broken:
        monkeypatch.setenv("TOLD_URL", f"{broken.url}/services/hidden-part")
        why = deliver(place("slack", url="env:TOLD_URL"), notice("met"))
        assert "answered 500" in why
        assert "hidden-part" not in why
    why = deliver(place("slack", url="env:TOLD_URL"), notice("met"))
    assert "cannot be reached" in why
    assert "hidden-part" not in why
    monkeypatch.delenv("TOLD_URL")
    assert "TOLD_URL" in deliver(place("slack", url="env:TOLD_URL"), notice("met"))


def test_one_who_hangs_keeps_no_other_from_being_told() -> None:
    sent: list[MessageSent] = []
    with receiver(hangs=True) as dead, receiver() as well:
        several = [place("webhook", url=each.url) for each in (dead, well)]
        messenger = Messenger(several, sent.append, limit_s=0.3)
        messenger.tell(notice("started"))
        messenger.tell(notice("met"))
        messenger.finish()
        assert [each.data["type"] for each in well.came] == [
            "dev.drillkit.started",
            "dev.drillkit.met",
        ]
    lost = [each for each in sent if each.why]
    assert [each.event for each in lost] == ["started", "met"], "each message is accounted for"
    assert all("no answer within 0.3 s" in each.failure for each in lost)
    assert [(each.event, each.to) for each in sent if not each.why] == [
        ("started", "127.0.0.1"),
        ("met", "127.0.0.1"),
    ]


def test_where_a_message_goes_is_told_without_what_is_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOLD_URL", "https://user:word@hooks.example.com:8443/services/T0/hidden")
    monkeypatch.setenv("TOLD_APPRISE", "matrixs://hidden@hidden.example.com")
    monkeypatch.setenv("TOLD_KEY", KEY)
    mail = {"from_": "d@example.com", "server": "mail.example.com:587"}
    for to, told in (
        (place("slack", url="env:TOLD_URL"), "hooks.example.com"),
        (place("teams", url="env:TOLD_URL"), "hooks.example.com"),
        (place("webhook", url="env:TOLD_URL"), "hooks.example.com"),
        (place("heartbeat", success="env:TOLD_URL"), "hooks.example.com"),
        (place("pagerduty", routing_key="env:TOLD_KEY"), "events.pagerduty.com"),
        (place("email", to=("a@example.com", "b@example.com"), **mail), "a@example.com, b@exampl"),
        (place("apprise", url="env:TOLD_APPRISE"), "matrixs"),
        (place("slack", url="env:TOLD_NOWHERE"), ""),
    ):
        assert to.told().startswith(told), to.label
        assert bool(to.told()) == bool(told)
        assert "hidden" not in to.told()
        assert replace(to, who="#on-call").told() == "#on-call"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Notify(uses="slak"), "no notifier is called 'slak'; did you mean `slack`"),
        (Notify(uses="base"), "no notifier is called 'base'"),
        (Notify(uses="slack"), "url"),
        (Notify(uses="slack", with_={"url": "https://hooks.slack.com/x"}), "env:NAME or file:PATH"),
        (Notify(uses="slack", with_={"url": "aws-secret:x"}), "env:NAME or file:PATH"),
        (Notify(uses="webhook", with_={"url": "https://u:p@h/"}), "password must not stand"),
        (
            Notify(
                uses="webhook",
                with_={"url": "https://h/", "headers": {"Authorization": "Bearer abcdefgh"}},
            ),
            "env:NAME or file:PATH",
        ),
        (
            Notify(uses="pagerduty", with_={"routing_key": "env:K"}, events=("held",)),
            "does not tell `held`",
        ),
    ],
)
def test_what_cannot_work_is_told_before_anything_runs(given: Notify, said: str) -> None:
    assert any(said in what for _, what in complaints([given])), [*complaints([given])]


def test_every_module_of_the_room_is_a_notifier_that_says_what_it_is() -> None:
    assert {"slack", "teams", "pagerduty", "email", "webhook", "apprise", "heartbeat"} == {
        *notifier_names()
    }
    for name in notifier_names():
        notifier = notifier_named(name)
        assert (notifier.name, bool(notifier.__doc__)) == (name, True)
        assert notifier.default <= notifier.events
    assert not [
        *complaints(
            [
                Notify(
                    uses="email",
                    with_={
                        "to": ["a@example.com"],
                        "from": "b@example.com",
                        "server": "mail.example.com:587",
                        "password": "file:/run/secrets/smtp",
                    },
                )
            ]
        )
    ]


def test_the_room_starts_without_what_is_heavy(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys, drillkit.notify; "
        "print([m for m in ('requests', 'apprise', 'smtplib', 'email') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
