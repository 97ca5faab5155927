"""Where names are found, and which target a drill runs against."""

from __future__ import annotations

from pathlib import Path

import pytest

from drillkit.cli.runs import reports_folder
from drillkit.model.errors import SpecError, UsageError
from drillkit.spec import (
    choose_target,
    find,
    find_experiment,
    find_roots,
    list_drills,
    list_experiments,
    open_drill,
)
from drillkit.spec.document import read_one
from drillkit.spec.files import FoundFile
from drillkit.spec.roots import Root, Roots, package_root
from drillkit.spec.targets import bind_targets, read_targets

DRILL = "drill: {name}\nsteps: []\n"
EXPERIMENT = "title: t\ndescription: d\nmethod: []\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_suffix(".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    project = tmp_path / "project"
    (project / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "down")
    return tmp_path


def test_a_name_is_found_in_project_then_user_then_package(home: Path) -> None:
    write(home / "project", drillkit="", drills__a="drill: a", drills__b="drill: b")
    write(home / "config" / "drillkit", drills__b="drill: b2", drills__c="drill: c")
    roots = find_roots()
    assert [root.origin for root in roots] == ["project", "user", "package"]
    assert find("a", roots).origin == "project"
    assert find("b", roots).path == home / "project" / "drills" / "b.yaml"
    assert find("c", roots).origin == "user"
    shipped = find("pod-delete", roots)
    assert (shipped.origin, shipped.sort) == ("package", "drill")


def test_a_found_file_says_where_it_is(home: Path) -> None:
    write(home / "project" / "deep" / "down", drillkit="", drills__a="drill: a")
    assert str(find("a", find_roots())) == "drills/a.yaml (project)"


def test_a_drill_wins_over_an_experiment_and_an_experiment_is_wrapped(home: Path) -> None:
    write(
        home / "project",
        drillkit="",
        drills__a="drill: a",
        experiments__a=EXPERIMENT,
        experiments__only=EXPERIMENT,
    )
    assert find("a", find_roots()).sort == "drill"
    assert find("only", find_roots()).sort == "experiment"
    assert open_drill("only", find_roots()).label.endswith("only.yaml (as a drill)")


def test_a_path_is_taken_as_it_is_and_told_apart_by_content(home: Path) -> None:
    write(home / "elsewhere", drillkit="", drills__x="drill: x", deep__er__e=EXPERIMENT)
    found = find(str(home / "elsewhere" / "drills" / "x.yaml"), find_roots())
    assert (found.origin, found.sort, found.root.folder) == ("path", "drill", home / "elsewhere")
    assert (
        find(str(home / "elsewhere" / "deep" / "er" / "e.yaml"), find_roots()).sort == "experiment"
    )


@pytest.mark.parametrize(
    "name", ["nope.yaml", "./nope", "/", "deep/", "\x00.yaml", "a/\x00", "~nobody-here/x.yaml"]
)
def test_a_path_that_is_no_file_is_a_clear_mistake(home: Path, name: str) -> None:
    with pytest.raises(UsageError, match="expected a drill or an experiment at"):
        find(name, find_roots())


