"""Putting responses in order and rating one, in a real browser: by keyboard alone, by pointer, by touch, without JavaScript."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from annotator.models import Judgment
from annotator.services.layouts import layout_of, letters
from tests.factories import ThreePeople, make_lineup, make_people, make_project, make_prompt

pytestmark = pytest.mark.django_db(transaction=True)

ANSWERS = (
    """Thank you for writing. I am on parental leave until 3 June and will not see this message. Adaeze Nwosu is looking after
my projects (adaeze@fjordlab.example); she knows where everything stands. Anything that can wait, please send again after
3 June.""",
    """I’m away on parental leave and back on 3 June. Adaeze has my projects, so please write to her. I won’t be reading mail,
and I won’t catch up on it afterwards either.""",
    """Hello! Our family has just grown by one, so I am offline until 3 June. My colleague **Adaeze Nwosu** has kindly taken on
my projects and will be glad to help. Wish us sleep!""",
    """I am currently out of office with limited access to email. For urgent matters, please contact my team. I will respond to
your message as soon as possible upon my return. Thank you for your patience and understanding.""",
)
ASKED = "Write an out-of-office message for parental leave. I am away until 3 June and Adaeze has my projects."
TAGS = [{"key": each.lower(), "label": each} for each in ("Clear", "Complete", "Warm", "Short")]


def people_of(kind: str, **fields: Any) -> ThreePeople:
    project = make_project(name="Everyday answers", kinds=[kind], reason_tags=TAGS, **fields)
    texts = ANSWERS if kind == "ranking" else ANSWERS[:1]
    for n in range(24):
        prompt = make_prompt(project, f"{ASKED} ({n})")
        make_lineup(project, prompt=prompt, texts=[f"{text}\n\n{n}" for text in texts])
    return make_people(project)


def judge_url(people: ThreePeople) -> str:
    return f"/projects/{people.project.slug}/judge/"


def wait_for(done: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def as_seen(judgment: Judgment) -> str:
    """A stored order in the letters of its page."""
    layout = layout_of(judgment)
    names = dict(zip(layout.own, letters(len(layout.own)), strict=True))
    return " › ".join(" = ".join(sorted(names[str(n)] for n in group)) for group in judgment.ranking or ())


def test_ranking_by_keyboard_alone(
    live_server: Any, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = people_of("ranking")
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    check_page("ranking-empty")
    page.keyboard.press("Enter")
    expect(page.locator("#missing")).to_contain_text("Give every response a place first")
    page.keyboard.press("x")
    expect(page.locator("#live")).to_have_text("X: place 1 of 1")
    page.keyboard.press("w")
    check_page("ranking-begun")
    page.keyboard.press("v")
    page.keyboard.press("y")
    expect(page.locator("#order-now")).to_have_text("X › W › V › Y")
    page.keyboard.press("=")
    expect(page.locator("#live")).to_have_text("Y: place 3 of 3, tied with V")
    page.keyboard.press("w")
    expect(page.locator("#live")).to_contain_text("W picked up")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#order-now")).to_have_text("W › X › V = Y")
    page.keyboard.press("3")
    expect(page.locator("#order-now")).to_have_text("X › V = Y › W")
    page.keyboard.press("Escape")
    expect(page.locator("#order-now")).to_have_text("X › W › V = Y")
    expect(page.locator("#live")).to_have_text("W is back: place 2")
    page.keyboard.press("/")
    page.keyboard.type("v says nothing, w is warm = good")
    expect(page.locator("#order-now")).to_have_text("X › W › V = Y")
    check_page("ranking-filled")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    expect(page.locator("#live")).to_contain_text("Next: put responses in order")
    judgment = Judgment.objects.get()
    assert (judgment.kind, judgment.choice, as_seen(judgment)) == ("ranking", "ranked", "X › W › V = Y")
    assert judgment.rationale.text == "v says nothing, w is warm = good"

    page.keyboard.press("z")
    expect(page.locator("#order-now")).to_have_text("X › W › V = Y")
    page.keyboard.press("v")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    wait_for(lambda: Judgment.objects.filter(current=True, withdrawn=False).count() == 1)
    assert as_seen(Judgment.objects.get(current=True)) == "V › X › W › Y"
    page.keyboard.press("s")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    wait_for(lambda: Judgment.objects.filter(choice="skip", skip_reason="language").exists())
    page.keyboard.press("?")
    check_page("ranking-keys")


def test_rating_by_keyboard_alone(
    live_server: Any, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = people_of("rating", scale="1-7", scale_low="useless", scale_high="perfect", critique_min=12)
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    check_page("rating")
    page.keyboard.press("Enter")
    expect(page.locator("#missing")).to_contain_text("Choose a place on the scale first")
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    expect(page.locator("#missing")).to_contain_text("The critique needs at least 12 characters; there are 0")
    page.keyboard.press("q")
    page.keyboard.press("/")
    page.keyboard.type("Warm, but 3 lines too long")
    check_page("rating-filled")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    judgment = Judgment.objects.get()
    assert (judgment.kind, judgment.choice, judgment.rating, judgment.scale) == ("rating", "rated", 6, "1-7")
    assert judgment.rationale.tags == [{"tag": "clear", "side": "1", "good": True}]
    page.keyboard.press("z")
    expect(page.locator('input[name="rating"][value="6"]')).to_be_checked()
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    wait_for(lambda: Judgment.objects.filter(current=True, choice="na").exists())
    page.keyboard.press("?")
    check_page("rating-keys")


def drag(page: Page, what: str, onto: str, *, share: float) -> None:
    """Take a card by its grip to a share of the height of another element, once nothing moves any more."""
    page.wait_for_timeout(300)
    grip = page.locator(f'.rank-card[data-side="{what}"] .grip').bounding_box()
    target = page.locator(onto).bounding_box()
    assert grip
    assert target
    page.mouse.move(grip["x"] + 8, grip["y"] + 8)
    page.mouse.down()
    page.mouse.move(target["x"] + 40, target["y"] + target["height"] * share, steps=6)
    page.mouse.up()


def test_ranking_by_pointer(
    live_server: Any, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = people_of("ranking")
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    for each in "xwvy":
        page.locator(f'.rank-card[data-side="{each}"]').get_by_role("button", name="Place next").click()
    expect(page.locator("#order-now")).to_have_text("X › W › V › Y")
    page.evaluate("scrollTo(0, 0)")
    drag(page, "w", '.rank-card[data-side="x"]', share=0.1)
    expect(page.locator("#order-now")).to_have_text("W › X › V › Y")
    drag(page, "x", '.rank-card[data-side="w"]', share=0.5)
    expect(page.locator("#order-now")).to_have_text("W = X › V › Y")
    page.get_by_role("button", name="Move Y up").click()
    expect(page.locator("#order-now")).to_have_text("W = X › Y › V")
    page.get_by_role("button", name="Tie Y with the one above").click()
    expect(page.locator("#order-now")).to_have_text("W = X = Y › V")
    page.get_by_role("button", name="Take X out of the order").click()
    expect(page.locator("#order-now")).to_have_text("W = Y › V")
    page.locator(".send").click()
    expect(page.locator("#missing")).to_contain_text("Give every response a place first")
    page.locator('.rank-card[data-side="x"]').get_by_role("button", name="Place next").click()
    page.locator('.rank-card[data-side="x"] summary').click()
    page.locator('.rank-card[data-side="x"] .reason .p').first.click()
    page.reload()
    expect(page.locator("#order-now")).to_have_text("W = Y › V › X")
    check_page("ranking-draft")
    page.locator(".send").click()
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    judgment = Judgment.objects.get()
    assert as_seen(judgment) == "W = Y › V › X"
    assert [tag["good"] for tag in judgment.rationale.tags] == [True]


def test_on_a_phone(live_server: Any, browser: Browser, sign_in: Callable[[str], None], page: Page) -> None:
    people = people_of("ranking")
    sign_in(people.annotator.email)
    state = page.context.storage_state()
    phone = browser.new_context(
        base_url=live_server.url,
        storage_state=state,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    touched = phone.new_page()
    touched.goto(judge_url(people))
    for each in "ywxv":
        touched.locator(f'.rank-card[data-side="{each}"]').get_by_role("button", name="Place next").tap()
    expect(touched.locator("#order-now")).to_have_text("Y › W › X › V")
    touched.evaluate("""() => {
        const grip = document.querySelector('.rank-card[data-side="w"] .grip');
        const from = grip.getBoundingClientRect();
        const to = document.querySelector('.rank-card[data-side="y"]').getBoundingClientRect();
        const fire = (type, target, x, y) => target.dispatchEvent(new PointerEvent(type, { bubbles: true, cancelable: true, pointerId: 7, pointerType: "touch", button: 0, clientX: x, clientY: y }));
        fire("pointerdown", grip, from.left + 5, from.top + 5);
        fire("pointermove", document, from.left + 5, to.top + to.height / 2);
        fire("pointermove", document, from.left + 5, to.top + 4);
        fire("pointerup", document, from.left + 5, to.top + 4);
    }""")
    expect(touched.locator("#order-now")).to_have_text("W › Y › X › V")
    touched.locator(".dock .send").tap()
    expect(touched.locator("#today")).to_contain_text("1 of 40 today")
    assert as_seen(Judgment.objects.get()) == "W › Y › X › V"
    phone.close()


def test_without_scripts(live_server: Any, browser: Browser, sign_in: Callable[[str], None], page: Page) -> None:
    people = people_of("ranking")
    sign_in(people.annotator.email)
    plain = browser.new_context(
        base_url=live_server.url, storage_state=page.context.storage_state(), java_script_enabled=False
    )
    bare = plain.new_page()
    bare.goto(judge_url(people))
    for each, place in (("v", "3"), ("w", "1"), ("x", "1"), ("y", "2")):
        bare.get_by_label(f"Place of {each.upper()}").select_option(place)
    expect(bare.locator(".grip").first).to_be_hidden()
    bare.locator(".send").click()
    expect(bare.locator("#today")).to_contain_text("1 of 40 today")
    assert as_seen(Judgment.objects.get()) == "W = X › Y › V"
    plain.close()


def test_a_lost_connection_loses_no_ranking(live_server: Any, page: Page, sign_in: Callable[[str], None]) -> None:
    people = people_of("ranking")
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    page.wait_for_timeout(600)

    def cut(route: Route) -> None:
        route.abort()

    page.route("**/judge/", cut)
    for key in "vwxy":
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator("#save")).to_contain_text("1 waiting")
    expect(page.locator("#order-now")).to_have_text("nothing placed yet")
    page.unroute("**/judge/", cut)
    page.evaluate("dispatchEvent(new Event('online'))")
    wait_for(lambda: Judgment.objects.count() == 1)
    assert as_seen(Judgment.objects.get()) == "V › W › X › Y"


def test_rating_by_pointer_on_a_phone(
    live_server: Any, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = people_of("rating", scale="0-10", scale_low="useless", scale_high="perfect")
    sign_in(people.annotator.email)
    page.goto(judge_url(people))
    check_page("rating-ten")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator('.scale label:has(input[value="10"])').click()
    page.locator(".dock .why").click()
    page.locator("#why-text").fill("Nothing is missing.")
    page.locator(".dock .send").click()
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    assert (Judgment.objects.get().rating, Judgment.objects.get().rationale.text) == (10, "Nothing is missing.")


def test_the_owner_sets_kinds_up(
    live_server: Any, page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = people_of("ranking")
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/setup/")
    page.get_by_label("to rate one response, with a critique").check()
    page.get_by_label("The lowest means").fill("useless")
    expect(page.locator(".mini-scale")).to_contain_text("useless")
    check_page("setup-kinds")
    page.get_by_role("button", name="Save changes").first.click()
    expect(page.locator("#kinds")).to_contain_text("96 responses to rate")
    page.goto(f"/projects/{people.project.slug}/lineups/")
    check_page("lineups")
    page.get_by_role("link", name="out-of-office").first.click()
    check_page("lineup")
    page.get_by_role("button", name="Withdraw it").click()
    expect(page.get_by_role("button", name="Deal it again")).to_be_visible()
