"""A judge elsewhere gives the worker back between slices, counts what it has done, and says what is wrong in the owner's language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from annotator.models import JobState, User
from annotator.services import jobs
from personalization.machines.executing import execute_machine_run
from personalization.machines.managing import NewMachine, add_machine, cancel_machine_run, start_machine_run
from personalization.models import MachineAnnotator, MachineRun
from personalization.tasks import run_machine
from tests.attune.scripted_server import Answer, Scripted, scripted_server
from tests.factories import ThreePeople
from tests.personalization.test_machines import new_judge, pairs_of, says
from tests.personalization.worlds import judge

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(settings: Settings) -> Iterator[Scripted]:
    settings.JUDGES_PRIVATE = True
    with scripted_server() as found:
        yield found


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Messages that would go to the broker."""
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        "personalization.machines.managing.current_app.send_task",
        lambda name, args, queue: found.append((queue, args)),
    )
    return found


@pytest.fixture
def machine(people: ThreePeople, server: Scripted) -> MachineAnnotator:
    for each in pairs_of(people)[:3]:
        judge(people.judge, each, "a")
    server.answers[:] = [says("1"), says("2")] * 10
    return add_machine(project=people.project, new=new_judge(server), by=people.owner)


def test_it_makes_room_after_the_pair_in_hand_and_goes_on(
    machine: MachineAnnotator, sent: list[tuple[str, Any]]
) -> None:
    run = start_machine_run(machine=machine, send=False)
    for done in (1, 2):
        execute_machine_run(run.pk, seconds=0)
        run.refresh_from_db()
        assert (run.state, run.judged, run.attempt, run.worker) == (JobState.WAITING, done, 0, "")
        assert run.progress == {"phase": "judging", "step": done, "steps": 3}
        assert machine.judgments.count() == done
        assert sent == [("train", (run.pk,))] * done
    execute_machine_run(run.pk, seconds=0)
    run.refresh_from_db()
    assert (run.state, run.judged, run.progress["step"]) == (JobState.DONE, 3, 3)
    assert len(sent) == 2
    assert execute_machine_run(run.pk, seconds=0) is None


def test_no_more_pairs_than_were_asked_for_over_all_slices(
    machine: MachineAnnotator, sent: list[tuple[str, Any]]
) -> None:
    run = start_machine_run(machine=machine, most_pairs=2, send=False)
    while not run.over:
        execute_machine_run(run.pk, seconds=0)
        run.refresh_from_db()
    assert machine.judgments.count() == 2


def test_a_quick_judge_is_done_in_one_slice(machine: MachineAnnotator, sent: list[tuple[str, Any]]) -> None:
    run = start_machine_run(machine=machine, send=False)
    run_machine(run.pk)
    run.refresh_from_db()
    assert (run.state, run.judged, sent) == (JobState.DONE, 3, [])


def test_it_can_be_stopped_between_slices(machine: MachineAnnotator, sent: list[tuple[str, Any]]) -> None:
    run = start_machine_run(machine=machine, send=False)
    execute_machine_run(run.pk, seconds=0)
    cancel_machine_run(run=run)
    assert run.state == JobState.CANCELLED
    assert execute_machine_run(run.pk, seconds=0) is None
    assert machine.judgments.count() == 1


def test_a_stop_that_comes_with_the_release_is_heard(machine: MachineAnnotator) -> None:
    start_machine_run(machine=machine, send=False)
    run = jobs.claim(model=MachineRun, job_id=machine.runs.get().pk)
    assert run
    jobs.cancel(job=run)
    with pytest.raises(jobs.Cancelled):
        jobs.release(job=run, progress={})
    jobs.mark_cancelled(job=run)
    run.refresh_from_db()
    assert run.state == JobState.CANCELLED
    with pytest.raises(jobs.ClaimLost):
        jobs.release(job=run, progress={})


@pytest.mark.timeout(300)
def test_a_model_here_is_not_cut_into_slices(people: ThreePeople) -> None:
    """It would be loaded anew for each."""
    for each in pairs_of(people)[:2]:
        judge(people.judge, each, "a")
    local = add_machine(project=people.project, new=NewMachine(name="Follow", kind="followup"))
    run = start_machine_run(machine=local, send=False)
    execute_machine_run(run.pk, seconds=0)
    run.refresh_from_db()
    assert (run.state, run.judged) == (JobState.DONE, 2)


def test_what_is_wrong_is_said_in_the_language_of_whoever_started_it(
    machine: MachineAnnotator, server: Scripted, people: ThreePeople
) -> None:
    server.answers[:] = [Answer(status=401, body={})]
    User.objects.filter(pk=people.owner.pk).update(language="it")
    people.owner.refresh_from_db()
    run = start_machine_run(machine=machine, by=people.owner, send=False)
    execute_machine_run(run.pk)
    run.refresh_from_db()
    assert run.error == "Il giudice rifiuta la chiave (ha risposto 401)."
    again = start_machine_run(machine=machine, send=False)
    execute_machine_run(again.pk)
    again.refresh_from_db()
    assert again.error == "The judge’s endpoint refuses the key (it answered 401)."
