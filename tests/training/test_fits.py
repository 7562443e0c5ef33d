"""After a run everybody's fit is kept for the quality report; a run never fails for it."""

from __future__ import annotations

import pytest

from annotator.models import ModelFit
from annotator.services.fits import keep_fits
from tests.factories import make_annotator, make_project
from tests.training.makers import make_tasteful_project
from training import fits
from training.execution import execute_run
from training.fits import measure_fits
from training.runs import cancel_run, start_run
from training.tasks import fit

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_run_is_followed_by_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_tasteful_project(annotators=8, prompts=20, each=20)
    run = start_run(project=project, send=False)
    fit(run.pk)
    kept = list(ModelFit.objects.order_by("annotator"))
    run.refresh_from_db()
    assert len(kept) == 8
    assert run.snapshot
    assert {each.signature for each in kept} == {f"style:{run.snapshot.digest}"[:80]}
    assert all(10 <= each.of <= 20 and 0 <= each.right <= each.of for each in kept)
    assert measure_fits(run) == 0  # once for a snapshot


def test_nothing_of_a_run_that_did_not_end_well() -> None:
    run = start_run(project=make_tasteful_project(annotators=4, prompts=6, each=6), send=False)
    cancel_run(run=run)
    assert measure_fits(execute_run(run.pk)) == 0
    assert measure_fits(run) == 0
    assert not ModelFit.objects.exists()


def test_what_goes_wrong_leaves_the_run_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError("too large")

    monkeypatch.setattr(fits, "cross_fitted", broken)
    run = start_run(project=make_tasteful_project(annotators=4, prompts=6, each=6), send=False)
    fit(run.pk)
    run.refresh_from_db()
    assert run.state == "done"
    assert "no model fits of run 1" in caplog.text


def test_fits_are_replaced_and_the_gone_are_left_out() -> None:
    annotator = make_annotator(make_project())
    keep_fits(version="hybrid", signature="x", fits={annotator.pk: (5, 4, 10), annotator.pk + 999: (1, 1, 1)})
    keep_fits(version="hybrid", signature="y", fits={annotator.pk: (6, 4, 10)})
    kept = ModelFit.objects.get()
    assert (kept.right, kept.pooled_right, kept.of, kept.signature) == (6, 4, 10, "y")
