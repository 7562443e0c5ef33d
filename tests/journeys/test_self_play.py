"""Self-play in a browser: the tiny model writes, a general preference model judges, the next policy learns, and every page says from whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Role
from personalization.models import PolicyRound
from personalization.rounds.executing import execute_round
from tests.factories import make_user
from tests.training.makers import make_tasteful_project
from training.execution import execute_run
from training.models import ModelVersion, PolicyRun, Run
from training.policy_execution import execute_policy_run
from training.registry import promote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]


def test_a_policy_plays_against_itself(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    owner = make_user("olive@example.org", name="Olive Owner")
    project = make_tasteful_project(annotators=3, prompts=6, each=6, ties=0.0, name="Everyday answers")
    project.memberships.create(user=owner, role=Role.OWNER)
    fitted = Run.objects.create(project=project, number=1, model_name="gpm", options={"steps": 20}, encoder="style")
    execute_run(fitted.pk)
    promote(version=ModelVersion.objects.get(run=fitted))
    page.set_default_timeout(60_000)  # a model is at work beside the browser
    sign_in(owner.email)
    page.goto(f"/projects/{project.slug}/policies/rounds/")
    page.get_by_label("Prompts, at most").fill("3")
    page.get_by_label("Temperatures").fill("1")
    page.get_by_label("Longest response, tokens").fill("120")
    page.get_by_label("Pairs with its opponent, a prompt").fill("0")
    page.get_by_label("How its responses are paired").select_option("nash")
    check_page("self-play-new")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("waiting since")).to_be_visible()
    execute_round(PolicyRound.objects.get().pk)
    expect(page.get_by_role("heading", name="Self-play")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("a model’s opinions, not judgments of people")).to_be_visible()
    check_page("self-play-round")
    page.get_by_label("Method").select_option("sppo")
    page.get_by_role("button", name="Train the next policy from these opinions").click()
    expect(page.get_by_role("heading", name="Policy run 1")).to_be_visible()
    execute_policy_run(PolicyRun.objects.get().pk)
    page.get_by_role("link", name="Look at policy@1").click()
    expect(page.get_by_text("Learnt from a model’s opinions, not from judgments of people")).to_be_visible()
    check_page("self-play-policy")
    page.goto(f"/projects/{project.slug}/policies/")
    expect(page.get_by_text("opinions of gpm@1").first).to_be_visible()
    check_page("self-play-policies")
    page.goto(f"/projects/{project.slug}/policies/rounds/1/")
    page.get_by_role("link", name="The next round, with policy@1").click()
    expect(page.get_by_label("How its responses are paired")).to_have_value("nash")
