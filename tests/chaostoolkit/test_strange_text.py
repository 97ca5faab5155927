"""Text that cannot be encoded, or is far too long, ends neither worker nor run."""

from __future__ import annotations

from tests.chaostoolkit.conftest import Bench, python


def test_a_lone_surrogate_in_outputs_errors_and_names_is_written_escaped(bench: Bench) -> None:
    bench.module("""
        def out(): return "caf\\udce9"
        def fail(): raise RuntimeError("cannot open caf\\udce9")
        def mend(): return "caf\\udce9"
    """)
    experiment = bench.experiment(
        method=[python("out", "out", kind="probe"), python("fail \udce9", "fail")],
        rollbacks=[python("mend", "mend")],
    )
    assert "cannot open caf" in str(bench.run(experiment))
    assert bench.clean().open == ()
    assert [a.outcome for a in bench.activities("rollback")] == ["succeeded"]
    assert "caf\\\\udce9" in bench.text()


def test_an_output_and_an_error_of_any_length_are_cut(bench: Bench) -> None:
    bench.module("""
        def out(): return "x" * 5_000_000
        def fail():
            print("y" * 5_000_000)
            raise RuntimeError("z" * 5_000_000)
    """)
    experiment = bench.experiment(
        method=[python("out", "out", kind="probe"), python("fail", "fail")]
    )
    bench.run(experiment)
    assert bench.clean().open == ()
    assert len(bench.text()) < 300_000
