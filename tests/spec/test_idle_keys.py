"""A key that is accepted works: what nothing would read, or what could only fail when it is used,
is refused where it stands.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drillkit.model.drill import StepCheck
from drillkit.model.errors import SpecError
from drillkit.spec.document import read_one
from drillkit.spec.drills import parse
from drillkit.spec.roots import Root, Roots
from drillkit.spec.source import DrillSource
from drillkit.spec.targets import bind_targets

STEP = "uses: command, with: {run: [x]}"
RDS = "uses: rds.point-in-time-restore, with: {source: db, to: latest}"
VELERO = "uses: velero.restore, with: {backup: b, namespaces: {a: b}}"


def check(step: str, text: str) -> str:
    return f"drill: d\nsteps:\n- {{{step}, checks: [{{{text}}}]}}\n"


def probe(text: str) -> str:
    return (
        "drill: d\nhypothesis: {during: {p: {bad: 1}}}\nsteps: [{uses: wait, with: {for: 1s}}]\n"
        f"probes: {{p: {{{text}}}}}\n"
    )


def step(text: str) -> str:
    return f"drill: d\nsteps:\n- {{{text}}}\n"


DRILLS = [
    (check(STEP, "command: [x], from: cluster"), "checks[0].from: `from` goes with `sql`, `rows`"),
    (check(STEP, "command: [x], database: d"), "checks[0].database: `database` goes with `sql`"),
    (check(STEP, "http: 'http://h/', table: t"), "checks[0].table: `table` goes with `rows`"),
    (check(STEP, "http: 'http://h/', from: cluster"), "checks[0].from: `from` goes with `sql`"),
    (check(STEP, "http: 'http://h/', with: {a: b}"), "checks[0].with: `with` goes with `uses`"),
    (check(STEP, "http: nope"), "checks[0].http: expected a URL such as http://host/health"),
    (check(STEP, "http: 'ftp://h/'"), "checks[0].http: expected a URL such as"),
    (check(STEP, "command: []"), "checks[0].command: expected a program and its arguments"),
    (check(RDS, "sql: select 1, table: t"), "checks[0].table: `table` goes with `rows`"),
    (check(RDS, "sql: select 1, keys: 1..2"), "checks[0].keys: `keys` goes with `checksum`"),
    (check(RDS, "sql: ''"), "checks[0].sql: expected text, found ''"),
    (check(RDS, "canary: c, table: t"), "checks[0].table: `table` goes with `rows`"),
    (check(RDS, "checksum: id, table: t, keys: 1-5"), "checks[0].keys: expected a range such as"),
    (check(VELERO, "http: {servce: web}"), "http.servce: unknown key 'servce'; did you mean"),
    (check(VELERO, "http: {path: /}"), "checks[0].http: expected `service:`"),
    (probe("tcp: 'h:1', expect: 200"), "probes.p.expect: `expect` goes with `http`"),
    (probe("tcp: 'h:1', body: x"), "probes.p.body: `body` goes with `http`"),
    (probe("tcp: 'h:1', headers: {a: b}"), "probes.p.headers: `headers` goes with `http`"),
    (probe("tcp: 'h:1', fresh: false"), "probes.p.fresh: `fresh` goes with `http`"),
    (probe("tcp: 'h:1', ca_file: f"), "probes.p.ca_file: `ca_file` goes with `http`"),
    (probe("http: 'http://h/', headers: {'a b': c}"), "expected the name of a header, found 'a b'"),
    (step("uses: command, with: {run: []}"), "with.run: expected at least one, found an empty"),
    (step("uses: velero.restore, with: {backup: b, namespaces: {}}"), "namespaces: expected at"),
    (step("uses: rds.point-in-time-restore, with: {source: '', to: latest}"), "source: expected t"),
]


@pytest.mark.parametrize(("text", "what"), DRILLS, ids=[what for _, what in DRILLS])
def test_what_a_drill_says_in_vain_is_refused_where_it_stands(
    tmp_path: Path, text: str, what: str
) -> None:
    source = DrillSource("d.yaml", text, Roots((Root(tmp_path, "project"),)), folder=tmp_path)
    with pytest.raises(SpecError) as refused:
        parse(source).resolve()
    (mistake,) = refused.value.mistakes
    assert what in str(mistake)
    assert mistake.where.startswith("d.yaml:")


AWS = "aws: {account: '123456789012', region: eu-central-1"
TARGETS = [
    ("kubernetes: {context: ''}", "a.kubernetes.context: expected text, found ''"),
    ("kubernetes: {cluster_uid: ''}", "a.kubernetes.cluster_uid: expected text, found ''"),
    ("kubernetes: {kubeconfig: ''}", "a.kubernetes.kubeconfig: expected text, found ''"),
    ("kubernetes: {namespace: Up_}", "a.kubernetes.namespace: expected a namespace such as"),
    ("kubernetes: {}, fleet: {namespace: a.b}", "a.fleet.namespace: expected a namespace such"),
    ("kubernetes: {}, caps: {namespaces: ['']}", "a.caps.namespaces[0]: expected text, found ''"),
    ("kubernetes: {}, caps: {duration: 0s}", "a.caps.duration: expected a duration above zero"),
    ("kubernetes: {}, approvers: {me: k.pub}", "a.approvers: nobody is asked while `approvals`"),
    (f"{AWS}, profile: ''}}", "a.aws.profile: expected text, found ''"),
    (f"{AWS}, credentials_file: ''}}", "a.aws.credentials_file: expected text, found ''"),
    (f"{AWS}, endpoint_url: nope}}", "a.aws.endpoint_url: expected a URL such as https://host"),
    (f"{AWS}, dr_subnet_group: x}}", "a.aws.dr_subnet_group: `dr_subnet_group` goes with `dr_r"),
    (f"{AWS}, dr_security_groups: [x]}}", "a.aws.dr_security_groups: `dr_security_groups` goes"),
    (f"{AWS}, dr_kms_key: x}}", "a.aws.dr_kms_key: `dr_kms_key` goes with `dr_region`"),
    (f"{AWS}, dr_region: eu}}", "a.aws.dr_region: expected a region such as eu-central-1"),
    (
        "kubernetes: {}, prometheus: {url: 'h:9090'}",
        "a.prometheus.url: expected a URL such as https://host, found 'h:9090'",
    ),
    (
        "kubernetes: {}, prometheus: {url: 'http://h', alertmanager: 'tcp://h:1'}",
        "a.prometheus.alertmanager: expected a URL such as https://host",
    ),
    (
        "kubernetes: {}, grafana: {url: 'http://h', client_key: k}",
        "a.grafana.client_key: `client_key` goes with `client_cert`",
    ),
    (
        "kubernetes: {}, prometheus: {url: 'http://h', bearer: 'env:A', basic: 'env:B'}",
        "a.prometheus.basic: expected one way to prove who asks, found `bearer` and `basic`",
    ),
    (
        "kubernetes: {}, prometheus: {url: 'http://h', bearer: 'env:A', sigv4_region: eu-west-1}",
        "a.prometheus.sigv4_region: expected one way to prove who asks",
    ),
]


@pytest.mark.parametrize(("text", "what"), TARGETS, ids=[what for _, what in TARGETS])
def test_what_a_target_says_in_vain_is_refused_where_it_stands(text: str, what: str) -> None:
    with pytest.raises(SpecError) as refused:
        bind_targets(read_one("targets.yaml", f"a: {{{text}}}"))
    (mistake,) = refused.value.mistakes
    assert what in str(mistake)
    assert mistake.where.startswith("targets.yaml:1:")


def test_a_target_may_say_all_that_works() -> None:
    text = (
        "a:\n"
        f"  {AWS}, dr_region: us-gov-west-1, dr_subnet_group: x, endpoint_url: 'http://h:1'}}\n"
        "  kubernetes: {context: c, namespace: drills-1}\n"
        "  urls: {a: 'tcp://h:1', b: 'h:1', c: 'https://h'}\n"
        "  values: {empty: ''}\n"
    )
    bind_targets(read_one("targets.yaml", text))


def test_options_of_checks_are_keys_of_checks_and_name_their_subjects() -> None:
    keys = {name.rstrip("_") for name in StepCheck.__dataclass_fields__}
    assert set(StepCheck.OPTIONS) <= keys
    assert all(set(each) <= set(StepCheck.SUBJECTS) for each in StepCheck.OPTIONS.values())
