"""What models and runs are called is said in the reader's language; what is kept of them is not."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils.translation import override

from tests.factories import login, make_people
from tests.training.makers import make_tasteful_project
from training.figures import Difference
from training.models import ModelVersion, PolicyRun, Scope
from training.templatetags.training_text import interval, whose


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
    assert "Run 1 already fits “bradley_terry” and is waiting." in again
