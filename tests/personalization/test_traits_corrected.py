"""The trait bars from choices, and correcting them: kept for good, previewed, taken back; and who may."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from annotator.errors import Invalid
from annotator.models import Annotator, Project
from attune.rewards.corrections import Word
from attune.style_features import TRAITS
from personalization.correcting import preview
from personalization.dissecting import dissected
from personalization.latents import find_person
from personalization.models import TraitStatement
from personalization.personal_data import tables
from personalization.profile import profile_of
from personalization.statements import state, stated_by
from tests.attune.conftest import SMALL
from tests.factories import ThreePeople, login, make_people
from tests.training.makers import make_tasteful_project
from training.execution import execute_run
from training.registry import promote
from training.runs import start_run
from training.serving import ServedVersion, live_version

pytestmark = pytest.mark.django_db
LENGTH = "concise–detailed"


@pytest.fixture
def people(db: None) -> ThreePeople:
    """A project with a live hybrid, in which the annotator of the three is sim-0, who likes it short."""
    project = make_tasteful_project(annotators=12, prompts=16, each=12, ties=0.0)
    made = make_people(project)
    Annotator.objects.filter(project=project, user=made.annotator).delete()
    Annotator.objects.filter(project=project, ref="sim-0").update(user=made.annotator)
    run = execute_run(start_run(project=project, model_name="hybrid", options=SMALL["hybrid"], send=False).pk)
    assert run is not None and run.state == "done"
    promote(version=run.version)
    return made


def somebody(project: Project, ref: str = "sim-0") -> Annotator:
    return Annotator.objects.get(project=project, ref=ref)


def served_of(people: ThreePeople) -> ServedVersion:
    served = live_version(people.project.pk)
    assert served is not None
    return served


def length_of(people: ThreePeople, ref: str) -> float:
    rows = dissected(annotator_id=somebody(people.project, ref).pk, served=served_of(people))
    return next(row.trait.estimate for row in rows if row.trait.name == LENGTH)


def form(people: ThreePeople, **moved: float) -> dict[str, str]:
    """The rings as the page shows them, some of them moved."""
    rows = dissected(annotator_id=somebody(people.project).pk, served=served_of(people))
    fields = {f"was:{row.trait.name}": f"{row.ring:.2f}" for row in rows}
    fields |= {name.replace("was:", "at:"): value for name, value in fields.items()}
    return fields | {f"at:{name}": str(value) for name, value in moved.items()}


def post(people: ThreePeople, client: Client, data: dict[str, str], **headers: str) -> object:
    return client.post(reverse("my_traits", args=[people.project.slug]), data, headers=headers)


def test_bars_come_from_the_choices(people: ThreePeople) -> None:
    assert length_of(people, "sim-0") < length_of(people, "sim-3")  # every fourth likes it long
    rows = dissected(annotator_id=somebody(people.project).pk, served=served_of(people))
    assert [row.trait.name for row in rows] == list(TRAITS)
    assert all(row.trait.low <= row.trait.estimate <= row.trait.high and row.stated is None for row in rows)


def test_simulated_annotators_stand_apart_from_people(people: ThreePeople) -> None:
    Annotator.objects.filter(project=people.project, ref__in=[f"sim-{n}" for n in range(6)]).update(simulated=False)
    run = execute_run(start_run(project=people.project, model_name="bradley_terry", send=False).pk)
    assert run is not None and run.state == "done"
    promote(version=run.version)
    rows = dissected(annotator_id=somebody(people.project).pk, served=served_of(people))
    length = next(row for row in rows if row.trait.name == LENGTH)
    assert length.machines is not None and length.machines.estimate != length.group.estimate
    page = login(people.annotator).get(reverse("me", args=[people.project.slug])).content.decode()
    assert "Simulated annotators" in page


def test_a_correction_is_kept_moves_the_model_and_can_be_taken_back(people: ThreePeople) -> None:
    annotator, served = somebody(people.project), served_of(people)
    client = login(people.annotator)
    before = find_person(served=served, pk=annotator.pk)
    answer = post(people, client, form(people, **{LENGTH: 1.3}) | {"act": "save"})
    assert answer.status_code == 302
    assert stated_by(annotator.pk) == {LENGTH: Word(1.3)}
    after = find_person(served=served, pk=annotator.pk)
    assert before and after and not np.array_equal(before.latent.mean, after.latent.mean)
    assert after.latent.n == before.latent.n == 12
    page = client.get(reverse("me", args=[people.project.slug])).content.decode()
    assert "You said on" in page and "clearly detailed" in page
    post(people, client, form(people) | {"back": LENGTH})
    assert stated_by(annotator.pk) == {}
    assert [each.value for each in annotator.trait_statements.all()] == [1.3, None]
    again = find_person(served=served, pk=annotator.pk)
    assert again is not None
    np.testing.assert_allclose(again.latent.mean, before.latent.mean, atol=1e-5)


def test_a_correction_is_shown_before_it_is_kept(people: ThreePeople) -> None:
    client = login(people.annotator)
    whole = post(people, client, form(people, **{LENGTH: 1.5}) | {"act": "preview"}).content.decode()
    assert "What your correction changes" in whole and 'value="1.50"' in whole
    part = post(people, client, form(people, **{LENGTH: 1.5}), **{"HX-Request": "true"}).content.decode()
    assert "<html" not in part and 'id="preview"' in part and "Score" in part
    assert not TraitStatement.objects.exists()
    shown = preview(annotator=somebody(people.project), served=served_of(people), proposed={LENGTH: 1.5})
    assert shown is not None and sorted(each.was for each in shown.moved) == [each.place for each in shown.moved]
    assert "Nothing is moved yet" in post(people, client, form(people), **{"HX-Request": "true"}).content.decode()


@pytest.mark.parametrize("value", ["9", "-2", "nan", "north"])
def test_a_ring_off_its_rail_is_refused(people: ThreePeople, value: str) -> None:
    answer = post(people, login(people.annotator), form(people) | {f"at:{LENGTH}": value, "act": "save"})
    assert answer.status_code == 422
    assert not TraitStatement.objects.exists()


def test_only_traits_that_there_are(people: ThreePeople) -> None:
    with pytest.raises(Invalid, match="“sweet–sour” is no trait"):
        state(annotator=somebody(people.project), values={"sweet–sour": 1.0})
    assert state(annotator=somebody(people.project), values={LENGTH: None}) == 0


def test_owners_look_and_strangers_see_nothing(people: ThreePeople) -> None:
    state(annotator=somebody(people.project), values={LENGTH: -1.2})
    page = login(people.owner).get(reverse("annotator_profile", args=[people.project.slug, "sim-0"])).content.decode()
    assert "They said on" in page and 'type="range"' not in page and "Keep my correction" not in page
    assert post(people, login(people.stranger), {"act": "save"}).status_code == 404
    assert post(people, login(people.owner), {"act": "save"}).status_code == 404  # the owner has judged nothing


def test_what_was_said_goes_along_with_ones_data(people: ThreePeople) -> None:
    annotator = somebody(people.project)
    state(annotator=annotator, values={LENGTH: -1.2})
    (table,) = [each for each in tables() if each.model is TraitStatement]
    assert [row.value for row in table.rows(annotator)] == [-1.2]  # type: ignore[attr-defined]
    assert next(t for t in profile_of(annotator).traits if t.name == LENGTH).estimate == -1.2
