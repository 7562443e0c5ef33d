"""What a screen reader gets of the judging page, whatever is judged: headings, landmarks, names, languages, news."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Response
from tests.factories import ThreePeople, make_lineup, make_pair, make_people, make_project, make_prompt
from tests.pictures import pictured

pytestmark = pytest.mark.django_db(transaction=True)

ARABIC = ("كيف أسلق البيض؟", "## اغلِ الماء أولاً\n\nثم أنزل البيض برفق.")
WENT_ON = [{"role": "user", "content": "Thanks!"}, {"role": "assistant", "content": "You are welcome."}]
TAGS = [{"key": "clear", "label": "Clear"}]
HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4")].filter((each) => each.checkVisibility())
    .map((each) => [Number(each.tagName[1]), each.textContent.trim()])"""


def pairs() -> ThreePeople:
    project = make_project(name="Eggs", reason_tags=TAGS)
    for _ in range(24):
        make_pair(project, prompt=make_prompt(project, ARABIC[0]), a=ARABIC[1], b=ARABIC[1].replace("اغلِ", "سخّن"))
    return make_people(project)


def lineups(kind: str) -> ThreePeople:
    project = make_project(name="Eggs", reason_tags=TAGS, kinds=[kind])
    for _ in range(24):
        make_lineup(
            project, texts=["## Ten\n\nAt least.", "Six minutes.", "Cold water first."][: 3 if kind == "ranking" else 1]
        )
    return make_people(project)


def replies() -> ThreePeople:
    project = make_project(name="Eggs", reason_tags=TAGS)
    for _ in range(24):
        pair = make_pair(project)
        Response.objects.filter(pk__in=[pair.response_a_id, pair.response_b_id]).update(after=WENT_ON)
    return make_people(project)


def pictures() -> ThreePeople:
    project = make_project(name="Signs", reason_tags=TAGS)
    for _ in range(6):
        pair = make_pair(project, a="A red loaf", b="A blue oven")
        pictured(pair.response_a, "firebrick")
        pictured(pair.response_b, "navy")
    return make_people(project)


def second_looks() -> ThreePeople:
    project = make_project(name="Advice", reason_tags=TAGS, hindsight_rate=1.0)
    for _ in range(24):
        pair = make_pair(project)
        Response.objects.filter(pk__in=[pair.response_a_id, pair.response_b_id]).update(consequence="It went well.")
    return make_people(project)


def second_orders() -> ThreePeople:
    project = make_project(name="Advice", reason_tags=TAGS, kinds=["ranking"], hindsight_rate=1.0)
    for _ in range(12):
        Response.objects.filter(pk__in=make_lineup(project, 3).responses).update(consequence="It went well.")
    return make_people(project)


