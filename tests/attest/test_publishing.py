"""Heads where others keep them: a file, a commit, a bucket; and when they were there."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from drillkit.attest.heads import read_heads, write_heads
from drillkit.attest.publication import place_of
from drillkit.attest.timestamp import stamp, stamped_at
from drillkit.model.errors import Refused, UsageError
from tests.attest.conftest import Archive
from tests.conftest import CommandLine


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket behind S3's protocol, on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    import boto3

    name = f"heads-{port}"
    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    yield f"s3://{name}/drills/heads.json"
    server.stop()


@pytest.mark.slow
def test_heads_in_a_bucket_are_the_ones_that_were_put_there(sealed: Archive, bucket: str) -> None:
    heads = sealed.verify().heads
    assert read_heads(place_of(bucket), bucket) == ()
    write_heads(place_of(bucket), heads, bucket)
    assert read_heads(place_of(bucket), bucket) == heads
    write_heads(place_of(bucket), heads, bucket)


def test_two_writers_of_a_bucket_cannot_mix(bucket: str) -> None:
    one, other = place_of(bucket), place_of(bucket)
    assert one.read() is None
    assert other.read() is None
    one.write(b"1")
    with pytest.raises(Refused, match="written by somebody else meanwhile"):
        other.write(b"2")
    again, late = place_of(bucket), place_of(bucket)
    again.read()
    late.read()
    again.write(b"3")
    with pytest.raises(Refused):
        late.write(b"4")
    assert place_of(bucket).read() == b"3"


def test_heads_that_were_removed_or_changed_are_told(sealed: Archive, tmp_path: Path) -> None:
    heads = tmp_path / "heads.json"
    for content in (None, b"", sealed.heads.read_bytes() + b"\n", b"{}"):
        if content is not None:
            heads.write_bytes(content)
        with pytest.raises(UsageError, match=r"removed|changed"):
            read_heads(place_of(str(heads)), "heads", must_be=True)
    heads.unlink()
    assert read_heads(place_of(str(heads)), "heads") == ()


def test_a_bucket_that_is_not_there_is_told(bucket: str) -> None:
    with pytest.raises(UsageError, match="s3://nobodys/x"):
        place_of("s3://nobodys/x").write(b"1")
    with pytest.raises(UsageError, match="expected s3://BUCKET/KEY"):
        place_of("s3://nobodys")


def test_each_state_of_a_published_file_is_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "sre")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "sre@example.com")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    place = place_of(f"git:{tmp_path}/heads.json")
    assert place.read() is None
    for content in (b"1", b"1", b"2"):
        place.write(content)
    log = subprocess.run(
        ["git", "-C", str(tmp_path), "log", "--format=%s"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert log.stdout.splitlines() == ["Heads of drills"] * 2
    assert place.read() == b"2"


def test_a_folder_that_is_no_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="git add in"):
        place_of(f"git:{tmp_path}/heads.json").write(b"1")


CONFIG = """
[tsa]
default_tsa = t
[t]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """(URL, root certificate) of a real time-stamping authority: OpenSSL's, behind HTTP."""
    folder = tmp_path_factory.mktemp("tsa")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    (folder / "ext").write_text(
        "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n"
        "basicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\n"
        "authorityKeyIdentifier=keyid\n"
    )

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    made = "req -newkey rsa:2048 -nodes"
    openssl(*f"{made} -x509 -days 2 -subj /CN=root -keyout ca.key -out ca.pem".split())
    openssl(*f"{made} -subj /CN=stamps -keyout tsa.key -out tsa.csr".split())
    signed = "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -days 2 -extfile ext -out tsa.pem"
    openssl(*signed.split())

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            (folder / "query").write_bytes(self.rfile.read(length))
            openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply")
            body = (folder / "reply").read_bytes()
            self.send_response(200 if self.path == "/" else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", folder / "ca.pem"
        server.shutdown()


def test_a_time_stamp_says_when_these_bytes_were_there_and_of_no_others(
    authority: tuple[str, Path],
) -> None:
    url, root = authority
    token = stamp(b"heads", url)
    assert stamped_at(b"heads", token, root).year >= 2026
    with pytest.raises(UsageError, match="does not hold"):
        stamped_at(b"other heads", token, root)


def test_a_stamp_of_an_authority_that_nobody_trusts_does_not_hold(
    authority: tuple[str, Path], tmp_path: Path
) -> None:
    url, _ = authority
    token = stamp(b"heads", url)
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other"]
    subprocess.run(
        [*words, "-keyout", str(tmp_path / "k"), "-out", str(tmp_path / "c")],
        check=True,
        capture_output=True,
    )
    with pytest.raises(UsageError, match="does not hold"):
        stamped_at(b"heads", token, tmp_path / "c")


def test_an_authority_that_fails_or_is_away_is_told(authority: tuple[str, Path]) -> None:
    url, _ = authority
    with pytest.raises(UsageError, match="the time-stamping authority"):
        stamp(b"heads", f"{url}broken")
    with pytest.raises(UsageError, match="the time-stamping authority"):
        stamp(b"heads", "http://127.0.0.1:9/")
    for place in (f"{url}broken?key=canary-4711", "http://me:canary-4711@127.0.0.1:9/canary-4711"):
        with pytest.raises(
            UsageError, match=r"authority 127\.0\.0\.1 (answered 500|gave no answer)"
        ) as why:
            stamp(b"heads", place)
        assert "canary" not in str(why.value)
    with pytest.raises(UsageError, match="no time stamp"):
        stamped_at(b"heads", b"x", authority[1])


@pytest.mark.slow
def test_the_command_publishes_stamps_and_checks(
    drillkit: CommandLine, sealed: Archive, authority: tuple[str, Path]
) -> None:
    url, root = authority
    out = ("--out", str(sealed.reports))
    stamped = ("--publish", "h.json", "--timestamp", "env:THE_TSA")
    done = drillkit("verify", *out, *stamped, env={"THE_TSA": url})
    assert done.code == 0, done.said
    shown = drillkit("verify", *out, "--heads", "h.json", "--tsa-ca", str(root))
    assert shown.code == 0, shown.said
    assert "h.json existed at 20" in shown.out
    alone = drillkit("verify", *out, "--timestamp", url)
    assert alone.code == 2


@pytest.mark.slow
def test_what_was_published_keeps_a_cut_chain_from_being_published_over_it(
    drillkit: CommandLine, archive: Archive
) -> None:
    import shutil

    out = ("--out", str(archive.reports))
    assert drillkit("verify", *out, "--publish", "h.json").code == 0
    last = max(p for p in (archive.reports / "pod-delete").iterdir() if not p.is_symlink())
    shutil.rmtree(last)
    chain = next((archive.reports / "chain").glob("*/*.jsonl"))
    chain.write_bytes(b"".join(chain.read_bytes().splitlines(keepends=True)[:4]))
    ran = drillkit("verify", *out, "--publish", "h.json")
    assert ran.code == 1
    assert "its end was cut" in ran.out
