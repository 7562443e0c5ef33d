from __future__ import annotations

from math import inf, nan

import pytest

from annotator.services import jobs
from tests.factories import make_project
from training.models import Run
from training.reporting import POINTS, Reporter
from training.runs import cancel_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(db: None) -> Run:
    made = Run.objects.create(project=make_project(), number=1, model_name="bradley_terry", encoder="style")
    claimed = jobs.claim(model=Run, job_id=made.pk)
    assert claimed
    return claimed


def logged(run: Run) -> list[tuple[int | None, dict[str, object]]]:
    return list(run.events.values_list("step", "data"))


def test_progress_is_on_the_row_and_figures_are_in_the_log(run: Run) -> None:
    report = Reporter(run, jobs.Beat(), every=0.0)
    report.phase("fitting")
    report({"stage": "held out", "step": 3, "steps": 10, "loss": 0.5})

    run.refresh_from_db()
    assert run.progress == {"phase": "fitting", "step": 3, "steps": 10, "stage": "held out"}
    assert logged(run) == [(3, {"phase": "fitting", "attempt": 1, "loss": 0.5})]


def test_writes_are_at_most_one_in_a_while(run: Run) -> None:
    report = Reporter(run, jobs.Beat(), every=3600.0)
    report.phase("fitting")
    for step in range(1, 6):
        report({"step": step, "steps": 5, "loss": 1 / step})

    run.refresh_from_db()
    assert run.progress == {"phase": "fitting", "step": 0, "steps": 0}
    assert logged(run) == []
    report.phase("storing")
    assert [step for step, _ in logged(run)] == [1, 2, 3, 4, 5], "nothing is lost with the phase"


def test_a_long_fit_leaves_a_charts_worth(run: Run) -> None:
    report = Reporter(run, jobs.Beat(), every=3600.0)
    report.phase("fitting")
    for step in range(1, 10_001):
        report({"step": step, "steps": 10_000, "loss": 0.5})
    report.flush()

    steps = [step for step, _ in logged(run)]
    assert len(steps) == POINTS + 1
    assert steps[-1] == 10_000


def test_progress_without_figures_is_not_logged(run: Run) -> None:
    report = Reporter(run, jobs.Beat(), every=0.0)
    report.phase("encoding")
    report({"stage": "encoding", "step": 256, "steps": 900})
    assert logged(run) == []


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_no_number_is_left_out(run: Run, value: float) -> None:
    report = Reporter(run, jobs.Beat(), every=0.0)
    report.phase("fitting")
    report({"step": 1, "steps": 2, "loss": value})
    assert logged(run) == [(1, {"phase": "fitting", "attempt": 1, "loss": None})]


def test_a_cancel_stops_the_next_report(run: Run) -> None:
    report = Reporter(run, jobs.Beat(), every=0.0)
    report.phase("fitting")
    cancel_run(run=Run.objects.get(pk=run.pk))
    with pytest.raises(jobs.Cancelled):
        report({"step": 1, "steps": 2})


def test_what_the_heartbeat_found_stops_the_next_report(run: Run) -> None:
    """Also between two writes: the heartbeat's thread has seen that the run is another's."""
    beat = jobs.Beat()
    report = Reporter(run, beat, every=3600.0)
    report.phase("fitting")
    beat.stopped = jobs.ClaimLost("another's")
    with pytest.raises(jobs.ClaimLost):
        report({"step": 1, "steps": 2})


def test_a_watcher_is_told_what_is_written(run: Run) -> None:
    told: list[object] = []
    report = Reporter(run, jobs.Beat(), every=0.0, watch=lambda progress: told.append(progress["phase"]))
    report.phase("freezing")
    report.phase("encoding")
    assert told == ["freezing", "encoding"]