AGAIN = r"A second look, with what came of following each response\.( 1 of 40 today)?"
CASES: dict[str, tuple[Callable[[], ThreePeople], str, str, str]] = {
    "pair": (pairs, "Which response is better?", "2", r"Next pair\.( 1 of 40 today)?"),
    "ranking": (
        lambda: lineups("ranking"),
        "Put the responses in order",
        "wxy",
        r"Next: put responses in order\.( 1 of 40 today)?",
    ),
    "rating": (lambda: lineups("rating"), "Rate the response", "4", r"Next: rate a response\.( 1 of 40 today)?"),
    "replies": (replies, "Which response is better?", "2", r"Next pair\.( 1 of 40 today)?"),
    "pictures": (pictures, "Which response is better?", "2", r"Next pair\.( 1 of 40 today)?"),
    "hindsight": (second_looks, "Which response is better?", "2", AGAIN),
    "second-order": (second_orders, "Put the responses in order", "wxy", AGAIN),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_is_told(
    case: str, live_server: Any, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    make, title, keys, news = CASES[case]
    people = make()
    sign_in(people.annotator.email)
    page.goto(f"/projects/{people.project.slug}/judge/")
    page.wait_for_load_state("networkidle")
    in_order(page, title)
    for landmark in ("banner", "main", "form"):
        expect(page.get_by_role(landmark)).to_have_count(1)  # type: ignore[arg-type]
    expect(page.get_by_role("form", name="Your judgment")).to_be_visible()
    expect(page.get_by_role("region", name="Conversation")).to_be_visible()
    tree = page.locator("body").aria_snapshot()
    named_once(tree)
    NAMES[case](page, tree)
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator("#live[role=status]")).to_have_text(re.compile(rf"^{news}$"))
    expect(page.locator("#prompt")).to_be_focused()
    in_order(page, title)
    check_page(f"next-{case}")
    page.keyboard.press("z")
    expect(page.locator("#live")).to_have_text("The one before. 0 of 40 today")


def in_order(page: Page, title: str) -> None:
    """The page's title first, and no level left out on the way down."""
    levels = [level for level, _ in page.evaluate(HEADINGS)]
    words = [text for _, text in page.evaluate(HEADINGS)]
    assert (levels[0], words[0], levels.count(1)) == (1, title, 1)
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels


def named_once(tree: str) -> None:
    """Controls have names, and keys are no part of them."""
    names = re.findall(r"- (?:button|radio|checkbox|textbox|link|combobox)(?: \"(.*?)\")?(?= |:|$)", tree, re.MULTILINE)
    assert names
    assert all(names), tree
    assert not [name for name in names if re.search(r"(^/|[↵⇧/]$| [A-Z0-9]$)", name) and "Place next" not in name], (
        names
    )


def of_a_pair(page: Page, tree: str) -> None:
    for each in ("A", "B"):
        expect(page.get_by_role("article", name=f"Response {each}")).to_be_visible()
        expect(page.get_by_role("group", name=f"Reasons about {each}", exact=True)).to_be_visible()
        expect(page.get_by_role("group", name=f"{each}: Clear").get_by_role("checkbox", name="good")).to_have_count(1)
    for name in ("A much better", "About equal", "B much better", "Both good", "Both bad"):
        expect(page.get_by_role("radio", name=name, exact=True)).to_have_count(1)
    expect(page.get_by_role("textbox", name="In your own words", exact=True)).to_be_visible()
    assert 'link "Eggs"' in tree or 'link "Signs"' in tree or 'link "Advice"' in tree, "no slash in the project’s name"


def in_arabic(page: Page, tree: str) -> None:
    of_a_pair(page, tree)
    content = page.locator(".resp .md, .prompt .now")
    expect(content).to_have_count(3)
    for each in content.all():
        expect(each).to_have_attribute("lang", "ar")
        assert each.evaluate("(each) => getComputedStyle(each).direction") == "rtl"
    prompt, article = page.locator(".prompt .now").bounding_box(), page.locator(".resp").last.bounding_box()
    assert prompt and article
    assert abs((prompt["x"] + prompt["width"]) - (article["x"] + article["width"])) < 2, "it begins at the right edge"


def of_a_ranking(page: Page, tree: str) -> None:
    expect(page.get_by_role("region", name="Not placed yet", exact=True)).to_be_visible()
    expect(page.get_by_role("list", name="The order so far")).to_have_count(1)
    for each in "WXY":
        expect(page.get_by_role("listitem", name=f"Response {each}")).to_be_visible()
        expect(page.get_by_role("button", name=f"Place next {each}")).to_be_visible()
    expect(page.get_by_role("textbox", name="Why this order?", exact=True)).to_be_visible()
    expect(page.locator(".resp .md").first).to_have_attribute("lang", "")


def of_a_rating(page: Page, tree: str) -> None:
    expect(page.get_by_role("article", name="Response", exact=True)).to_be_visible()
    expect(page.get_by_role("group", name="Clear", exact=True)).to_be_visible()
    expect(page.get_by_role("radio", name="Not on this scale", exact=True)).to_have_count(1)
    expect(page.get_by_role("textbox", name="Critique", exact=True)).to_be_visible()
    assert "Y:" not in tree and "Marked in" not in tree, "the one response needs no letter"


def of_replies(page: Page, tree: str) -> None:
    of_a_pair(page, tree)
    assert "How it went on" in tree
    assert [each.text_content() for each in page.locator(".after dt").all()] == ["User", "Assistant"]


def of_pictures(page: Page, tree: str) -> None:
    of_a_pair(page, tree)
    expect(page.get_by_role("img", name="A red loaf")).to_be_visible()
    expect(page.get_by_role("img", name="A blue oven")).to_be_visible()
    expect(page.get_by_role("group", name="Zoom, the same for both pictures")).to_be_visible()


NAMES: dict[str, Callable[[Page, str], None]] = {
    "pair": in_arabic,
    "ranking": of_a_ranking,
    "rating": of_a_rating,
    "replies": of_replies,
    "pictures": of_pictures,
    "second-order": of_a_ranking,
    "hindsight": of_a_pair,
}
