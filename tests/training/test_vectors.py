from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.db import connections
from pytest_django import DjangoAssertNumQueries

from attune.encoders import encode_cached
from training.models import TextVector
from training.vectors import PostgresVectorStore


def _vectors(count: int, dim: int = 8) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {f"{number:064x}": draw.normal(size=dim).astype(np.float32) for number in range(count)}


@pytest.mark.django_db
def test_vectors_come_back_as_they_were() -> None:
    vectors, store = _vectors(5), PostgresVectorStore()
    store.put_many("style", vectors)

    found = store.get_many("style", [*vectors, "f" * 64])

    assert found.keys() == vectors.keys()
    for digest, vector in vectors.items():
        np.testing.assert_array_equal(found[digest], vector)
        assert found[digest].dtype == np.float32


@pytest.mark.django_db
def test_encoders_do_not_see_each_others() -> None:
    store = PostgresVectorStore()
    store.put_many("style", {"0" * 64: np.zeros(3, np.float32)})
    assert store.get_many("minilm", ["0" * 64]) == {}


@pytest.mark.django_db
def test_a_vector_that_is_there_stays() -> None:
    store = PostgresVectorStore()
    store.put_many("style", {"0" * 64: np.zeros(3, np.float32)})
    store.put_many("style", {"0" * 64: np.ones(3, np.float32)})
    np.testing.assert_array_equal(store.get_many("style", ["0" * 64])["0" * 64], np.zeros(3))


@pytest.mark.django_db(transaction=True)
def test_few_queries_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    vectors, store = _vectors(4_500), PostgresVectorStore()
    with django_assert_num_queries(3):
        store.put_many("style", vectors)
    with django_assert_num_queries(3):
        assert len(store.get_many("style", [*vectors, *vectors])) == 4_500


@pytest.mark.django_db(transaction=True)
def test_two_writers_of_the_same_texts_do_not_stop_each_other() -> None:
    vectors = _vectors(3_000)
    backwards = dict(reversed(vectors.items()))

    def write(part: dict[str, np.ndarray]) -> None:
        PostgresVectorStore().put_many("style", part)
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, part) for part in (vectors, backwards, vectors, backwards)]:
            done.result()

    assert TextVector.objects.filter(encoder="style").count() == 3_000


@pytest.mark.django_db
def test_a_text_is_encoded_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    store = PostgresVectorStore()
    texts = {"1": ("Why?", "Because."), "2": ("Why?", "It is so.")}
    first = encode_cached("style", texts, store)
    with django_assert_num_queries(1):
        again = encode_cached("style", texts, store)
    for key in texts:
        np.testing.assert_array_equal(first[key], again[key])
