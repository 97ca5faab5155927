"""What auditors ask of a recovery test, answered from record 1 and the verdict. What nobody said is
said to be missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from drillkit.archive.summary import summarize
from drillkit.controls.assess import shown_by
from drillkit.controls.framework import framework, shipped
from drillkit.judge.findings import audit_of
from drillkit.judge.run_history import RunRead, StepRun
from drillkit.lazy_dataclass import dataclass
from drillkit.model.audit import Audit
from drillkit.model.draw import moment, position
from drillkit.model.drill import Drill, Objectives, Step
from drillkit.model.evidence import Backup, Check, Note, RecoveryPoint
from drillkit.model.records import History
from drillkit.model.rehearsal import Apart
from drillkit.model.units import format_duration
from drillkit.model.verdict import Holds, Verdict
from drillkit.report.messages import Told, by_receiver
from drillkit.report.scoreboard import made_and_gone

NOT_STATED = "not stated: the drill's or the target's `audit` may say it"
NOT_RECORDED = "not recorded"
NOTHING_RESTORED = "nothing was restored"
TAKEN = "one that the drill took itself, none that was there"


@dataclass(frozen=True, slots=True)
class AuditAnswer:
    """One thing that is asked."""

    asked: str
    said: tuple[str, ...] = ()
    missing: str = NOT_STATED
    """What stands there where nothing was said."""

    @property
    def lacking(self) -> bool:
        """Whether somebody should have said it, or written it down: `none` is an answer, too."""
        return not self.said and self.missing in (NOT_STATED, NOT_RECORDED)


def answers(
    run: RunRead,
    verdict: Verdict,
    joined: Mapping[str, str] | None = None,
    told: tuple[Told, ...] = (),
) -> tuple[AuditAnswer, ...]:
    """All of them, in the order of a test's life. `joined`: who took part, with their role, as the
    run has seen it; the drill may name others. `told`: messages that were sent.
    """
    said = audit_of(run)
    people = {**said.participants, **(joined or {})}
    steps = run.drill.every_step if run.drill else ()
    restores = [step for step in steps if _seen(run, step).rehearses.way == "restore"]
    return (
        AuditAnswer("Scope", tuple(said.scope.in_)),
        AuditAnswer("Not in scope", tuple(said.scope.out)),
        AuditAnswer("Accounts, clusters, regions", tuple(_boundary(run)), NOT_RECORDED),
        AuditAnswer("Scenario", tuple(_scenario(said))),
        AuditAnswer(
            "References", tuple(f"{what}: {where}" for what, where in said.references.items())
        ),
        AuditAnswer("Objectives", tuple(_objectives(run.drill)), "none is declared"),
        AuditAnswer("Objectives set by", _one(said.objectives_from)),
        AuditAnswer("Approved before by", (*_one(said.approved), *_approvals(run))),
        AuditAnswer("Participants", tuple(f"{who}: {role}" for who, role in people.items())),
        AuditAnswer("To be told before", tuple(said.informed)),
        AuditAnswer("Who was told", tuple(by_receiver(told)), "no message was sent"),
        AuditAnswer(
            "Changed and undone", _one(made_and_gone(verdict.undos)), "nothing was changed"
        ),
        AuditAnswer("Backups restored", tuple(_backups(run)), NOTHING_RESTORED),
        AuditAnswer("How they were chosen", tuple(_sample(run, restores)), NOTHING_RESTORED),
        AuditAnswer(
            "Restored apart from the source", tuple(_apart(run, restores)), NOTHING_RESTORED
        ),
        AuditAnswer("Checks of restored data", _one(_checks(run)), "none was read"),
        AuditAnswer("Deviations", tuple(_deviations(verdict)), "none"),
        AuditAnswer("Findings", tuple(_findings(verdict)), "none"),
        AuditAnswer("Frequency promised", _cadence(run), "none: the drill has no `cadence`"),
        AuditAnswer(
            "Audit period",
            ("that of the matrix this run is counted in: `drillkit controls --period FROM..TO`",),
        ),
        AuditAnswer("Retention", _one(said.retention)),
        AuditAnswer("Not real", run.opened.emulated, "all is real"),
        AuditAnswer(
            "Review, signature, time stamp",
            (
                f"beside the journal, never in it: `drillkit verify {verdict.run or 'RUN'}` shows "
                "its seal and who signed and reviewed it",
            ),
        ),
    )


def supported(history: History, verdict: Verdict) -> AuditAnswer:
    """Controls that the run, once it is signed, may be counted for. Never that one is met: that
    takes a period, and an auditor.
    """
    run = summarize(history, verdict)
    if run is None or run.emulated:
        return AuditAnswer("Controls it supports", (), "none: what is not real counts for none")
    said = []
    for name in shipped():
        shown = shown_by(framework(name), run)
        parts = [f"{control.id} ({', '.join(needs)})" for control, needs in shown]
        if parts:
            said.append(f"{name}: {', '.join(parts)}")
    if said:
        said.append("over a period: `drillkit controls`")
    return AuditAnswer("Controls it supports", tuple(said), "none: it shows nothing that one asks")


def _one(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _approvals(run: RunRead) -> Iterator[str]:
    """Who signed the plan that was run, and which plan that was."""
    plan = run.opened.digests.get("plan", "-")
    for who in run.opened.approved_by:
        yield f"{who}, who signed the plan with SHA-256 {plan}"


def _boundary(run: RunRead) -> Iterator[str]:
    seen, target = run.opened.identities, run.opened.target
    if seen.cluster_uid:
        yield f"cluster {seen.cluster_uid}"
    aws = target.aws if target else None
    if account := seen.aws_account or (aws.account if aws else ""):
        yield f"account {account}"
    if aws is not None:
        yield f"region {aws.region}"
        if aws.dr_region:
            yield f"recovery region {aws.dr_region}"


def _scenario(said: Audit) -> Iterator[str]:
    if said.scenario.type:
        yield f"{said.scenario.type} test"
    if said.scenario.announced is not None:
        yield "announced" if said.scenario.announced else "not announced"
    if said.scenario.assumes:
        yield f"assumes: {said.scenario.assumes}"


def _objectives(drill: Drill | None) -> Iterator[str]:
    for step in drill.every_step if drill else ():
        wanted = step.objectives
        if wanted == Objectives():
            continue
        limits = {"RTO": wanted.rto, "RPO": wanted.rpo, "recovery": wanted.recovery}
        parts = [f"{name} {format_duration(at)}" for name, at in limits.items() if at is not None]
        if wanted.detect is not None:
            who = wanted.detect.alert or "detected by people"
            parts.append(f"{who} within {format_duration(wanted.detect.within)}")
        by_people = {"acknowledged": wanted.acknowledge, "mitigated": wanted.mitigate}
        parts += [
            f"{what} within {format_duration(at)}"
            for what, at in by_people.items()
            if at is not None
        ]
        yield f"{step.name}: {', '.join(parts)}"


def _backups(run: RunRead) -> Iterator[str]:
    for step in run.steps.values():
        for seen in step.evidence:
            if isinstance(seen.what, Backup):
                yield f"{step.name}: {_identity(seen.what, seen.at)}"
        points = [s.what for s in step.evidence if isinstance(s.what, RecoveryPoint)]
        for point in points:
            known = "read from restored data" if point.measured else "promised"
            yield f"{step.name}: data up to {_date(point.at)} by {point.basis}, {known}"


def _identity(backup: Backup, at: float) -> str:
    """A backup in one sentence: what, from when, how large, where, under which key and lock."""
    parts = [f"{backup.name} ({backup.of})"]
    if backup.created is not None:
        age = format_duration(round(max(0.0, at - _stamp(backup.created))))
        parts.append(f"from {_date(backup.created)}, {age} old")
    if backup.bytes is not None:
        parts.append(f"{_size(backup.bytes)} ({backup.counted})")
    if where := ", ".join(each for each in (backup.place, backup.region) if each):
        parts.append(f"in {where}")
    key = f" ({backup.kms_key})" if backup.kms_key else ""
    if backup.encrypted is None:
        parts.append("encryption not known")
    else:
        parts.append(f"encrypted{key}" if backup.encrypted else "NOT encrypted")
    parts.append(_lock(backup))
    parts += backup.unread
    return "; ".join(parts)


def _lock(backup: Backup) -> str:
    lock = f" ({backup.lock})" if backup.lock else ""
    if backup.immutable is None:
        return f"immutability not known{lock}"
    if not backup.immutable:
        return f"NOT immutable{lock}"
    until = f" until {_date(backup.immutable_until)}" if backup.immutable_until else ""
    return f"immutable{until}{lock}"


def _size(count: int) -> str:
    value, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:,.0f} {unit}" if value >= 10 or unit == "bytes" else f"{value:.1f} {unit}"


def _date(at: datetime) -> str:
    return f"{at.astimezone(UTC) if at.tzinfo else at:%Y-%m-%d %H:%M:%S} UTC"


def _stamp(at: datetime) -> float:
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _sample(run: RunRead, restores: Iterable[Step]) -> Iterator[str]:
    """Which of how many backups was tested, and how it was chosen."""
    for step in restores:
        seen = _seen(run, step)
        what = [s.what for s in seen.evidence]
        passed = [
            n.text for n in what if isinstance(n, Note) and n.text.startswith("newer backups")
        ]
        recorded = [backup for backup in what if isinstance(backup, Backup)]
        for backup in recorded:
            yield "; ".join([f"{step.name}: {_choice(backup)}", *passed])
        if not recorded:
            many = "how many others there are: not recorded"
            yield "; ".join([f"{step.name}: {_declared_choice(seen, step)}", *passed, many])


def _declared_choice(seen: StepRun, step: Step) -> str:
    """As far as the drill says; older journals say no more, and kinds of other packages may not."""
    given = step.with_
    named = given.get("backup") or given.get("snapshot")
    if named:
        return f"{named}, by its name"
    if seen.recorded is not None:
        return "how it was chosen: not recorded"
    if given.get("from") == "fresh":
        return TAKEN
    if "point-in-time" in step.uses:
        return f"the point {given.get('to', 'latest')} of the automated backups"
    return "the newest good one"


def _choice(backup: Backup) -> str:
    """How it was chosen, out of how many."""
    if backup.how == "fresh":
        return TAKEN
    if backup.between is not None:
        return _moment_of(backup)
    if not backup.among:
        return f"{backup.name}, by its name; how many others there are: not recorded"
    many = len(backup.among)
    if backup.how == "latest":
        return f"the latest of {many}: 1 of {many} tested"
    place = f"number {backup.among.index(backup.name) + 1}" if backup.name in backup.among else "?"
    if backup.how == "random":
        return f"{place} of {many} ({backup.among[0]} to {backup.among[-1]}), {_drawn(backup)}"
    return f"{backup.name}, by its name: {place} of {many}"


def _moment_of(backup: Backup) -> str:
    assert backup.between is not None
    first, last = backup.between
    window = f"of {_date(first)} to {_date(last)}"
    if backup.moment is None:
        return f"the latest moment {window}"
    how = f", {_drawn(backup)}" if backup.how == "random" else ""
    return f"{_date(backup.moment)} {window}{how}"


def _drawn(backup: Backup) -> str:
    """The draw, made once more."""
    if backup.between is not None:
        same = moment(backup.seed, *backup.between) == backup.moment
    else:
        same = backup.among[position(backup.seed, backup.among)] == backup.name
    again = "drawn again it is the same" if same else "DRAWN AGAIN IT IS ANOTHER ONE"
    return f"drawn at random with the seed {backup.seed}; {again}"


_APART: Mapping[Apart, str] = {
    "": "not recorded",
    "beside": "partly, beside the source in the same account and region",
    "sealed": "partly, in sealed namespaces of the cluster that it was restored into",
    "region": "partly, in another region of the same account",
}


def _apart(run: RunRead, restores: Iterable[Step]) -> Iterator[str]:
    """How far each copy was from its source: never more than is known."""
    for step in restores:
        yield f"{step.name}: {_APART[_seen(run, step).rehearses.apart]}"


def _seen(run: RunRead, step: Step) -> StepRun:
    return run.steps[step.name or step.uses]


def _checks(run: RunRead) -> str:
    everything = [s.what for step in run.steps.values() for s in step.evidence]
    read = [w for w in everything if isinstance(w, Check) and w.purpose == "restored-data"]
    unread = sum(check.found is None for check in read)
    if not read:
        return ""
    return f"{len(read)} read" + (f", {unread} of them without an answer" if unread else "")


def _deviations(verdict: Verdict) -> Iterator[str]:
    if verdict.refused:
        yield f"refused: {verdict.refused}"
    if verdict.aborted:
        yield f"aborted by {verdict.aborted}"
    if verdict.crashed:
        yield "it ended without closing its journal"
    for end in ("not reached", "skipped"):
        if names := [step.name for step in verdict.steps if step.end == end]:
            yield f"{end}: {', '.join(names)}"
    if unknown := sum(finding.holds is Holds.UNKNOWN for finding in verdict.findings):
        yield f"{unknown} not proven"


def _findings(verdict: Verdict) -> Iterator[str]:
    several = verdict.findings
    if not several:
        return
    counts = [(s, sum(f.severity == s for f in several)) for s in ("high", "medium", "low")]
    yield ", ".join(f"{count} {severity}" for severity, count in counts if count)
    lacking = {
        "an owner": sum(not f.owner for f in several),
        "a date": sum(f.due is None for f in several),
        "a ticket": sum(not f.ticket for f in several),
    }
    if said := [f"{count} without {what}" for what, count in lacking.items() if count]:
        yield ", ".join(said)
    yield "which run closed them: `drillkit history`"


def _cadence(run: RunRead) -> tuple[str, ...]:
    """What the drill promises, and when it is due after this run."""
    if run.drill is None or run.drill.cadence is None:
        return ()
    return (f"{run.drill.cadence}{_due(run)}; when it is due now: `drillkit due`",)


def _due(run: RunRead) -> str:
    from drillkit.spec.cadence import next_due

    drill = run.drill
    if drill is None or drill.cadence is None:
        return ""
    zone = drill.window.timezone if drill.window else "UTC"
    try:
        last = datetime.fromtimestamp(run.began_at, UTC)
        return f", after this run on {next_due(drill.cadence, last, ZoneInfo(zone)):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError):
        return ""  # an expression or a zone that this machine does not know
