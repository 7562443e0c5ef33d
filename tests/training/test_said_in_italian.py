"""What models and runs are called is said in the reader's language; what is kept of them is not."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from annotator.services.tokens import issue_token
from tests.factories import login, make_people, make_user
from tests.training.makers import make_tasteful_project
from training.execution import execute_run
from training.figures import Difference
from training.models import ModelVersion, PolicyRun, Scope
from training.runs import start_run
from training.templatetags.training_text import interval, whose

ITALIAN = {"Accept-Language": "it"}


@pytest.mark.django_db
def test_whose_a_policy_is() -> None:
    judge = make_people().judge
    runs = [
        PolicyRun(scope=Scope.EVERYONE),
        PolicyRun(scope=Scope.PROTOTYPE, prototype=2),
        PolicyRun(scope=Scope.ANNOTATOR, annotator=judge),
    ]
    assert [whose(each) for each in runs] == [each.whose for each in runs] == ["everyone", "group 2", str(judge)]
    with override("it"):
        assert [whose(each) for each in runs] == ["tutti", "gruppo 2", str(judge)]
        assert [each.whose for each in runs] == ["everyone", "group 2", str(judge)]


def test_states_and_intervals() -> None:
    gain = Difference(0.01, 0.0, 2000)
    assert interval(gain) == "+1.0 to +1.0"
    with override("it"):
        assert ModelVersion(state=ModelVersion.State.CANDIDATE).get_state_display() == "Candidato"
        assert interval(gain) == "da +1.0 a +1.0"


@pytest.mark.django_db
def test_a_run_is_shown_in_italian() -> None:
    people = make_people(make_tasteful_project(annotators=6, prompts=8, each=8, reward_model="bradley_terry"))
    people.owner.language = "it"
    people.owner.save()
    client, slug = login(people.owner), people.project.slug
    html = client.post(reverse("train", args=[slug]), follow=True).content.decode()
    assert "In attesa" in html
    assert "Avviato da una persona" in html
    again = client.post(reverse("train", args=[slug]), follow=True).content.decode()
    assert "L’addestramento 1 usa già “bradley_terry” ed è “in attesa”." in again


@pytest.mark.django_db
def test_what_is_refused_is_said_in_italian_and_codes_stay() -> None:
    people = make_people()
    client, slug = login(people.owner), people.project.slug
    page = client.get(reverse("run", args=[slug, 99]), headers=ITALIAN)
    assert (page.status_code, "In questo progetto non c’è l’addestramento 99." in page.content.decode()) == (404, True)
    api = f"/api/v1/projects/{slug}/snapshots/nowhere"
    _token, secret = issue_token(user=people.owner, name="reader", scopes=["read"])
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    plain, said = program.get(api), program.get(api, headers=ITALIAN)
    assert plain.json() | {"detail": ""} == said.json() | {"detail": ""}
    assert said.json()["detail"].startswith("In questo progetto non c’è un’istantanea “nowhere”")
    assert plain.json()["detail"].startswith("There is no snapshot “nowhere”")


@pytest.mark.django_db
def test_the_log_of_a_run_is_in_the_language_of_whoever_started_it() -> None:
    project = make_tasteful_project(annotators=6, prompts=8, each=8, reward_model="bradley_terry")
    by = make_user(language="it")
    run = start_run(project=project, model_name="bradley_terry", by=by, promote_when_done=True)
    execute_run(run.pk)
    assert [each.data["note"] for each in run.events.all() if "note" in each.data] == ["Promosso."]
