"""The sweep: latents after a promotion, texts that nobody has encoded, and what it does without a scorer."""

from __future__ import annotations

import time

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from attune.encoders import get_encoder
from personalization import tasks
from personalization.models import Latent
from personalization.sweeping import backfill, encode_new_texts, live_versions
from tests.factories import make_annotator, make_pair
from tests.personalization.conftest import World
from tests.personalization.worlds import judge, make_version, responses_of
from training.models import TextVector
from training.vectors import PostgresVectorStore

pytestmark = pytest.mark.django_db

SOON = 60.0


def later() -> float:
    return time.monotonic() + SOON


def test_a_promotion_is_followed_by_everybodys_latents(world: World, settings: Settings) -> None:
    settings.SCORER_URL = ""
    people = [world.judge, *(make_annotator(world.project) for _ in range(3))]
    for person in people[:3]:
        judge(person, world.pairs[0], "a")
    tasks.sweep()
    assert Latent.objects.filter(version=world.version.id).count() == 3
    second = make_version(world.project, responses_of(world.pairs), seed=8)
    tasks.sweep()
    assert set(Latent.objects.filter(version=second.id).values_list("annotator_id", flat=True)) == {
        person.pk for person in people[:3]
    }
    assert Latent.objects.filter(version=world.version.id).count() == 3
    before = set(Latent.objects.values_list("updated_at", flat=True))
    tasks.sweep()
    assert set(Latent.objects.values_list("updated_at", flat=True)) == before


def test_it_stops_when_its_time_is_up(world: World) -> None:
    for person in (world.judge, make_annotator(world.project)):
        judge(person, world.pairs[0], "a")
    over = time.monotonic() - 1
    assert backfill(project_id=world.project.pk, version=world.version, until=over, again=False) == 0
    assert backfill(project_id=world.project.pk, version=world.version, until=later(), again=False) == 2


def test_new_texts_are_encoded_and_then_count(world: World, scorer: str) -> None:
    new = make_pair(world.project, a="Entirely new.", b="Also new, and rather longer than the other.")
    judge(world.judge, new, "b")
    tasks.sweep()
    latent = Latent.objects.get()
    assert (latent.n_judgments, latent.n_unused) == (1, 0)
    stored = PostgresVectorStore().get_many("style", [new.response_b.digest])[new.response_b.digest]
    assert stored.tolist() == get_encoder("style").encode([(new.prompt.text, new.response_b.text)])[0].tolist()
    assert TextVector.objects.count() == 24  # both responses of twelve pairs
    assert encode_new_texts(project_id=world.project.pk, version=world.version, until=later())


def test_without_a_scorer_the_rest_is_done(world: World, settings: Settings) -> None:
    judge(world.judge, world.pairs[0], "a")
    settings.SCORER_URL = "http://127.0.0.1:9"
    tasks.sweep()
    assert Latent.objects.count() == 1
    settings.SCORER_URL = ""
    assert not encode_new_texts(project_id=world.project.pk, version=world.version, until=later())


def test_archived_projects_are_left_alone(world: World) -> None:
    assert [project for project, _ in live_versions()] == [world.project.pk]
    world.project.archived_at = timezone.now()
    world.project.save()
    assert live_versions() == []
