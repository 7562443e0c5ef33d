from __future__ import annotations

import time
from uuid import uuid4

import pytest
from django.db import connection

from annotator.models import Annotator, Judgment, Pair, Project
from annotator.selectors.quality import agreement
from tests.factories import make_annotator, make_project, make_prompt, make_response


def answers(project: Project, rows: list[str]) -> list[Annotator]:
    """One pair a row, one annotator a column; ``.`` where they said nothing."""
    words = {"a": "a", "b": "b", "t": "tie", "x": "both_bad", "s": "skip"}
    annotators = [make_annotator(project) for _ in range(max(map(len, rows)))]
    for pair, row in zip(Pair.objects.filter(project=project).order_by("id"), rows, strict=False):
        for annotator, said in zip(annotators, row, strict=False):
            if said in words:
                Judgment.objects.create(
                    project=project, annotator=annotator, pair=pair, choice=words[said], client_key=uuid4()
                )
    return annotators


@pytest.mark.django_db
def test_a_hand_worked_example() -> None:
    # Four pairs, two people: aa, aa, bb, ab. Coincidences: aa 4, bb 2, ab 1, ba 1; n = 8, n_a = 5, n_b = 3.
    # Observed disagreement 2/8, expected 2·5·3/(8·7) = 30/56, so alpha = 1 − (2/8)/(30/56) = 8/15.
    project = make_project(pairs=6)
    answers(project, ["aa", "aa", "bb", "ab", "a.", "s"])
    found = agreement(project)
    assert (found.units, found.answers) == (4, 8)
    assert found.raw
    assert found.raw.estimate == pytest.approx(0.75)
    assert found.alpha
    assert found.alpha.estimate == pytest.approx(8 / 15)
    assert found.alpha.low < 8 / 15 < found.alpha.high


@pytest.mark.django_db
def test_perfect_and_nothing_shared() -> None:
    project = make_project(pairs=4)
    answers(project, ["aaa", "bbb", "ttt", "xxx"])
    found = agreement(project)
    assert found.alpha
    assert found.raw
    assert (found.alpha.estimate, found.raw.estimate, found.raw.low) == (1.0, 1.0, 1.0)
    lonely = make_project(pairs=2)
    answers(lonely, ["a", "b"])
    assert agreement(lonely).raw is agreement(lonely).alpha is None
    alike = make_project(pairs=2)
    answers(alike, ["aa", "aa"])
    assert agreement(alike).alpha is None
    assert agreement(alike).raw is not None


@pytest.mark.django_db
def test_only_what_stands_counts_and_no_repeats() -> None:
    project = make_project(pairs=3)
    first, second = answers(project, ["aa", "bb", "a."])
    pair = Pair.objects.filter(project=project).latest("id")
    for fields in ({"occasion": 1}, {"withdrawn": True}, {"current": False, "revision": 2}):
        who = first if fields.get("occasion") else second
        Judgment.objects.filter(annotator=who, pair=pair, occasion=0).exclude(annotator=first).update(current=False)
        Judgment.objects.create(
            project=project, annotator=who, pair=pair, choice="b", client_key=uuid4(), **{"revision": 1} | fields
        )
    found = agreement(project)
    assert (found.units, found.raw and found.raw.estimate) == (2, 1.0)


@pytest.mark.django_db
def test_ten_thousand_judgments_take_a_moment() -> None:
    project = make_project()
    prompt = make_prompt(project)
    responses = [make_response(prompt) for _ in range(33)]
    couples = [(a, b) for i, a in enumerate(responses) for b in responses[i + 1 :]][:500]
    Pair.objects.bulk_create(Pair(project=project, prompt=prompt, response_a=a, response_b=b) for a, b in couples)
    for _ in range(20):
        make_annotator(project)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(
            "INSERT INTO annotator_judgment (project_id, annotator_id, pair_id, kind, occasion, revision, current,"
            " withdrawn, client_key, choice, skip_reason, swapped, page_version, source, about, judged_at, created_at)"
            " SELECT p.project_id, a.id, p.id, 'pair', 0, 1, true, false, gen_random_uuid(),"
            " (array['a', 'b', 'tie'])[1 + floor(3 * random())::int], '', false, '', 'import', '{}', now(), now()"
            " FROM annotator_pair p JOIN annotator_annotator a USING (project_id) WHERE p.project_id = %s",
            [project.pk],
        )
    begin = time.perf_counter()
    found = agreement(project)
    took = time.perf_counter() - begin
    assert found.answers == 10_000
    assert found.alpha
    assert abs(found.alpha.estimate) < 0.03  # answers at random
    assert found.alpha.low < 0 < found.alpha.high
    assert took < 2, f"{took:.2f} s"
