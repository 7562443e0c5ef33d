"""The loop in a browser: the tiny model writes, the pairs are looked at and put; a machine annotator is compared with people."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Judgment, Project, Role
from personalization.models import MachineAnnotator, MachineJudgment, PolicyRound
from personalization.rounds.executing import execute_round
from tests.factories import make_user
from tests.training.makers import make_tasteful_project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]


def test_a_round_is_looked_at_and_put_and_a_machine_is_compared(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    owner = make_user("olive@example.org", name="Olive Owner")
    project = make_tasteful_project(annotators=3, prompts=6, each=6, ties=0.0, name="Everyday answers")
    project.memberships.create(user=owner, role=Role.OWNER)
    page.set_default_timeout(60_000)  # a model is at work beside the browser
    sign_in(owner.email)
    page.goto(f"/projects/{project.slug}/policies/")
    page.get_by_role("link", name="Rounds").click()
    check_page("rounds-empty")
    page.get_by_label("Prompts, at most").fill("2")
    page.get_by_label("Temperatures").fill("0.7")
    page.get_by_label("Longest response, tokens").fill("120")
    page.get_by_label("Pairs with its opponent, a prompt").fill("0")
    page.get_by_label("How its responses are paired").select_option("on_policy")
    page.get_by_role("button", name="Generate", exact=True).click()
    expect(page.get_by_text("waiting since")).to_be_visible()
    execute_round(PolicyRound.objects.get().pk)
    expect(page.get_by_role("heading", name="Nobody has seen these yet")).to_be_visible(timeout=30_000)
    check_page("round-preview")
    pairs = page.get_by_role("checkbox", name="leave out").count()
    assert pairs == 2
    page.get_by_role("checkbox", name="leave out").first.check()
    page.get_by_role("button", name="Leave the ticked ones out").click()
    expect(page.get_by_role("checkbox", name="leave out")).to_have_count(1)
    page.get_by_role("button", name="to annotators").click()
    expect(page.get_by_role("button", name="Train the next policy")).to_be_visible()
    check_page("round-put")
    page.get_by_role("link", name="Rounds", exact=True).click()
    check_page("rounds")
    _compare_a_machine(page, project, check_page)


def _compare_a_machine(page: Page, project: Project, check_page: Callable[[str], None]) -> None:
    page.goto(f"/projects/{project.slug}/machines/")
    check_page("machines-empty")
    page.get_by_label("Name").fill("Follow-ups")
    page.get_by_role("button", name="Set up", exact=True).click()
    expect(page.get_by_role("button", name="Have it judge them")).to_be_visible()
    machine = MachineAnnotator.objects.get()
    for number, pair in enumerate(project.pairs.filter(judgments__in=Judgment.objects.all()).distinct()):
        MachineJudgment.objects.create(machine=machine, pair=pair, choice="ab"[number % 2], margin=0.5 - number % 2)
    page.reload()
    expect(page.get_by_role("heading", name="Contested most")).to_be_visible()
    check_page("machine")
    page.goto(f"/projects/{project.slug}/machines/")
    check_page("machines")
