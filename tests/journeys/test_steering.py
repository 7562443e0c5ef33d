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
from training.models import PolicyTrial

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


def test_a_policy_that_follows_directions_is_asked_again(
    page: Page, people: ThreePeople, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    pairs = make_pairs(people.project, 6)
    world = World(people, pairs, make_version(people.project, responses_of(pairs)))
    judge(people.judge, pairs[0], "a")
    measured = {"detailed": 1.8, "casual": 0.9, "direct": 0.02, "example-rich": 0.5, "warm": 1.1, "bulleted": 1.5}
    metrics = {f"steer_{pole}": apart for pole, apart in measured.items()}
    policy = make_policy(people.project, metrics=metrics | {f"steer_error_{pole}": 0.2 for pole in measured})
    policy.run.settings["directions"] = 4
    policy.run.save()
    trial = answered(world, policy, ["Boil it.", "Boil it for ten minutes with vinegar, and wait for an hour."])
    page.set_default_timeout(30_000)
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/policies/1/")
    expect(page.get_by_role("heading", name="What a direction changes")).to_be_visible()
    expect(page.get_by_text("not seen")).to_have_count(1)
    check_page("policy-steered")
    page.goto(f"{where(people.project)}{trial.pk}/")
    page.locator(f"#d{ASPECTS.index('concise–detailed')}").fill("-100")
    page.get_by_role("button", name="Ask again in this direction").click()
    expect(page.get_by_text("waiting for a worker")).to_be_visible()
    spoken = PolicyTrial.objects.get(pk__gt=trial.pk)
    assert spoken.direction[ASPECTS.index("concise–detailed")] == -100
    spoken.replies.update(text="Boil it now.", begun=True, over=True, tokens=4)
    PolicyTrial.objects.filter(pk=spoken.pk).update(state="done")
    expect(page.get_by_text("Policies that read directions have answered in this one.")).to_be_visible()
    check_page("steering-spoken")
