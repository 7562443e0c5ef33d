"""The overview: figures by hand, what it points out, how much it asks the database; and starting a project."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotator.charts import bar_chart, nice_ceiling, on_strip
from annotator.models import Annotator, Judgment, Membership, Pair, Project, Role
from annotator.selectors import dashboard
from annotator.selectors.quality import agreement
from annotator.services.gold import set_gold
from annotator.services.projects import TEMPLATES, create_project
from tests.factories import ThreePeople, login, make_annotator, make_pair, make_user


@pytest.fixture(autouse=True)
def _no_cache() -> None:
    cache.clear()


def say(pair: Pair, annotator: Annotator, choice: str = "a", **fields: object) -> Judgment:
    fields = {"client_key": uuid.uuid4(), "seconds": 40.0, **fields}
    return Judgment.objects.create(project=pair.project, pair=pair, annotator=annotator, choice=choice, **fields)


def pairs_of(people: ThreePeople) -> list[Pair]:
    return list(people.project.pairs.order_by("id"))


def test_progress_counts_each_pair_up_to_its_cap(people: ThreePeople) -> None:
    pairs = pairs_of(people)
    Pair.objects.filter(pk=pairs[0].pk).update(cap=1)
    Pair.objects.filter(pk=pairs[4].pk).update(withdrawn_at=timezone.now())
    second = make_annotator(people.project)
    for annotator in (people.judge, second):
        say(pairs[0], annotator)
        say(pairs[4], annotator)
    say(pairs[1], people.judge, "tie")
    say(pairs[1], people.judge, "a", occasion=1)
    say(pairs[2], people.judge, "skip")
    say(pairs[3], people.judge, withdrawn=True)
    progress, _ = dashboard.pairs(people.project)
    assert (progress.pairs, progress.finished, progress.untouched) == (4, 1, 2)
    assert (progress.done, progress.target, progress.left) == (2, 10, 8)


def test_pairs_where_people_part_ways_come_by_the_smaller_side(people: ThreePeople) -> None:
    pairs = pairs_of(people)
    crowd = [make_annotator(people.project) for _ in range(5)]
    for pair, choices in ((pairs[0], "aaaab"), (pairs[1], "aabbt"), (pairs[2], "aaaaa"), (pairs[3], "ab")):
        for annotator, choice in zip(crowd, choices, strict=False):
            say(pair, annotator, {"t": "tie"}.get(choice, choice))
    _, splits = dashboard.pairs(people.project)
    assert [(split.pair_id, split.a, split.b, split.ties) for split in splits] == [
        (pairs[1].pk, 2, 2, 1),
        (pairs[3].pk, 1, 1, 0),
        (pairs[0].pk, 4, 1, 0),
    ]
    assert (splits[0].a_width, splits[0].tie_width, splits[0].b_from, splits[0].b_width) == (40, 20, 60, 40)


def test_habits_are_those_of_the_screen_not_of_the_pair(people: ThreePeople) -> None:
    pairs = [*pairs_of(people), *(make_pair(people.project) for _ in range(9))]
    for number, pair in enumerate(pairs[:12]):
        swapped = number % 2 == 0
        say(pair, people.judge, "b" if swapped else "a", swapped=swapped, seconds=10 + number)
    say(pairs[12], people.judge, "tie", seconds=None)
    say(pairs[0], people.judge, "b", occasion=1)
    say(pairs[1], people.judge, "b", occasion=1)
    Pair.objects.filter(pk__in=[pairs[0].pk, pairs[1].pk]).update(gold_choice="a")
    say(pairs[13], people.judge, "a", source="import")
    [habits] = dashboard.people(people.project).rows
    assert habits.judgments == habits.latest == 16
    assert (habits.left, habits.sided) == (12, 14), "an import does not say which side was left"
    assert habits.ties == 1
    assert (habits.same, habits.twice) == (1, 2)
    assert (habits.gold_right, habits.gold) == (1, 2)
    assert habits.median_seconds == pytest.approx(17.0)


def test_simulated_annotators_come_last_and_are_counted_apart(people: ThreePeople) -> None:
    machine = make_annotator(people.project, ref="sim-1", simulated=True)
    pairs = pairs_of(people)
    for pair in pairs:
        say(pair, machine)
    say(pairs[0], people.judge, judged_at=timezone.now() - timedelta(days=9))
    say(pairs[1], people.judge)
    found = dashboard.people(people.project)
    assert [row.name for row in found.rows] == ["Anna", "sim-1"]
    assert (found.annotators, found.people, found.people_this_week) == (2, 1, 1)
    assert (found.judgments, found.simulated, found.this_week) == (7, 5, 1)
    days = dashboard.per_day(people.project)
    assert len(days) == 28
    assert (days[-1].people, days[-1].simulated) == (1, 5)
    assert sum(day.people for day in days) == 2


def test_paging_reaches_everybody_once(people: ThreePeople) -> None:
    pair = pairs_of(people)[0]
    Pair.objects.update(cap=100)
    for number in range(30):
        say(pair, make_annotator(people.project, ref=f"r{number:02}"))
    names = [row.name for offset in (0, 12, 24) for row in dashboard.people(people.project, offset, 12).rows]
    assert len(names) == len(set(names)) == 30
    client = login(people.owner)
    where = reverse("project", args=[people.project.slug])
    table = client.get(f"{where}?page=2", headers={"HX-Request": "true", "HX-Target": "people"}).content.decode()
    assert "13–24 of 30" in table
    assert "<html" not in table
    assert "1–12 of 30" in client.get(f"{where}?page=77").content.decode()
    assert client.get(f"{where}?page=-1").status_code == 200
    assert client.get(f"{where}?page=99999999999").status_code == 200


def test_lopsided_and_hasty_people_are_pointed_out(people: ThreePeople, owner_client: Client) -> None:
    hasty = make_annotator(people.project, name="Hugo Hasty")
    fair = make_annotator(people.project, name="Freda Fair")
    for number in range(30):
        pair = make_pair(people.project)
        say(pair, people.judge, "a")
        say(pair, hasty, "ab"[number % 2], seconds=2.0)
        say(pair, fair, "ab"[number % 2], seconds=40.0)
    page = owner_client.get(reverse("project", args=[people.project.slug])).content.decode()
    assert "Anna chose the left response in 100 % of pairs" in page
    assert "Hugo Hasty takes 2 s for a pair" in page
    assert "Freda Fair" in page
    assert "Freda Fair chose" not in page
    assert "Freda Fair takes" not in page


def test_chance_of_a_lopsided_count() -> None:
    assert dashboard.two_sided(5, 10) == 1.0
    assert dashboard.two_sided(0, 0) == 1.0
    assert dashboard.two_sided(60, 100) == pytest.approx(0.0574, abs=2e-3)  # exact binomial: 0.0569
    assert dashboard.two_sided(70, 100) == dashboard.two_sided(30, 100) < 1e-4


def test_an_empty_project_says_what_to_do_next(people: ThreePeople) -> None:
    stranger = login(people.stranger)
    page = stranger.get(reverse("project", args=[people.elsewhere.slug])).content.decode()
    assert "No pairs in this project yet" in page
    assert reverse("data", args=[people.elsewhere.slug]) in page


def test_a_large_project_keeps_its_figures_for_a_while(
    people: ThreePeople,
    owner_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr(dashboard, "LARGE", 0)
    pair = pairs_of(people)[0]
    say(pair, people.judge)
    where = reverse("project", args=[people.project.slug])
    owner_client.get(where)
    say(pairs_of(people)[1], people.judge)
    with django_assert_max_num_queries(3):  # session, user, access
        page = owner_client.get(where).content.decode()
    assert "1 of 5 pair" not in page
    cache.clear()
    assert dashboard.people(people.project).judgments == 2


def test_the_number_of_queries_does_not_grow(
    people: ThreePeople, owner_client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    where = reverse("project", args=[people.project.slug])
    for pair in pairs_of(people)[:2]:
        say(pair, people.judge)
    owner_client.get(where)
    with django_assert_num_queries(12):
        owner_client.get(where)
    for pair in pairs_of(people):
        for _ in range(3):
            say(pair, make_annotator(people.project), "b")
    with django_assert_num_queries(12):
        owner_client.get(where)


def test_people_and_simulated_annotators_agree_apart(people: ThreePeople, owner_client: Client) -> None:
    humans = [people.judge, make_annotator(people.project)]
    machines = [make_annotator(people.project, simulated=True) for _ in range(2)]
    Project.objects.filter(pk=people.project.pk).update(simulated=True)
    for number in range(20):
        pair, side = make_pair(people.project), "ab"[number % 2]
        for human in humans:
            say(pair, human, side)
        for machine, choice in zip(machines, "ab", strict=True):
            say(pair, machine, choice)
    found = [agreement(people.project, simulated=flag) for flag in (False, True)]
    assert [each.answers for each in found] == [40, 40]
    assert found[0].alpha and found[0].alpha.estimate == 1
    assert found[1].alpha and found[1].alpha.estimate < 0
    page = owner_client.get(reverse("project", args=[people.project.slug])).content.decode()
    assert "α = 1.00" in page
    assert page.count("Agreement is") == 2


def test_bars_stand_on_the_axis_and_fit() -> None:
    chart = bar_chart([0, 3, 10], [0, 1, 0], ["a", "b", "c"], width=320, height=180, every=2)
    assert [line.value for line in chart.grid] == [0, 5, 10]
    floor = chart.grid[0].y
    assert all(bar.lower_y + bar.lower_height == floor for bar in chart.bars)
    assert all(bar.upper_y + bar.upper_height == bar.lower_y for bar in chart.bars)
    assert chart.bars[2].lower_y == chart.grid[2].y == 10
    assert [bar.label for bar in chart.bars] == ["a", "", "c"]
    assert chart.bars[-1].x + chart.bars[-1].width <= chart.right
    assert [nice_ceiling(n) for n in (0, 1, 3, 7, 10, 11, 221, 1000)] == [2, 2, 4, 8, 10, 20, 300, 1000]
    assert (on_strip(0, 60), on_strip(0.5, 60), on_strip(1, 60), on_strip(-3, 60)) == (2, 30, 58, 2)


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_anybody_starts_a_project_and_owns_it(template: str, people: ThreePeople, annotator_client: Client) -> None:
    where = reverse("project_new")
    assert annotator_client.get(where).status_code == 200
    response = annotator_client.post(where, {"name": "Grüße & Küsse", "description": "", "template": template})
    project = Project.objects.get(name="Grüße & Küsse")
    assert response["Location"] == reverse("project", args=[project.slug])
    assert Membership.objects.get(project=project, user=people.annotator).role == Role.OWNER
    assert [tag["label"] for tag in project.reason_tags] == list(TEMPLATES[template].tags)
    project.full_clean(exclude=["reason_tags"])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"name": ""}, "required"),
        ({"name": "x" * 201}, "at most 200"),
        ({"name": "x", "template": "castle"}, "not one of the available"),
        ({"name": "a\x00"}, "Null characters"),
    ],
)
def test_bad_projects_are_refused_by_field(data: dict[str, str], reason: str, people: ThreePeople) -> None:
    response = login(people.stranger).post(reverse("project_new"), {"template": "blank"} | data)
    assert response.status_code == 422
    assert reason in response.content.decode()
    assert Project.objects.count() == 2


def test_slugs_are_unique_and_never_hide_a_page(db: None) -> None:
    owner = make_user()
    slugs = [create_project(owner=owner, name=name).slug for name in ("New", "new", "Tea!", "Tea", "茶", "x" * 200)]
    assert slugs == ["new-2", "new-3", "tea", "tea-2", "project", "x" * 76]


def test_a_quiet_week_says_so(people: ThreePeople, owner_client: Client) -> None:
    page = owner_client.get(reverse("project", args=[people.project.slug])).content.decode()
    assert "Nobody has judged in the last seven days" in page
    for pair in pairs_of(people)[:2]:
        say(pair, people.judge)
    page = owner_client.get(reverse("project", args=[people.project.slug])).content.decode()
    done = timezone.localdate() + timedelta(days=46)  # 13 left at 2 in 7 days
    assert f"{done.day} {done:%B}" in page


def test_progress_counts_up_to_targets_and_leaves_gold_out(people: ThreePeople) -> None:
    first, second, gold, *_ = pairs_of(people)
    Pair.objects.filter(pk__in=[first.pk, second.pk]).update(target=1, cap=9)
    set_gold(pair=gold, choice="a", by=None)
    for annotator in (people.judge, make_annotator(people.project)):
        say(first, annotator)
        say(gold, annotator)
    progress, _ = dashboard.pairs(people.project)
    assert (progress.pairs, progress.finished, progress.target, progress.done) == (4, 1, 1 + 1 + 3 + 3, 1)