@pytest.mark.parametrize("name", ["pod-delte", "", ".", "..", "\x00", "x" * 500, "targets"])
def test_an_unknown_name_is_suggested_and_says_where_was_looked(home: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(name, find_roots())
    text = str(caught.value)
    assert text.startswith(("no drill or experiment", "expected a drill or an experiment at"))
    if name == "pod-delte":
        assert "did you mean `pod-delete`?" in text
        assert "looked in: " in text


def test_lists_leave_out_what_an_earlier_root_hides_and_what_is_no_drill(home: Path) -> None:
    write(
        home / "project",
        drillkit="",
        drills__targets="",
        drills__slos__x="",
        **{"drills__pod-delete": "drill: x"},
    )
    roots = find_roots()
    (own,) = [found for found in list_drills(roots) if found.name == "pod-delete"]
    assert own.origin == "project"
    assert "targets" not in [found.name for found in list_drills(roots)]
    assert all(
        isinstance(found, FoundFile) and found.sort == "experiment"
        for found in list_experiments(roots)
    )


def test_what_a_drill_refers_to_is_looked_for_in_its_own_root_first(home: Path) -> None:
    write(home / "project", drillkit="", experiments__e=EXPERIMENT)
    write(home / "other", drillkit="", drills__d="drill: d", experiments__e=EXPERIMENT)
    source = open_drill(str(home / "other" / "drills" / "d.yaml"), find_roots())
    assert find_experiment("e", source.roots).path == home / "other" / "experiments" / "e.yaml"
    assert (
        find_experiment("../experiments/e.yaml", source.roots, source.folder).root.folder
        == home / "other"
    )


def test_a_project_names_its_folders_and_a_broken_one_is_told(home: Path) -> None:
    write(home / "project", drillkit="drills: chaos\nreports: out\n", chaos__a="drill: a")
    roots = find_roots()
    assert find("a", roots).path == home / "project" / "chaos" / "a.yaml"
    assert roots.project is not None
    assert reports_folder(None) == home / "project" / "out"
    write(home / "project", drillkit="drils: chaos\n")
    with pytest.raises(
        SpecError, match=r"drillkit.yaml:1:1: unknown key 'drils'; did you mean `drills`\?"
    ):
        find_roots()
    write(home / "project", drillkit="reports: gs://runs/here\n")
    with pytest.raises(SpecError, match=r"drillkit.yaml:1:10: reports: .* expected s3://BUCKET"):
        find_roots()


def test_the_order_of_targets_is_option_drill_environment_project(home: Path) -> None:
    write(
        home / "project",
        drillkit="target: d\n",
        drills__targets="".join(f"{n}: {{launch: {{module: m}}}}\n" for n in "abcd"),
    )
    roots = find_roots()
    environ = {"DRILLKIT_TARGET": "c"}
    assert choose_target("x", roots, option="a", own="b", environ=environ).target.name == "a"
    assert choose_target("x", roots, own="b", environ=environ).by == "the drill"
    assert choose_target("x", roots, environ=environ).by == "DRILLKIT_TARGET"
    assert choose_target("x", roots, environ={}).target.name == "d"
    assert choose_target("x", roots, option="sandbox", environ={}).target.launch is not None


def test_without_any_target_the_line_to_type_is_shown(home: Path) -> None:
    with pytest.raises(
        UsageError, match="type: drillkit run pod-delete --target sandbox"
    ) as caught:
        choose_target("run pod-delete", find_roots(), environ={})
    assert caught.value.exit_code == 2
    with pytest.raises(
        UsageError, match=r"no target `sandbx` \(--target\); did you mean `sandbox`\?"
    ):
        choose_target("pod-delete", find_roots(), option="sandbx", environ={})


def test_a_projects_target_is_not_hidden_by_one_that_ships(home: Path) -> None:
    write(home / "project", drillkit="", drills__targets="sandbox: {launch: {module: mine}}\n")
    source = open_drill("pod-delete", find_roots())
    chosen = choose_target("pod-delete", source.roots, option="sandbox", environ={})
    assert chosen.target.launch is not None
    assert chosen.target.launch.module == "mine"


def test_only_the_sandbox_ships() -> None:
    root = package_root()
    assert root is not None
    assert list(read_targets(root.targets)) == ["sandbox"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: {}", "a: expected `kubernetes`, `aws` or `launch`"),
        ("a: {kubernets: {}}", "a: unknown key 'kubernets'; did you mean `kubernetes`?"),
        ("a: {account: '1'}", "a: unknown key 'account'; it belongs to `aws`"),
        (
            "a: {protected: true, kubernetes: {}}",
            "a.kubernetes: a protected target needs `cluster_uid`",
        ),
        (
            "a: {protected: true, launch: {module: m}}",
            "a.protected: a target that drillkit launches itself",
        ),
        ("a: {aws: {region: r}}", "a.aws: `account` is missing"),
        (
            "a: {aws: {account: 12, region: r}}",
            "a.aws.account: expected an account id of 12 digits",
        ),
        (
            "a: {kubernetes: {}, caps: {pods: 0}}",
            "a.caps.pods: expected a number above zero or a percentage",
        ),
        ("a: {kubernetes: {}, urls: {web: shop}}", "a.urls.web: expected a URL"),
        (
            "a: {kubernetes: {}, urls: {web: 'http://u:pw@h'}}",
            "a.urls.web: a password must not stand in a URL",
        ),
        (
            "a: {kubernetes: {kubeconfig: '${HOME}/c'}}",
            "a.kubernetes.kubeconfig: a target takes no `${...}`",
        ),
        ("a b: {kubernetes: {}}", "expected a name of letters"),
        ("a: {kubernetes: {}, name: b}", "a.name: the key is the target's name; remove this one"),
        ("[a]", "expected a mapping, found a list"),
    ],
)
def test_targets_are_checked(text: str, what: str) -> None:
    with pytest.raises(SpecError) as caught:
        bind_targets(read_one("targets.yaml", text))
    assert what in str(caught.value)


def test_a_secret_in_a_targets_file_is_refused_without_being_repeated() -> None:
    text = (
        "a: {kubernetes: {}, prometheus: {url: http://p, bearer: hunter2}, databases: "
        "{db: 'u:hunter2'}}"
    )
    with pytest.raises(SpecError) as caught:
        bind_targets(read_one("targets.yaml", text))
    assert "a.prometheus.bearer: expected a reference such as env:NAME" in str(caught.value)
    assert "a.databases.db: expected a reference" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_roots_can_be_put_first_without_doubling() -> None:
    one, two = Root(Path("/a"), "project"), Root(Path("/b"), "package")
    assert Roots((one, two)).first(two).several == (two, one)
