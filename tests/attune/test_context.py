"""A context that grows has the columns of one that was made at once."""

from __future__ import annotations

import numpy as np

from attune.data import Choice
from attune.rewards.base import Comparison
from attune.rewards.context import Context, columns_of_context


def said(count: int) -> list[Comparison]:
    rng = np.random.default_rng(0)
    choices: list[Choice] = ["a", "b", "tie", "both_good", "both_bad"]
    return [
        Comparison(
            *rng.normal(size=(2, 3)).astype(np.float32),
            choices[number % 5],
            strength=(None, 1, 2, 3)[number % 4],
            swapped=number % 2 == 1,
        )
        for number in range(count)
    ]


def test_what_is_added_follows_what_was_there() -> None:
    comparisons = said(7)
    grown = Context().plus(comparisons[:1]).plus([]).plus(comparisons[1:5]).plus(comparisons[5:])
    assert list(grown) == comparisons
    assert grown[1:3] == tuple(comparisons[1:3])
    for column, expected in zip(columns_of_context(grown), columns_of_context(comparisons), strict=True):
        np.testing.assert_array_equal(column, expected)
        assert column.dtype == expected.dtype


def test_what_was_there_stays_as_it_was() -> None:
    comparisons = said(3)
    first = Context(comparisons[:2])
    first.plus(comparisons[2:])
    assert len(first) == 2
    assert columns_of_context(first).items_a.shape == (2, 3)


def test_a_note_goes_along_and_is_its_writers_alone() -> None:
    writer, first = object(), Context(said(2))
    first.note(writer, "two")
    assert first.plus(said(1)).noted_by(writer) == (2, "two")
    assert first.noted_by(object()) == (0, None)


def test_columns_of_what_was_added_alone() -> None:
    comparisons = said(5)
    for column, expected in zip(Context(comparisons).columns(3), columns_of_context(comparisons[3:]), strict=True):
        np.testing.assert_array_equal(column, expected)
