"""Context sets in memory: what was added is read alone, whatever else changed makes them be read anew."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotator.models import Annotator, Pair, Rationale
from attune.recent import Recent
from personalization.contexts import IN_MEMORY, ContextSet, context_of
from tests.factories import make_annotator, make_pair, make_project
from tests.personalization.worlds import judge, make_pairs, make_version, responses_of, take_back
from training.serving import ServedVersion, load_model

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


def signature_of(annotator: Annotator) -> str:
    ids = list(annotator.judgments.filter(current=True).values_list("pk", flat=True))
    return f"{len(ids)}:{sum(ids)}"


def read(annotator: Annotator, version: ServedVersion) -> tuple[ContextSet, str]:
    """The set, and the ``after`` values of the statements that read it."""
    with CaptureQueriesContext(connection) as queries:
        found = context_of(
            annotator_id=annotator.pk, model=load_model(version), served=version, signature=signature_of(annotator)
        )
    return found, [query["sql"].rsplit(" ", 1)[-1] for query in queries if "EXECUTE" in query["sql"]]


def choices(found: ContextSet) -> list[str]:
    return [each.choice for each in found.comparisons]


def test_an_addition_is_read_alone(version: ServedVersion, annotator: Annotator, pairs: list[Pair]) -> None:
    judge(annotator, pairs[0], "a")
    last = judge(annotator, pairs[1], "skip")
    found, after = read(annotator, version)
    assert (choices(found), after) == (["a"], ["0)"])
    judge(annotator, pairs[2], "tie")
    found, after = read(annotator, version)
    assert (choices(found), after) == (["a", "tie"], [f"{last.pk})"])
    assert found.signature == signature_of(annotator)


def test_a_withdrawal_makes_it_be_read_anew(version: ServedVersion, annotator: Annotator, pairs: list[Pair]) -> None:
    first = judge(annotator, pairs[0], "a")
    judge(annotator, pairs[1], "b")
    assert choices(read(annotator, version)[0]) == ["a", "b"]
    take_back(first)
    found, after = read(annotator, version)
    assert (choices(found), after[-1]) == (["b"], "0)")


def test_hidden_repeats_are_no_second_evidence(version: ServedVersion, annotator: Annotator, pairs: list[Pair]) -> None:
    """Fits leave them out too: an annotator who is asked twice has not said more."""
    judge(annotator, pairs[0], "a")
    judge(annotator, pairs[0], "b", occasion=1)
    assert choices(read(annotator, version)[0]) == ["a"]


def test_left_out_judgments_are_looked_at_again(
    version: ServedVersion, annotator: Annotator, pairs: list[Pair]
) -> None:
    judge(annotator, make_pair(pairs[0].project, a="Never seen.", b="Nor was this one."), "a")
    assert read(annotator, version)[0].unused == 1
    judge(annotator, pairs[0], "b")
    found, after = read(annotator, version)
    assert (found.unused, choices(found), after) == (1, ["b"], ["0)"])


def test_versions_have_their_own(version: ServedVersion, annotator: Annotator, pairs: list[Pair]) -> None:
    judge(annotator, pairs[0], "a")
    newer = make_version(pairs[0].project, responses_of(pairs), seed=1)
    old, new = (read(annotator, each)[0].comparisons[0].item_a for each in (version, newer))
    assert old.tolist() != new.tolist()


def test_only_so_many_are_kept() -> None:
    sets: Recent[tuple[int, str], ContextSet] = Recent(2)
    for key in range(3):
        sets.keep((key, ""), ContextSet(f"0:{key}", 0))
    last = sets.get((2, ""))
    assert sets.get((0, "")) is None
    assert last is not None and last.signature == "0:2"
    assert IN_MEMORY > 2


def test_reasons_go_along_and_a_new_one_takes_the_place_of_the_old(
    version: ServedVersion, annotator: Annotator, pairs: list[Pair]
) -> None:
    first = judge(annotator, pairs[0], "a")
    tags = [{"tag": "tone", "side": "a", "good": True}, {"tag": "length", "side": "b", "good": False}]
    Rationale.objects.create(judgment=first, text="Kind.", tags=tags)
    judge(annotator, pairs[1], "b")
    found, _ = read(annotator, version)
    assert [each.reason for each in found.comparisons] == [{"#tone": 1.0, "#length": 1.0, "kind": 1.0}, {}]
    take_back(first)
    again = judge(annotator, pairs[2], "b")
    Rationale.objects.create(judgment=again, tags=[{"tag": "tone", "side": "b", "good": False}])
    found, _ = read(annotator, version)
    assert [each.reason for each in found.comparisons] == [{}, {"#tone": 1.0}]
