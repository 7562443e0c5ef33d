"""Latents: current after every change, of one version each, stored once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotator.models import Annotator, Erasure, Pair
from annotator.services.leaving import open_door
from attune.rewards.base import Comparison
from attune.rewards.base import Latent as Posterior
from personalization.errors import ModelUnusable
from personalization.latents import STORED_EVERY, adapt_with, find_person_by_ref, latent_for, refresh
from personalization.models import Latent
from tests.factories import make_annotator, make_pair, make_project
from tests.personalization.worlds import item_of, judge, make_pairs, make_version, responses_of, take_back
from training.models import ModelVersion
from training.serving import ServedVersion, load_model
from training.vectors import PostgresVectorStore

pytestmark = pytest.mark.django_db


@pytest.fixture
def pairs() -> list[Pair]:
    return make_pairs(make_project(), 6)


@pytest.fixture
def annotator(pairs: list[Pair]) -> Annotator:
    return make_annotator(pairs[0].project)


@pytest.fixture
def version(pairs: list[Pair]) -> ServedVersion:
    return make_version(pairs[0].project, responses_of(pairs))


def direct(version: ServedVersion, said: list[tuple[Pair, str]]) -> Posterior:
    """What the model itself makes of the judgments."""
    context = [Comparison(item_of(version, p.response_a), item_of(version, p.response_b), c) for p, c in said]  # type: ignore[arg-type]
    return load_model(version).adapt(context)


def assert_same(latent: Posterior, expected: Posterior) -> None:
    assert latent.n == expected.n
    np.testing.assert_allclose(latent.mean, expected.mean, atol=1e-5)
    np.testing.assert_allclose(latent.cov, expected.cov, atol=1e-5)
    assert dict(latent.extra) == pytest.approx(dict(expected.extra), abs=1e-5)


def test_nobody_and_somebody_without_judgments_have_the_prior(version: ServedVersion, annotator: Annotator) -> None:
    prior = load_model(version).prior()
    for annotator_id in (None, annotator.pk, 10**9):
        assert_same(latent_for(annotator_id=annotator_id, served=version), prior)
    assert not Latent.objects.exists()


def test_judgments_give_the_models_own_posterior(
    version: ServedVersion, annotator: Annotator, pairs: list[Pair]
) -> None:
    judge(annotator, pairs[0], "a", strength=3, swapped=True)
    judge(annotator, pairs[1], "tie")
    a, b = item_of(version, pairs[0].response_a), item_of(version, pairs[0].response_b)
    c, d = item_of(version, pairs[1].response_a), item_of(version, pairs[1].response_b)
    expected = load_model(version).adapt([Comparison(a, b, "a", 3, swapped=True), Comparison(c, d, "tie")])
    assert_same(latent_for(annotator_id=annotator.pk, served=version), expected)


def test_the_stored_one_is_read_in_one_query(version: ServedVersion, annotator: Annotator, pairs: list[Pair]) -> None:
    judge(annotator, pairs[0], "a")
    first = latent_for(annotator_id=annotator.pk, served=version)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        second = latent_for(annotator_id=annotator.pk, served=version)
    assert len(queries) == 1
    assert_same(second, first)
    assert Latent.objects.get().n_judgments == 1


def test_a_judgment_and_an_undo_make_it_stale(version: ServedVersion, annotator: Annotator, pairs: list[Pair]) -> None:
    judge(annotator, pairs[0], "a")
    one = latent_for(annotator_id=annotator.pk, served=version)
    second = judge(annotator, pairs[1], "b")
    both = latent_for(annotator_id=annotator.pk, served=version)
    assert_same(both, direct(version, [(pairs[0], "a"), (pairs[1], "b")]))
    assert not np.allclose(both.mean, one.mean)
    take_back(second)
    assert_same(latent_for(annotator_id=annotator.pk, served=version), one)


def test_somebody_quick_has_not_every_posterior_stored(
    version: ServedVersion, annotator: Annotator, pairs: list[Pair]
) -> None:
    judge(annotator, pairs[0], "a")
    latent_for(annotator_id=annotator.pk, served=version)
    judge(annotator, pairs[1], "b")
    both = direct(version, [(pairs[0], "a"), (pairs[1], "b")])
    assert_same(latent_for(annotator_id=annotator.pk, served=version), both)
    assert Latent.objects.get().n_judgments == 1
    Latent.objects.update(updated_at=timezone.now() - STORED_EVERY)
    assert_same(latent_for(annotator_id=annotator.pk, served=version), both)
    assert Latent.objects.get().n_judgments == 2


def test_a_judgment_that_commits_late_makes_it_stale(
    version: ServedVersion, annotator: Annotator, pairs: list[Pair]
) -> None:
    """Ids are given before a commit: of two revisions, the one with the lower id can appear after the higher."""
    judge(annotator, pairs[0], "a", id=10_000)
    judge(annotator, pairs[1], "b", id=10_002)
    latent_for(annotator_id=annotator.pk, served=version)
    open_door(Erasure.objects.create(number=annotator.pk))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM annotator_judgment WHERE id = 10000")
    judge(annotator, pairs[0], "b", id=10_001)
    assert_same(
        latent_for(annotator_id=annotator.pk, served=version), direct(version, [(pairs[0], "b"), (pairs[1], "b")])
    )


def test_skipped_and_withdrawn_judgments_do_not_count(
    version: ServedVersion, annotator: Annotator, pairs: list[Pair]
) -> None:
    judge(annotator, pairs[0], "skip")
    take_back(judge(annotator, pairs[1], "a"))
    assert_same(latent_for(annotator_id=annotator.pk, served=version), load_model(version).prior())


def test_versions_are_never_mixed(version: ServedVersion, annotator: Annotator, pairs: list[Pair]) -> None:
    judge(annotator, pairs[0], "a")
    old = latent_for(annotator_id=annotator.pk, served=version)
    newer = make_version(pairs[0].project, responses_of(pairs), seed=1)
    assert_same(latent_for(annotator_id=annotator.pk, served=newer), direct(newer, [(pairs[0], "a")]))
    assert_same(latent_for(annotator_id=annotator.pk, served=version), old)
    assert Latent.objects.count() == 2


def test_a_stored_row_of_another_shape_is_made_anew(
    version: ServedVersion, annotator: Annotator, pairs: list[Pair]
) -> None:
    judge(annotator, pairs[0], "a")
    expected = latent_for(annotator_id=annotator.pk, served=version)
    Latent.objects.update(mean=b"\0\0\0\0", cov=b"\0\0\0\0")
    assert_same(latent_for(annotator_id=annotator.pk, served=version), expected)


def test_new_texts_go_by_their_vectors_and_are_counted_until_they_have_one(
    version: ServedVersion, annotator: Annotator, pairs: list[Pair]
) -> None:
    judge(annotator, pairs[0], "a")
    new = make_pair(pairs[0].project, a="Brand new and short.", b="Brand new, but also rather long in its own way.")
    judge(annotator, new, "b")
    without = latent_for(annotator_id=annotator.pk, served=version)
    assert (without.n, Latent.objects.get().n_unused) == (1, 1)

    from attune.encoders import get_encoder

    texts = {r.digest: (new.prompt.text, r.text) for r in (new.response_a, new.response_b)}
    vectors = dict(zip(texts, get_encoder("style").encode(list(texts.values())), strict=True))
    PostgresVectorStore().put_many("style", vectors)
    refreshed = refresh(annotator_id=annotator.pk, served=version)
    assert (refreshed.n, Latent.objects.get().n_unused) == (2, 0)
    assert not np.allclose(refreshed.mean, without.mean)


def test_inline_judgments_add_to_the_stored_ones_and_are_not_stored(
    version: ServedVersion, annotator: Annotator, pairs: list[Pair]
) -> None:
    judge(annotator, pairs[0], "a")
    inline = [Comparison(item_of(version, pairs[1].response_a), item_of(version, pairs[1].response_b), "b")]
    both = adapt_with(annotator_id=annotator.pk, served=version, inline=inline)
    assert_same(both, direct(version, [(pairs[0], "a"), (pairs[1], "b")]))
    assert_same(adapt_with(annotator_id=None, served=version, inline=inline), direct(version, [(pairs[1], "b")]))
    assert not Latent.objects.exists()


def test_people_are_found_within_their_project(version: ServedVersion, annotator: Annotator) -> None:
    elsewhere = make_annotator(make_project(), ref=annotator.ref)
    found = find_person_by_ref(served=version, project_id=annotator.project_id, ref=annotator.ref)
    assert found is not None
    assert found.id == annotator.pk != elsewhere.pk
    assert find_person_by_ref(served=version, project_id=annotator.project_id, ref="somebody else") is None


def test_a_model_whose_files_are_gone_says_so(pairs: list[Pair], annotator: Annotator) -> None:
    broken = make_version(pairs[0].project, responses_of(pairs), seed=7)
    ModelVersion.objects.filter(pk=broken.id).update(path="models/nowhere")
    from training.serving import served

    with pytest.raises(ModelUnusable, match=r"hybrid@1 can't be used: .*models/nowhere"):
        latent_for(annotator_id=annotator.pk, served=served(ModelVersion.objects.get(pk=broken.id)))


@pytest.mark.django_db(transaction=True)
def test_several_readers_at_once_store_one_row(pairs: list[Pair]) -> None:
    version = make_version(pairs[0].project, responses_of(pairs), seed=3)
    annotator = make_annotator(pairs[0].project)
    judge(annotator, pairs[0], "a")
    answers: list[Any] = []

    def read() -> None:
        try:
            answers.append(latent_for(annotator_id=annotator.pk, served=version))
        finally:
            connection.close()

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert all(np.array_equal(each.mean, answers[0].mean) for each in answers)
    assert Latent.objects.count() == 1
