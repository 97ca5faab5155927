"""What a program's arguments tell of it: whether it can have done anything, or read anything."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from drillkit.clients.programs import does_nothing, reads_nothing

TALKS = """
true
env FOO=1 true
timeout -s KILL 5 sleep 1
sudo -u root true
busybox sleep 1
bash -lc true
sh -c ''
sh -c 'date; uptime'
sh -c 'sleep 1 >/dev/null 2>&1'
sh -c 'echo $(date) $((1 + 2))'
sh -c 'for i in 1 2 3; do sleep 1; done'
sh -c 'set -e; if true; then echo x; else exit 1; fi'
sh -c 'cd /tmp && { A=1; export A; true; }'
python3 -c pass
python3.12 -c "print(1); print('x')"
python3 -c 'import time; time.sleep(1)'
perl -e 'sleep 1'
seq 5
curl -V
terraform --version
test -n there
[ 1 = 1 ]
pg_isready -h db
mysqladmin -h db ping
psql -h db -tAc 'select 1'
nc -z db 5432
dig db
"""
LOOKS = """
test -e x
sh -c 'cat x && ls'
env A=b /bin/ls
sh -c 'while ! test -e x; do sleep 1; done'
kubectl get pods -A
kubectl -n shop get pods
kubectl --namespace=shop --context dev logs web
kubectl rollout status deploy/web
kubectl delete pods --all --dry-run=client
sh -c 'kubectl get pods | grep web'
helm -n shop list
terraform output
terraform -chdir=x plan
aws --region eu-central-1 rds describe-db-instances
aws s3 ls
git -C x status
docker ps
curl -fsS -o /dev/null http://web/health
curl -s -X GET http://web/health
wget -qO- http://web/health
find . -name x
sort x
psql -c 'select count(*) from orders'
"""
ACTS = """
kubectl -n get delete pods
kubectl --odd get delete pods
kubectl delete pods --all
kubectl exec web -- app --dry-run
kubectl rollout restart deploy/web
helm upgrade x y
terraform apply
aws rds reboot-db-instance
git push
docker kill x
sh
sh x.sh
sh -c 'echo x > y'
sh -c 'echo $(rm x)'
sh -c 'if true; then rm x; fi'
sh -c 'for i in 1 2; do kill 1; done'
env -u A rm x
timeout 5 rm x
python3 -c "import os; os.remove('x')"
python3 -c "print(open('x', 'w'))"
perl -e 'unlink "x"'
curl -sXPOST http://web/kill
curl -d x http://web/kill
curl --data=x http://web/kill
wget --post-data=x http://web/kill
find . -delete
sort -o x y
date -s tomorrow
hostname other
psql -c 'delete from orders'
psql -c 'select pg_terminate_backend(1)'
psql -c 'select 1' -f x.sql
psql
mysqladmin shutdown
"""


def words(lines: str) -> list[list[str]]:
    return [shlex.split(line) for line in lines.strip().splitlines()]


@pytest.mark.parametrize("program", words(TALKS), ids=shlex.join)
def test_what_waits_or_talks_or_only_reaches_neither_does_nor_reads_anything(
    program: list[str],
) -> None:
    assert does_nothing(program)
    assert reads_nothing(program)


@pytest.mark.parametrize("program", words(LOOKS), ids=shlex.join)
def test_what_looks_reads_and_does_nothing(program: list[str]) -> None:
    assert does_nothing(program)
    assert not reads_nothing(program)


@pytest.mark.parametrize("program", words(ACTS), ids=shlex.join)
def test_what_may_do_something_is_not_called_idle(program: list[str]) -> None:
    assert not does_nothing(program)
    assert not reads_nothing(program)


@pytest.mark.parametrize(
    ("text", "idle"),
    [
        ("#!/bin/sh\n# kill everything\nsleep 1\n", True),
        ("#!/usr/bin/env bash\nset -euo pipefail\n\nkubectl get pods\n", True),
        ("#!/bin/sh\n# nothing yet\nkubectl delete pods --all\n", False),
        ('#!/bin/sh\nexec "$@"\n', False),
        ("#!/usr/bin/python3\npass\n", False),
    ],
)
def test_a_script_is_as_idle_as_its_commands(tmp_path: Path, text: str, idle: bool) -> None:
    (tmp_path / "it.sh").write_text(text)
    assert does_nothing(["./it.sh"], str(tmp_path)) is idle
    assert does_nothing(["sh", "it.sh"], str(tmp_path)) is idle
