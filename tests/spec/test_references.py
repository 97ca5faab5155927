"""`${...}` and the two stages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from drillkit.model.drill import Step
from drillkit.model.errors import SpecError
from drillkit.model.target import KubernetesTarget, PrometheusTarget, Target
from drillkit.spec.arguments import bind_arguments
from drillkit.spec.drills import output_references
from drillkit.spec.interpolation import Ref, ReferenceScope, Unknown, parts, render, target_values
from drillkit.spec.overrides import parse_sets
from drillkit.steps.base import RunNames
from tests.spec.conftest import Restore, Spec

RUN = RunNames("20261101-030000-x7k2", "d", datetime(2026, 11, 1, 3, 0, tzinfo=UTC))
TARGET = Target(
    name="stage",
    urls={"web": "http://shop"},
    values={"bad": 7},
    kubernetes=KubernetesTarget(context="stage"),
    prometheus=PrometheusTarget(url="http://prom", bearer="env:TOKEN"),
    databases={"orders": "env:ORDERS"},
)


def drill_text(arguments: str, head: str = "") -> str:
    one = "- {name: one, uses: velero.restore, with: {source: s}}"
    return (
        f"drill: d\n{head}\nsteps:\n{one}\n- {{name: two, uses: velero.restore, "
        f"with: {{{arguments}}}}}\n"
    )


def step(spec: Spec, text: str, **more: object) -> Step:
    found = spec.drill(text, **more).steps[1]  # type: ignore[arg-type]
    assert isinstance(found, Step)
    return found


def test_a_lone_reference_keeps_its_type_and_a_text_with_one_is_text(spec: Spec) -> None:
    text = drill_text(
        'source: "${n}", nested: {size: "${n}"}, namespaces: {a: "x${n}y"}', "vars: {n: 3}"
    )
    assert step(spec, text).with_ == {
        "source": "3",
        "nested": {"size": 3},
        "namespaces": {"a": "x3y"},
    }


def test_sets_replace_variables_and_keep_how_they_were_written(spec: Spec) -> None:
    text = drill_text('source: "v${tag}", tag: "${tag}"', "vars: {tag: 1.0}\nlimit: 5m")
    assert step(spec, text).with_ == {"source": "v1.0", "tag": "1.0"}
    assert step(spec, text, sets=parse_sets(["tag=1.10"])).with_ == {
        "source": "v1.10",
        "tag": "1.10",
    }
    assert spec.drill(text, parse_sets(["tag=1.10"])).vars == {"tag": 1.1}


def test_what_a_set_gives_is_text_to_the_last_character(spec: Spec) -> None:
    text = drill_text('source: "a${v}b"', "vars: {v: x}")
    value = "${run.id} $${x} $"
    got = step(spec, text, sets=parse_sets([f"v={value}"]), run=RUN)
    assert bind_arguments(Restore, got.with_, "two", {}).source == f"a{value}b"


def test_an_unknown_set_is_suggested(spec: Spec) -> None:
    found = spec.mistakes(drill_text("source: s", "vars: {count: 1}"), parse_sets(["cuont=2"]))
    assert found == "--set cuont: `cuont` is no variable of drill `d`; did you mean `count`?"


def test_a_set_of_the_wrong_type_names_the_key_it_went_to(spec: Spec) -> None:
    found = spec.mistakes(
        "drill: d\nvars: {l: 5m}\nlimit: '${l}'\n"
        "steps: [{uses: velero.restore, with: {source: s}}]",
        {"l": 5},
    )
    assert (
        found == "d.yaml:3:8: limit: expected a duration with its unit, such as 5s or 5m, found '5'"
    )


def test_target_and_run_stay_symbolic_until_they_are_known(spec: Spec) -> None:
    text = drill_text(
        'source: "dr-${run.id}"',
        'probes: {web: {http: "${target.urls.web}/health", timeout: "${target.values.t}"}}\n'
        'hypothesis: {during: {web: {bad: "${target.values.bad}"}}}',
    )
    static = spec.drill(text)
    assert static.probes["web"].http == "${target.urls.web}/health"
    full = spec.drill(
        text.replace("target.values.t}", "target.values.bad}s"), target=TARGET, run=RUN
    )
    assert full.probes["web"].http == "http://shop/health"
    assert full.probes["web"].timeout == timedelta(seconds=7)
    assert full.hypothesis.during["web"].bad == 7
    assert isinstance(full.steps[1], Step)
    assert full.steps[1].with_ == {"source": "dr-20261101-030000-x7k2"}


def test_what_a_target_lacks_is_told_at_the_second_stage(spec: Spec) -> None:
    text = drill_text("source: s", 'probes: {web: {http: "${target.urls.wbe}"}}')
    spec.drill(text)
    assert (
        "probes.web.http: the target has no `urls.wbe`; did you mean `target.urls.web`?"
        in spec.mistakes(text, target=TARGET)
    )


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        ({}, "the target has no `urls.shop`; add `urls: {shop: ...}` to the target"),
        (
            {"web": "http://web"},
            "the target has no `urls.shop`; add `urls: {shop: ...}` to the target "
            "(it has target.urls.web)",
        ),
        ({"shpo": "http://web"}, "the target has no `urls.shop`; did you mean `target.urls.shpo`?"),
    ],
)
def test_a_target_without_that_url_is_told_where_to_give_it(
    spec: Spec, urls: dict[str, str], told: str
) -> None:
    text = drill_text("source: s", 'probes: {web: {http: "${target.urls.shop}"}}')
    found = spec.mistakes(text, target=Target(name="mine", urls=urls))
    assert found.endswith(f"probes.web.http: {told}")


@pytest.mark.parametrize(
    "name", ["target.prometheus.bearer", "target.databases.orders", "target.kubernetes.kubeconfig"]
)
def test_secrets_and_local_paths_of_a_target_cannot_be_reached(spec: Spec, name: str) -> None:
    text = drill_text(f'source: "${{{name}}}"')
    assert "is unknown" in spec.mistakes(text)
    with pytest.raises(Unknown, match="the target has no"):
        ReferenceScope(target_values(TARGET)).look(Ref(name))


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("${cuont}", "`${cuont}` is unknown; did you mean `count`?"),
        ("${cuont}", "for the text itself write `$${cuont}`"),
        ("${vars.cuont}", "`${cuont}` is unknown"),
        ("${env.HOME}", "references begin with vars, target, run, steps, or are a variable's name"),
        ("${target.url.web}", "did you mean `target.urls.NAME`?"),
        ("${run.name}", "is unknown"),
        ("${steps.one.output.x}", "expected `${steps.NAME.outputs.KEY}`"),
        ("${steps.oen.outputs.x}", "no step is called `oen`; did you mean `one`?"),
        ("${steps.two.outputs.x}", "step `two` has not ended by then"),
        ("${count", "expected `}` after `${`"),
        ("${a b}", "expected a name in `${...}`, found 'a b'"),
        ("${}", "expected a name in `${...}`"),
    ],
)
def test_a_reference_to_nothing_is_told_without_a_target(
    spec: Spec, reference: str, what: str
) -> None:
    found = spec.mistakes(drill_text(f'source: "{reference}"', "vars: {count: 1}"))
    assert "steps[1].with.source: " in found
    assert what in found


def test_outputs_belong_in_arguments_of_later_steps_only(spec: Spec) -> None:
    found = spec.mistakes(drill_text("source: s", 'description: "${steps.one.outputs.x}"'))
    assert "outputs of steps can be used in `with:` of later steps only" in found
    member = '{name: %s, uses: velero.restore, with: {source: "%s"}}'
    group = f"- parallel: [{member % ('a', 's')}, {member % ('b', '${steps.a.outputs.x}')}]"
    assert "step `a` has not ended by then" in spec.mistakes(f"drill: d\nsteps:\n{group}\n")


def test_outputs_stay_text_until_the_step_begins(spec: Spec) -> None:
    got = step(
        spec,
        drill_text(
            'source: "${steps.one.outputs.id}", wait: "${steps.one.outputs.wait}", nested: '
            "{size: 2}"
        ),
    )
    assert got.with_["source"] == "${steps.one.outputs.id}"
    assert output_references(got.with_) == {"steps.one.outputs.id", "steps.one.outputs.wait"}
    bound = bind_arguments(Restore, got.with_, "step two", {"one": {"id": "db-${x}", "wait": "9s"}})
    assert (bound.source, bound.wait, bound.nested.size) == ("db-${x}", timedelta(seconds=9), 2)
    with pytest.raises(
        SpecError, match=r"step two: with.wait: expected a duration with its unit.*found '9'"
    ):
        bind_arguments(Restore, got.with_, "step two", {"one": {"id": "x", "wait": 9}})
    with pytest.raises(
        SpecError, match=r"was not given by that step; did you mean `steps.one.outputs.idd`"
    ):
        bind_arguments(Restore, got.with_, "step two", {"one": {"idd": "x", "wait": "9s"}})


def test_variables_may_refer_to_each_other_but_not_in_a_circle(spec: Spec) -> None:
    got = step(spec, drill_text('source: "${a}"', 'vars: {a: "${b}-${c}", b: x, c: "${b}y"}'))
    assert got.with_["source"] == "x-xy"
    found = spec.mistakes(drill_text('source: "${a}"', 'vars: {a: "${b}", b: "x${c}", c: "${a}"}'))
    assert "variables refer to each other in a circle: a -> b -> c -> a" in found


def test_variables_that_double_each_other_do_not_fill_the_memory(spec: Spec) -> None:
    many = ", ".join(f'v{i}: "${{v{i + 1}}}${{v{i + 1}}}"' for i in range(18))
    found = spec.mistakes(drill_text('source: "${v0}"', f"vars: {{{many}, v18: xxxxxxxxxx}}"))
    assert "expected at most 20,000 characters once its references are put in" in found


def test_names_of_drills_and_kinds_are_no_references(spec: Spec) -> None:
    found = spec.mistakes('drill: "${n}"\nvars: {n: d}\nsteps: [{uses: "velero.${n}"}]\n')
    assert "d.yaml:1:8: drill: expected the name itself, found the reference `${n}`" in found
    assert "d.yaml:3:16: steps[0].uses: expected the name itself" in found


def test_a_dollar_can_be_escaped(spec: Spec) -> None:
    text = drill_text('source: "$${HOME}/$x"', 'description: "costs $5, $${name}"')
    drill = spec.drill(text)
    assert drill.description == "costs $5, ${name}"
    assert bind_arguments(Restore, step(spec, text).with_, "two", {}).source == "${HOME}/$x"


def test_a_literal_dollar_directly_before_a_later_value_is_refused_and_not_garbled(
    spec: Spec,
) -> None:
    found = spec.mistakes(drill_text('source: "${d}${steps.one.outputs.x}"', "vars: {d: $}"))
    assert "a `$` directly before a reference cannot be written" in found


def test_a_template_is_the_sum_of_its_parts() -> None:
    assert parts("a${x}$${y}${ target.urls.web }") == (
        "a",
        Ref("vars.x"),
        "${y}",
        Ref("target.urls.web"),
    )
    assert render(parts("a${x}$${y}")) == "a${x}$${y}"
    assert parts("") == ()
