"""Worker's side: the calls into Chaos Toolkit. Importing this is what takes the time of a
worker's start.
"""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable
from typing import Any

from chaoslib.activity import execute_activity
from chaoslib.configuration import load_configuration, load_dynamic_configuration
from chaoslib.control import (
    Control,
    initialize_controls,
    initialize_global_controls,
    load_global_controls,
)
from chaoslib.exceptions import ChaosException, InterruptExecution
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.experiment import run_experiment as chaoslib_run_experiment
from chaoslib.hypothesis import run_steady_state_hypothesis
from chaoslib.run import EventHandlerRegistry, RunEventHandler
from chaoslib.secret import load_secrets
from chaoslib.settings import load_settings
from chaoslib.types import Schedule, Strategy

from drillkit.clients.chaostoolkit.events import Streaming
from drillkit.clients.chaostoolkit.protocol import Job

logger = logging.getLogger("drillkit")


class _Started(RunEventHandler):  # type: ignore[misc]
    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def started(self, experiment: Any, journal: Any) -> None:
        self._call()


def run_experiment(
    job: Job, streaming: Streaming, on_started: Callable[[], object]
) -> tuple[str, str]:
    """(status, why): Chaos Toolkit's own status, or `invalid` (nothing was touched), `stopped` (the
    journal or an abort said no), `broken` (Chaos Toolkit could not go on).

    `on_started` is called once Chaos Toolkit has put its signal handlers in place. Rollbacks are
    not run here.
    """
    experiment: dict[str, Any] = copy.deepcopy(dict(job.experiment))
    settings = load_settings() or {}
    load_global_controls(settings)
    settings.setdefault("runtime", {})["rollbacks"] = {"strategy": "never"}
    try:
        ensure_experiment_is_valid(experiment)
    except ChaosException as why:
        return "invalid", str(why)
    except (
        Exception
    ) as why:  # Chaos Toolkit's validation trips over some shapes itself, and runs controls' code
        return "invalid", f"{type(why).__name__}: {why}"
    experiment["dry"] = (
        None  # as its command line does: a text here would not be understood, and all run for real
    )
    schedule = Schedule(job.frequency_s, job.fail_fast)
    try:
        journal = chaoslib_run_experiment(
            experiment,
            settings=settings,
            strategy=_strategy(job, experiment, settings),
            schedule=schedule,
            event_handlers=[_Started(on_started), streaming],
        )
    except SystemExit:
        journal = {"status": "interrupted"}
    except Exception as why:
        streaming.flush()
        logger.exception("the experiment broke off")
        return "broken", f"{type(why).__name__}: {why}"
    if streaming.stopped_by is not None:
        return "stopped", str(streaming.stopped_by)
    return ("deviated" if journal.get("deviated") else str(journal["status"])), ""


def _strategy(job: Job, experiment: dict[str, Any], settings: dict[str, Any]) -> Strategy:
    runtime = experiment.get("runtime") or settings.get("runtime") or {}
    name = job.strategy or (runtime.get("hypothesis") or {}).get("strategy") or "default"
    return Strategy.from_string("continuously" if name == "continously" else name)


def run_rollbacks(job: Job, streaming: Streaming) -> tuple[str, str]:
    """Play every rollback, whatever becomes of the others; one declared for the background waits
    its turn like all.

    (status, why): `completed`, or `invalid` when configuration or secrets cannot be had.
    """
    try:
        experiment, configuration, secrets, registry = _prepared(job, streaming)
    except Exception as why:  # anything here means that no rollback can be run; the undo says so
        return "invalid", f"{type(why).__name__}: {why}"
    control = Control()
    _guarded(lambda: control.begin("rollback", experiment, experiment, configuration, secrets))
    runs: list[Any] = []
    for activity in experiment["rollbacks"]:
        play = functools.partial(
            execute_activity,
            experiment,
            activity,
            configuration=configuration,
            secrets=secrets,
            dry=None,
            event_registry=registry,
            runs=runs,
        )
        streaming.missing(activity, functools.partial(_guarded, play))
    control.with_state(runs)
    _guarded(lambda: control.end("rollback", experiment, experiment, configuration, secrets))
    return "completed", ""


def run_hypothesis(job: Job, streaming: Streaming) -> tuple[str, str]:
    """Look at the steady state once.

    (status, why): `completed` (the probes' own records say what they found), or `invalid` when
    nobody could look.
    """
    try:
        experiment, configuration, secrets, registry = _prepared(job, streaming)
        run_steady_state_hypothesis(
            experiment, configuration, secrets, dry=None, event_registry=registry
        )
    except Exception as why:
        return "invalid", f"{type(why).__name__}: {why}"
    finally:
        streaming.flush()
    return "completed", ""


def _prepared(
    job: Job, streaming: Streaming
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], EventHandlerRegistry]:
    """Experiment, configuration, secrets and a registry that streams, with controls in place.
    Raises whatever Chaos Toolkit or a control does.
    """
    experiment: dict[str, Any] = copy.deepcopy(dict(job.experiment))
    settings = load_settings() or {}
    load_global_controls(settings)
    configuration = load_configuration(experiment.get("configuration") or {})
    secrets = load_secrets(experiment.get("secrets") or {}, configuration)
    configuration = load_dynamic_configuration(configuration, secrets)
    registry = EventHandlerRegistry()
    registry.register(streaming)
    registry.running(experiment, {}, configuration, secrets, None, settings)
    initialize_global_controls(
        experiment, configuration, secrets, settings, event_registry=registry
    )
    initialize_controls(experiment, configuration, secrets, event_registry=registry)
    return experiment, configuration, secrets, registry


def _guarded(call: Callable[[], object]) -> None:
    """One that fails never keeps the others from running; its failure is written down by
    the streaming.
    """
    try:
        call()
    except InterruptExecution as why:
        logger.warning("a control wanted to interrupt the rollbacks: %s", why)
    except Exception:
        logger.exception("a rollback broke off")
