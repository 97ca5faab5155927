"""`keygen`, `sign` and `verify`: proof that what a run wrote is what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drillkit.cli.options import OUT, Out
from drillkit.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from drillkit.attest.export import ExportRules
    from drillkit.attest.verify import Checked

SIGNING_KEY = "DRILLKIT_SIGNING_KEY"


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--of",
    "reference",
    metavar="REFERENCE",
    help="Write only FILE.pub, of a key that exists: awskms:KEY, file:PATH or env:NAME.",
)
def keygen(file: Path, reference: str | None) -> None:
    """Make a key pair for signing: FILE (keep it secret) and FILE.pub (give it to who verifies)."""
    from drillkit.attest.keys import generate, write_public
    from drillkit.model.errors import UsageError
    from drillkit.secrets import resolve

    if not file.name:
        raise UsageError(f"expected a file's name, found {str(file)!r}")
    public = file.with_name(f"{file.name}.pub")
    if reference is not None:
        keyid = write_public(reference, lambda each: resolve(each, "the signing key"), public)
        click.echo(f"wrote {public}, the public half of {reference}")
        click.echo(f"key {keyid}")
        return
    keyid = generate(file, public)
    click.echo(f"wrote {file} (private, 0600) and {public}")
    click.echo(f"key {keyid}")
    click.echo(f"sign with it: {SIGNING_KEY}=file:{file} drillkit run …, or drillkit sign RUN")


@click.command()
@click.argument("run")
@click.option(
    "--key",
    envvar=SIGNING_KEY,
    required=True,
    metavar="REFERENCE",
    help=f"file:PATH, env:NAME or awskms:KEY; default: {SIGNING_KEY}.",
)
@OUT
def sign(run: str, key: str, out: Out) -> int:
    """Seal RUN and sign it: its manifest, its verdict, its place in the chain."""

    from drillkit.attest.seal import seal
    from drillkit.cli.runs import follow, run_folder

    folder = run_folder(run, out)
    sealed = seal(folder, SYSTEM_CLOCK.now(), signer(key))
    follow(folder, _warn)
    click.echo(
        f"{folder.name}: line {sealed.entry.seq} of its chain, signed by {sealed.signed_by[:16]}…"
    )
    return 0


@click.command()
@click.argument("run", required=False)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Public key that must have signed (several: any of them). Without: nobody is trusted.",
)
@click.option(
    "--heads",
    "published",
    metavar="PLACE",
    help="Heads of chains that were published before; a chain that was cut is found by them.",
)
@click.option(
    "--publish",
    metavar="PLACE",
    help="When all is sound, publish the heads: a file, s3://BUCKET/KEY or git:FILE.",
)
@click.option(
    "--timestamp",
    metavar="URL",
    help="With --publish: have a time-stamping authority (RFC 3161) stamp them; PLACE.tsr. Of one "
    "with a login or a key in its URL: env:NAME or file:PATH.",
)
@click.option(
    "--tsa-ca",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --heads: check their time stamp (PLACE.tsr) against these root certificates.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@OUT
def verify(
    run: str | None,
    keys: tuple[Path, ...],
    published: str | None,
    publish: str | None,
    timestamp: str | None,
    tsa_ca: Path | None,
    as_json: bool,
    out: Out,
) -> int:
    """Is everything that was sealed still there as it was? RUN, or all runs and their chains.

    Ends with 0 when it is, with 1 when something was changed, removed, reordered, back-dated or
    signed by somebody else.
    """
    from drillkit.attest.export import is_export
    from drillkit.attest.heads import read_heads
    from drillkit.attest.keys import public_key
    from drillkit.attest.publication import place_of
    from drillkit.attest.verify import verify_all, verify_run
    from drillkit.cli.runs import run_folder, sealed_reports
    from drillkit.model.errors import UsageError

    pinned = [public_key(path) for path in keys]
    if run is not None and is_export(Path(run)):
        return _verify_export(Path(run), pinned)
    if run is not None and (published or publish):
        raise UsageError("--heads and --publish are about all runs: leave RUN out")
    if (timestamp and not publish) or (tsa_ca and not published):
        raise UsageError("--timestamp goes with --publish, --tsa-ca with --heads")
    stamped_by = _authority(timestamp) if timestamp else None
    if run is not None:
        checked = verify_run(run_folder(run, out), pinned)
    else:
        # What was published there before must still be so, before anything newer is.
        heads = list(read_heads(place_of(published), published, must_be=True)) if published else []
        heads += read_heads(place_of(publish), publish) if publish else ()
        checked = verify_all(sealed_reports(out), pinned, heads)
    _tell(checked, as_json=as_json, keys=bool(pinned))
    if published and tsa_ca:
        _tell_stamp(published, tsa_ca)
    if checked.sound and publish:
        _publish(publish, checked, stamped_by)
    return 0 if checked.sound else 1


def _authority(given: str) -> str:
    """The URL of a time-stamping authority, or the one behind a reference. Raises UsageError."""
    from drillkit.secrets import is_reference, resolve

    return resolve(given, "--timestamp") if is_reference(given) else given


def _publish(name: str, checked: Checked, timestamp: str | None) -> None:
    from drillkit.attest.heads import write_heads
    from drillkit.attest.publication import place_of

    content = write_heads(place_of(name), checked.heads, name)
    click.echo(f"published {len(checked.heads)} heads: {name}")
    if timestamp:
        from drillkit.attest.timestamp import stamp

        stamps = place_of(f"{name}.tsr")
        stamps.read()  # what is there is replaced knowingly
        stamps.write(stamp(content, timestamp))
        click.echo(f"stamped: {name}.tsr")


def _tell_stamp(name: str, authorities: Path) -> None:
    from drillkit.attest.publication import place_of
    from drillkit.attest.timestamp import stamped_at
    from drillkit.model.errors import UsageError

    content, token = place_of(name).read(), place_of(f"{name}.tsr").read()
    if content is None or token is None:
        raise UsageError(f"{name} or {name}.tsr is not there; `--publish --timestamp` writes both")
    at = stamped_at(content, token, authorities)
    click.echo(f"{name} existed at {at:%Y-%m-%d %H:%M:%S} UTC")


@click.command()
@click.argument("run")
@click.option("--by", required=True, metavar="NAME", help="Who reviews it.")
@click.option("--says", required=True, metavar="TEXT", help="What is said of it.")
@click.option("--reject", is_flag=True, help="It is not accepted.")
@click.option(
    "--key",
    envvar="DRILLKIT_REVIEW_KEY",
    required=True,
    metavar="REFERENCE",
    help="The reviewer's own key; default: DRILLKIT_REVIEW_KEY.",
)
@OUT
def review(run: str, by: str, says: str, reject: bool, key: str, out: Out) -> int:
    """Say of a sealed RUN that it was reviewed, signed with the reviewer's key.

    A correction is another review; none is ever edited.
    """

    from drillkit.attest.review import review as add
    from drillkit.cli.runs import follow, run_folder

    folder = run_folder(run, out)
    entry = add(folder, by, says, accepted=not reject, at=SYSTEM_CLOCK.now(), signer=signer(key))
    follow(folder, _warn)
    click.echo(f"{folder.name}: reviewed by {by}, line {entry.seq} of its chain")
    return 0


@click.command()
@click.argument("run")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--redact",
    "rules",
    required=True,
    multiple=True,
    metavar="usual|FILE",
    help="`usual` (accounts, clusters, hosts, buckets, people, addresses) or a YAML file of rules;"
    " both may be given.",
)
@click.option(
    "--key",
    envvar=SIGNING_KEY,
    required=True,
    metavar="REFERENCE",
    help=f"What signs for the copy; default: {SIGNING_KEY}.",
)
@OUT
def export(run: str, folder: Path, rules: tuple[str, ...], key: str, out: Out) -> int:
    """Write a copy of a sealed RUN for outsiders into FOLDER: names replaced, and still proven.

    The same name gets the same word everywhere. `drillkit verify FOLDER --key KEY` checks it.
    """
    from drillkit.attest.export import ExportRules
    from drillkit.attest.export import export as write
    from drillkit.cli.runs import run_folder

    source = run_folder(run, out)
    # What somebody names goes by the word that they gave it.
    chosen = [_rules(each, source) for each in sorted(rules, key="usual".__eq__)]
    all_rules = ExportRules(
        tuple(rule for each in chosen for rule in each.rules),
        tuple(pattern for each in chosen for pattern in each.drop),
    )
    done = write(source, folder, all_rules, signer(key))
    many = f"{done.replaced} names replaced" + (
        f", left out: {', '.join(done.dropped[:5])}" if done.dropped else ""
    )
    click.echo(f"wrote {done.folder}: {many}")
    return 0


def _rules(name: str, source: Path) -> ExportRules:
    """Raises UsageError."""
    from drillkit.attest.export import read_rules
    from drillkit.attest.usual_rules import usual_rules
    from drillkit.model.errors import UsageError

    if name == "usual":
        return usual_rules(source)
    try:
        return read_rules(Path(name).read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} cannot be read: {error}") from error


def signer(reference: str) -> Any:
    """What signs with a key. Raises UsageError; never shows the key."""
    from drillkit.attest.keys import signer_of
    from drillkit.secrets import resolve

    return signer_of(reference, lambda each: resolve(each, "the signing key"))


def _verify_export(folder: Path, pinned: list[Any]) -> int:
    from drillkit.attest.export import verify_export
    from drillkit.model.errors import UsageError

    if not pinned:
        raise UsageError("a redacted copy is proven by its signature only: give --key")
    wrong = verify_export(folder, pinned)
    for text in wrong:
        click.secho(f"{folder}: {text}", fg="red")
    if not wrong:
        click.echo(f"{folder}: a redacted copy, as it was exported")
    return 1 if wrong else 0


def _warn(text: str) -> None:
    click.secho(text, err=True, fg="yellow")


def _tell(checked: Checked, *, as_json: bool, keys: bool) -> None:
    import json

    from drillkit.model.codec import to_data

    if as_json:
        click.echo(json.dumps({"sound": checked.sound, **to_data(checked)}, indent=2))
        return
    for run, said in checked.reviews:
        word = "accepted" if said.accepted else "rejected"
        click.echo(f"{run}: {word} by {said.by} at {said.at} (key {said.key[:16]}…): {said.says}")
    for problem in checked.problems:
        click.secho(f"{problem.kind:10} {problem}", fg="red")
    many = f"{checked.runs} run{'' if checked.runs == 1 else 's'}"
    if not checked.sound:
        count = len(checked.problems)
        click.echo(f"{many}, {count} problem{'' if count == 1 else 's'}")
        return
    if keys:
        click.echo(f"{many}: unchanged, complete, signed by {_short(checked.signed_by)}")
    else:
        click.echo(f"{many}: unchanged and complete; signatures were not looked at (no --key)")
    if not keys and checked.unsigned:
        click.echo(f"unsigned: {', '.join(checked.unsigned[:5])}")


def _short(keys: frozenset[str]) -> str:
    return ", ".join(sorted(f"{key[:16]}…" for key in keys)) or "nobody"
