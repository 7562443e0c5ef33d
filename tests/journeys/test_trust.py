"""An owner's way through trust: the report, one person, a known answer, a pin, a contested pair, bars for checks."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from annotator.models import Adjudication, Annotator, Judgment, Pair, Project, QualityStep
from annotator.services.assessing import assess
from annotator.services.fits import keep_fits
from annotator.services.gold import set_gold
from annotator.services.standing import check_standing
from tests.factories import ThreePeople, make_annotator, make_lineup, make_people, make_prompt, make_response

pytestmark = pytest.mark.django_db(transaction=True)


def judged_project() -> ThreePeople:
    """Forty triples of responses, eight steady people, one of the opposite taste, one who does not read, two programs."""
    people = make_people(slug="tea", name="Tea and coffee", gold_bar=0.7, checks_needed=5, simulated=True)
    project, rng = people.project, np.random.default_rng(3)
    pairs = []
    for n in range(40):
        prompt = make_prompt(
            project, f"Which drink goes with breakfast number {n}?", topic=("tea", "coffee", "cocoa")[n % 3]
        )
        a, b, c = (make_response(prompt, f"Response {side}. " + "More words. " * n) for n, side in enumerate("xyz"))
        pairs += [
            Pair(project=project, prompt=prompt, response_a=one, response_b=two, cap=12)
            for one, two in ((a, b), (a, c), (b, c))
        ]
    Pair.objects.bulk_create(pairs)
    for pair in pairs[:8]:
        set_gold(pair=pair, choice="a", by=None)
    names = [
        "Ada",
        "Ben",
        "Cleo",
        "Dov",
        "Eva",
        "Finn",
        "Gil",
        "Hana",
        "Mina Contrary",
        "Carl Careless",
        "sim-1",
        "sim-2",
    ]
    for name in names:
        annotator = make_annotator(
            project, ref=name.lower().replace(" ", "-"), name=name, simulated=name.startswith("sim")
        )
        judge_all(annotator, pairs, rng)
    check_standing(project=project)
    assert assess(project=project)
    return people


def judge_all(annotator: Annotator, pairs: list[Pair], rng: np.random.Generator) -> None:
    contrary, careless = annotator.name.startswith("Mina"), annotator.name.startswith("Carl")
    rows = []
    for n, pair in enumerate(pairs):
        likely = 0.12 if contrary else 0.5 if careless else 0.85
        choice = "tie" if rng.random() < 0.06 else "a" if rng.random() < likely else "b"
        common = {"project": annotator.project, "annotator": annotator, "pair": pair, "source": "page"}
        seconds = 2.0 if careless else 12 + 10 * rng.random()
        rows.append(
            Judgment(
                **common,
                choice=choice,
                strength=None if choice == "tie" else 1 + n % 3,
                client_key=uuid4(),
                seconds=seconds,
                swapped=rng.random() < 0.5,
            )
        )
        if n % 6 == 0:
            again = choice if not careless or rng.random() < 0.4 else {"a": "b", "b": "a"}.get(choice, "a")
            rows.append(Judgment(**common, choice=again, occasion=1, client_key=uuid4(), seconds=seconds))
    Judgment.objects.bulk_create(rows)
    own, pooled = (100, 20) if contrary else (55, 54) if careless else (96, 94)
    keep_fits(version="hybrid", signature="", fits={annotator.pk: (own, pooled, 112)})


def test_an_owner_looks_at_the_data_and_acts(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = judged_project()
    sign_in(people.owner.email)

    page.goto("/projects/tea/")
    check_page("trust-overview")
    page.get_by_role("link", name="Quality", exact=True).click()
    expect(page.get_by_role("heading", name="Can the judgments be trusted?")).to_be_visible()
    page.get_by_text("By topic and aspect").click()
    check_page("trust-quality")
    expect(page.locator("#judges").get_by_role("row", name="Mina Contrary")).to_contain_text("contrary")
    expect(page.locator("#judges").get_by_role("row", name="Carl Careless")).to_contain_text("inconsistent")
    page.get_by_label("Which people").select_option("contrary")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("#judges").get_by_role("row", name="Carl Careless")).to_have_count(0)

    page.locator("#judges").get_by_role("link", name="Mina Contrary").click()
    expect(page.get_by_text("nothing to correct")).to_be_visible()
    check_page("trust-contrary")
    page.go_back()
    page.goto("/projects/tea/quality/")
    page.locator("#judges").get_by_role("link", name="Carl Careless").click()
    page.get_by_text("how it is computed").first.click()
    page.get_by_role("button", name="Leave out of training").click()
    expect(page.get_by_text("learns nothing from Carl")).to_be_visible()
    check_page("trust-careless-left-out")
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_text("counts again")).to_be_visible()
    assert list(QualityStep.objects.filter(by=people.owner).values_list("what", flat=True)) == ["restored", "dropped"]
    page.get_by_label("At most in a day").fill("20")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("The quotas hold")).to_be_visible()
    assert Annotator.objects.get(name="Carl Careless").quota_day == 20

    page.goto("/projects/tea/people/")
    check_page("trust-people")


def test_an_owner_settles_pairs(page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]) -> None:
    people = judged_project()
    contested = Pair.objects.filter(project=people.project).latest("pk")
    Judgment.objects.filter(pair=contested).update(current=False)
    for annotator, choice in zip(people.project.annotators.filter(simulated=False), "aabbab", strict=False):
        Judgment.objects.create(
            project=people.project, annotator=annotator, pair=contested, choice=choice, revision=2, client_key=uuid4()
        )
    sign_in(people.owner.email)

    page.goto("/projects/tea/contested/")
    check_page("trust-contested")
    page.get_by_role("link", name=contested.prompt.text).first.click()
    expect(page.get_by_role("heading", name="The last word")).to_be_visible()
    page.locator("#decide").get_by_label("B is better").check()
    page.get_by_label("Why").fill("The guidelines say so.")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("The guidelines say so.").first).to_be_visible()
    assert Adjudication.objects.get(current=True).choice == "b"
    page.get_by_label("People", exact=True).fill("ada, ben")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(
        page.get_by_text("Had it already: ada, ben.").or_(page.get_by_text("people get this pair next"))
    ).to_be_visible()
    page.locator("section", has=page.get_by_role("heading", name="Known answer")).get_by_label("About equal").check()
    page.get_by_role("button", name="Keep the answer").click()
    expect(page.get_by_text("Nobody who is asked the pair can tell")).to_be_visible()
    check_page("trust-pair")
    page.goto("/projects/tea/pairs/?only=gold")
    check_page("trust-gold-pairs")


def test_an_owner_sets_bars(page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]) -> None:
    people = make_people(slug="tea", pairs=3)
    sign_in(people.owner.email)
    page.goto("/projects/tea/setup/")
    page.get_by_label("People for each pair, at most").fill("2")
    page.get_by_role("button", name="Save changes").first.click()
    expect(page.get_by_text("less than the people for each pair")).to_be_visible()
    check_page("trust-setup-refused")
    page.get_by_label("People for each pair, at most").fill("5")
    page.get_by_label("Pairs for more than one person, %").fill("25")
    page.get_by_label("Known answers found, at least %").fill("80")
    page.get_by_label("Give them no more pairs").check()
    page.get_by_role("button", name="Save changes").first.click()
    expect(page.get_by_text("4 settings saved.")).to_be_visible()
    project = Project.objects.get(pk=people.project.pk)
    assert (project.overlap_cap, project.shared_share, project.gold_bar, project.consequence) == (5, 0.25, 0.8, "pause")


def test_an_owner_settles_a_ranking_and_a_rating(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = make_people(slug="order", name="In order", kinds=["ranking", "rating"])
    project = people.project
    ranking = make_lineup(project, texts=["It is bitter.", "It was steeped for too long.", "It is the water."])
    rated = make_lineup(project, texts=["Steep it for three minutes."])
    for n, order in enumerate(([[1], [2], [3]], [[3], [2], [1]], [[2], [3], [1]])):
        judge = make_annotator(project, ref=f"judge-{n}", name=f"Judge {n}")
        said = {"project": project, "annotator": judge, "lineup": ranking, "kind": "ranking", "choice": "ranked"}
        Judgment.objects.create(
            **said, ranking=order, client_key=uuid4(), seconds=20 + n, source="page", shown=[3, 1, 2]
        )
    assert assess(project=project)
    sign_in(people.owner.email)

    page.goto("/projects/order/lineups/?kind=contested")
    page.get_by_role("link", name=ranking.prompt.text).click()
    decide = page.locator("#decide")
    for number, place in ((1, "2"), (2, "1"), (3, "2")):
        decide.get_by_label(f"Response {number}").select_option(place)
    decide.get_by_label("Why").fill("The guidelines say so.")
    decide.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("2 › 1 = 3").first).to_be_visible()
    known = page.locator("section", has=page.get_by_role("heading", name="Known answer"))
    for number, place in ((1, "3"), (2, "1"), (3, "2")):
        known.get_by_label(f"Response {number}").select_option(place)
    known.get_by_role("button", name="Keep the answer").click()
    expect(page.get_by_text("known answer: 2 › 3 › 1")).to_be_visible()
    page.get_by_label("People", exact=True).fill("judge-0")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_text("Had it already: judge-0.")).to_be_visible()
    check_page("trust-ranking")
    page.goto(f"/projects/order/lineups/{rated.pk}/")
    page.get_by_label("Lowest").select_option("4")
    page.get_by_label("Highest").select_option("5")
    page.get_by_role("button", name="Keep the answer").click()
    expect(page.get_by_text("known answer: 4–5")).to_be_visible()
    check_page("trust-rating")
