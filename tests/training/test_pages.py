"""The pages of models, runs and versions: three people, with and without htmx, what they say and what they cost."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from annotator.models import JobState, Project, Role
from annotator.services import jobs
from tests.factories import ThreePeople, login, make_member, make_people, make_project
from tests.training.makers import make_tasteful_project, make_version
from training.models import ModelVersion, Run, RunEvent
from training.registry import promote
from training.runs import start_run

HTMX = {"HX-Request": "true"}
FIGURES = {
    "accuracy_se": 0.01,
    "log_loss": 0.6,
    "log_loss_se": 0.01,
    "ece": 0.021,
    "annotators": 20.0,
    "judgments": 300.0,
}


def figures(**accuracy: float) -> dict[str, float]:
    """Metrics as a fit reports them, from accuracies by name."""
    found = {f"{name}_{key}": value for name in accuracy for key, value in FIGURES.items()}
    for name, value in accuracy.items():
        found[f"{name}_accuracy"] = value
        if name != "pooled":
            found |= {f"{name}_gain": value - accuracy.get("pooled", 0.65), f"{name}_gain_se": 0.02}
    return found


PERSONAL = figures(pooled=0.65, personal_0=0.648, personal_4=0.69, personal_8=0.73, personal_16=0.75, personal_64=0.8)


@pytest.fixture
def people(db: None) -> ThreePeople:
    project = make_tasteful_project(
        annotators=6, prompts=8, each=8, reward_model="bradley_terry", name="Everyday answers"
    )
    return make_people(project)


@pytest.fixture
def version(people: ThreePeople) -> ModelVersion:
    return make_version(people.project, **PERSONAL)


def address(name: str, project: Project, *args: object) -> str:
    return reverse(name, args=[project.slug, *args])


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


READS = [("models", ()), ("run", (1,)), ("run_live", (1,)), ("version", (1,))]
ACTS = [("train", ()), ("roll_back", ()), ("run_cancel", (1,)), ("version_promote", (1,)), ("version_retire", (1,))]


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize(("name", "args"), READS)
def test_who_may_look(
    name: str, args: tuple[int, ...], headers: dict[str, str], people: ThreePeople, version: ModelVersion
) -> None:
    url = address(name, people.project, *args)
    viewer = make_member(people.project, role=Role.VIEWER)
    seen = {
        "owner": login(people.owner).get(url, headers=headers).status_code,
        "viewer": login(viewer).get(url, headers=headers).status_code,
        "annotator": login(people.annotator).get(url, headers=headers).status_code,
        "stranger": login(people.stranger).get(url, headers=headers).status_code,
        "nobody": Client().get(url, headers=headers).status_code,
    }
    good = 286 if name == "run_live" else 200
    assert seen == {"owner": good, "viewer": good, "annotator": 403, "stranger": 404, "nobody": 302}


@pytest.mark.parametrize(("name", "args"), ACTS)
def test_only_owners_act(name: str, args: tuple[int, ...], people: ThreePeople, version: ModelVersion) -> None:
    url = address(name, people.project, *args)
    viewer = make_member(people.project, role=Role.VIEWER)
    seen = {
        "viewer": login(viewer).post(url).status_code,
        "annotator": login(people.annotator).post(url).status_code,
        "stranger": login(people.stranger).post(url).status_code,
        "nobody": Client().post(url).status_code,
    }
    assert seen == {"viewer": 403, "annotator": 403, "stranger": 404, "nobody": 302}
    assert login(people.owner).get(url).status_code == 405, "nothing changes by looking"
    version.refresh_from_db()
    assert version.state == "candidate"
    assert people.project.runs.count() == 1


@pytest.mark.parametrize(("name", "args"), [("run", (9,)), ("run_live", (9,)), ("version", (9,))])
def test_what_is_not_there(name: str, args: tuple[int, ...], people: ThreePeople) -> None:
    response = login(people.owner).get(address(name, people.project, *args))
    assert response.status_code == 404
    assert "There is no" in response.content.decode()


def test_an_empty_project_says_what_to_do_first(db: None) -> None:
    people = make_people(make_project())
    text = page(login(people.owner), address("models", people.project))
    assert "at 100 judgments that prefer a response; there are 0 now" in text
    assert "Train a model" not in text
    assert reverse("data", args=[people.project.slug]) in text


def test_an_owner_can_train_before_the_first_hundred(people: ThreePeople) -> None:
    url = address("models", people.project)
    assert "Train a model" in page(login(people.owner), url)
    assert "Train a model" not in page(login(make_member(people.project, role=Role.VIEWER)), url)


def test_training_starts_a_run_and_shows_it(people: ThreePeople) -> None:
    client = login(people.owner)
    response = client.post(address("train", people.project), {"model": "bradley_terry", "promote": "on"}, follow=True)

    run = people.project.runs.get()
    assert response.redirect_chain == [(address("run", people.project, 1), 302)]
    assert (run.model_name, run.by, run.promote_when_done) == ("bradley_terry", people.owner, True)
    text = response.content.decode()
    assert "Waiting" in text
    assert f'hx-get="{address("run_live", people.project, 1)}"' in text


def test_what_cannot_be_trained_is_said(people: ThreePeople) -> None:
    response = login(people.owner).post(address("train", people.project), {"model": "oracle"}, follow=True)
    assert "model &#x27;oracle&#x27; is not known" in response.content.decode()
    assert not people.project.runs.exists()


def test_two_clicks_train_once(people: ThreePeople) -> None:
    client = login(people.owner)
    client.post(address("train", people.project))
    response = client.post(address("train", people.project), follow=True)
    assert "Run 1 already fits" in response.content.decode()
    assert people.project.runs.count() == 1


def test_the_list_shows_figures_beside_the_pooled_baseline(people: ThreePeople, version: ModelVersion) -> None:
    promote(version=version, by=people.owner)
    text = page(login(people.owner), address("models", people.project))

    assert "Serving <b>bradley_terry@1</b> since" in text
    for shown in ("65.0 %", "64.8 %", "69.0 %", "73.0 %", "75.0 %", "0.600", "2.1 %"):
        assert shown in text
    assert "80.0 %" not in text, "64 judgments are not among the columns"
    assert (
        "After 8 judgments of a newcomer it predicts 73.0 % of their other choices"
        " (95 % interval 70.9 % to 75.1 %; 20 people held out, 300 choices)."
    ) in text
    assert "One model for everybody predicts 65.0 %, which is 8.0 points less: more than chance." in text


def test_a_difference_within_noise_is_called_so(people: ThreePeople) -> None:
    make_version(people.project, **figures(pooled=0.65, personal_8=0.66))
    text = page(login(people.owner), address("version", people.project, 1))
    assert "One model for everybody predicts 65.0 %: a difference of 1.0 points, which may be chance." in text


def test_a_worse_model_is_called_so(people: ThreePeople) -> None:
    make_version(people.project, **figures(pooled=0.7, personal_8=0.6))
    text = page(login(people.owner), address("version", people.project, 1))
    assert "which is 10.0 points more. Use that one instead." in text


def test_without_held_out_people_nothing_is_claimed(people: ThreePeople) -> None:
    version = make_version(people.project)
    ModelVersion.objects.filter(pk=version.pk).update(metrics={})
    text = page(login(people.owner), address("version", people.project, 1))
    assert "How good it is can’t be told yet" in text


def test_the_figures_are_in_a_table_and_in_a_drawing(people: ThreePeople, version: ModelVersion) -> None:
    text = page(login(people.owner), address("version", people.project, 1))
    assert '<svg class="chart"' in text
    assert '<path class="ln pool"' in text
    assert '<path class="ln model"' in text
    assert '<path class="band"' in text
    assert '<th scope="row">16</th> <td class="r dim">65.0 %</td>' in text
    assert '+10.0</td> <td class="r dim">+5.8 to +14.2</td>' in text


def test_promoting_asks_first_and_keeps_the_reason(people: ThreePeople, version: ModelVersion) -> None:
    client = login(people.owner)
    assert "Promote bradley_terry@1</button>" in page(client, address("version", people.project, 1))

    response = client.post(address("version_promote", people.project, 1), {"reason": "better at tone"}, follow=True)

    assert "bradley_terry@1 serves now." in response.content.decode()
    version.refresh_from_db()
    assert version.state == "live"
    assert version.promotions.get().reason == "better at tone"
    assert "better at tone" in page(client, address("models", people.project))


def test_a_candidate_is_compared_with_the_live_one(people: ThreePeople, version: ModelVersion) -> None:
    promote(version=version)
    make_version(people.project, **(PERSONAL | figures(personal_8=0.68)))
    text = page(login(people.owner), address("version", people.project, 2))
    assert "Beside bradley_terry@1, which serves" in text
    assert "bradley_terry@1, live</th>" in text
    assert "Worse by more than chance: after 8 judgments of a newcomer it is right about 68.0% of the rest" in text


def test_rolling_back_asks_first(people: ThreePeople, version: ModelVersion) -> None:
    second = make_version(people.project)
    promote(version=version)
    promote(version=second)
    client = login(people.owner)
    assert "Roll back to bradley_terry@1</button>" in page(client, address("models", people.project))
    assert "Roll back to bradley_terry@1</button>" in page(client, address("version", people.project, 2))

    client.post(address("roll_back", people.project), {"reason": "it got worse"})

    version.refresh_from_db()
    assert version.state == "live"
    text = page(client, address("models", people.project))
    assert "Rolled back: it got worse" in text
    assert "Roll back to" not in text


def test_nothing_to_roll_back_to_is_said(people: ThreePeople, version: ModelVersion) -> None:
    response = login(people.owner).post(address("roll_back", people.project), follow=True)
    assert "There is no earlier version to go back to." in response.content.decode()


def test_retiring_withdraws_it(people: ThreePeople, version: ModelVersion) -> None:
    client = login(people.owner)
    response = client.post(address("version_retire", people.project, 1), follow=True)
    assert "bradley_terry@1 is retired and serves nobody." in response.content.decode()
    response = client.post(address("version_promote", people.project, 1), follow=True)
    assert "bradley_terry@1 is retired; expected a candidate." in response.content.decode()


def test_a_viewer_sees_no_buttons(people: ThreePeople, version: ModelVersion) -> None:
    viewer = login(make_member(people.project, role=Role.VIEWER))
    start_run(project=people.project)
    for url in (
        address("models", people.project),
        address("version", people.project, 1),
        address("run", people.project, 2),
    ):
        assert not re.findall(r"/models/[^\"]*(?:train|promote|retire|roll-back|cancel)/", page(viewer, url))


def test_a_working_run_is_shown_live(people: ThreePeople) -> None:
    run = start_run(project=people.project)
    claimed = jobs.claim(model=Run, job_id=run.pk)
    assert claimed
    jobs.heartbeat(job=claimed, progress={"phase": "fitting", "step": 30, "steps": 120})
    for step, loss in ((10, 0.7), (20, 0.65), (30, 0.61)):
        RunEvent.objects.create(run=run, step=step, data={"phase": "fitting", "attempt": 1, "loss": loss})

    response = login(people.owner).get(address("run_live", people.project, 1), headers=HTMX)

    assert response.status_code == 200
    assert "HX-Refresh" not in response
    text = re.sub(r"\s+", " ", response.content.decode())
    assert text.lstrip().startswith('<section class="panel model" id="live"'), "the part alone"
    assert 'hx-trigger="every 2s"' in text
    assert '<progress class="model" max="120" value="30"' in text
    assert "step 30 of 120" in text
    assert 'data-state="current" aria-current="step">fitted' in text
    assert "Loss by step, from 0.700 to 0.610." in text
    whole = page(login(people.owner), address("run", people.project, 1))
    assert "3 steps, in figures" in whole
    assert '<th scope="row" class="r">30</th><td class="r">0.61</td>' in whole


def test_polling_ends_with_the_run(people: ThreePeople, version: ModelVersion) -> None:
    response = login(people.owner).get(address("run_live", people.project, 1), headers=HTMX)
    assert (response.status_code, response["HX-Refresh"]) == (286, "true")
    assert "hx-get" not in response.content.decode()
    assert "Look at bradley_terry@1" in page(login(people.owner), address("run", people.project, 1))


def test_a_failed_run_says_why_and_offers_another(people: ThreePeople) -> None:
    run = start_run(project=people.project)
    Run.objects.filter(pk=run.pk).update(state=JobState.FAILED, error="The worker ran out of <memory>.")
    text = page(login(people.owner), address("run", people.project, 1))
    assert "The worker ran out of &lt;memory&gt;." in text
    assert "Try again</button>" in text


def test_a_run_can_be_stopped(people: ThreePeople) -> None:
    run = start_run(project=people.project)
    client = login(people.owner)
    assert "Stop run" in page(client, address("run", people.project, 1))

    response = client.post(address("run_cancel", people.project, 1), follow=True)

    run.refresh_from_db()
    assert run.state == JobState.CANCELLED
    assert "It was stopped. Nothing was registered." in response.content.decode()
    again = client.post(address("run_cancel", people.project, 1), follow=True)
    assert "Stop run" not in again.content.decode()


def test_a_working_run_is_asked_to_stop(people: ThreePeople) -> None:
    run = start_run(project=people.project)
    assert jobs.claim(model=Run, job_id=run.pk)
    response = login(people.owner).post(address("run_cancel", people.project, 1), follow=True)
    text = response.content.decode()
    assert "Run 1 will stop within some seconds." in text
    assert "stopping" in text


def test_pages_cost_the_same_however_much_there_is(
    people: ThreePeople, version: ModelVersion, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = login(people.owner)
    promote(version=version)
    for _ in range(4):
        promote(version=make_version(people.project))
    run = start_run(project=people.project)
    for step in range(50):
        RunEvent.objects.create(run=run, step=step, data={"attempt": 0, "loss": 0.5})
    limits = {("models", ()): 11, ("run", (6,)): 6, ("run_live", (6,)): 6, ("version", (3,)): 8}
    for (name, args), limit in limits.items():
        with django_assert_max_num_queries(limit):
            assert client.get(address(name, people.project, *args)).status_code == 200
