"""Steering the answers of policies by hand: the order follows the sliders at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from attune.direction import ASPECTS
from tests.factories import ThreePeople
from tests.personalization.conftest import World
from tests.personalization.test_policy_playground import answered, make_policy, where
from tests.personalization.worlds import judge, make_pairs, make_version, responses_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_the_order_follows_a_slider(
    page: Page, people: ThreePeople, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    pairs = make_pairs(people.project, 6)
    world = World(people, pairs, make_version(people.project, responses_of(pairs)))
    judge(people.judge, pairs[0], "a")
    long = "Boil it for ten minutes with vinegar, wait for an hour, and then rinse it well with cold water."
    trial = answered(world, make_policy(people.project), ["Boil it.", long])
    page.set_default_timeout(30_000)
    sign_in(people.owner.email)
    page.goto(f"{where(people.project)}{trial.pk}/")
    expect(page.get_by_role("heading", name="Steer")).to_be_visible()
    check_page("steering")
    slider = page.locator(f"#d{ASPECTS.index('concise–detailed')}")
    first = page.locator("[data-directed] li").first
    slider.fill("100")
    expect(first).to_contain_text("Z")
    slider.fill("-100")
    expect(first).to_contain_text("Y")
    assert f"d{ASPECTS.index('concise–detailed')}=-100" in page.url
