"""What machines had said, in a browser: after the judgment, beside the pair that is shown by then."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Assignment, User
from personalization.machines.managing import NewMachine, add_machine
from personalization.models import MachineJudgment
from tests.factories import make_people, make_project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_told_after_the_judgment_and_found_in_the_history(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = make_people(make_project(pairs=30, show_machines=True))
    names = ("Follow-ups of the base model", "Judge")
    for name, choice in zip(names, ("a", "tie"), strict=True):
        machine = add_machine(project=people.project, new=NewMachine(name=name, kind="followup"))
        for pair in people.project.pairs.all():
            MachineJudgment.objects.create(machine=machine, pair=pair, choice=choice)
    sign_in(people.annotator.email)
    page.goto(f"/projects/{people.project.slug}/judge/")
    expect(page.get_by_text("machine", exact=True)).to_have_count(0)
    first = Assignment.objects.filter(annotator__user=people.annotator).earliest("pk")
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    side = "B" if first.swapped else "A"
    told = page.locator("#dock .told .toast")
    expect(told).to_contain_text(f"Of the last pair machines had said: {names[0]}: {side} · {names[1]}: about equal")
    check_page("judge-machines-told")
    page.goto(f"/projects/{people.project.slug}/history/")
    expect(page.locator("#own")).to_contain_text(f"machines said {names[0]}: {side}")
    check_page("history-machines")
    page.goto("/account/")
    page.get_by_label("Tell me after a judgment what machine annotators had said").uncheck()
    page.get_by_role("button", name="Save").first.click()
    page.goto(f"/projects/{people.project.slug}/judge/")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("2")
    expect(page.get_by_text("machines had said")).to_have_count(0)
    User.objects.filter(pk=people.annotator.pk).update(language="it", show_machines=True)
    page.goto(f"/projects/{people.project.slug}/judge/")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#dock .told .toast")).to_contain_text("Dell’ultima coppia le macchine avevano detto")


def test_owners_see_in_the_preview_what_annotators_are_told(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = make_people(make_project(pairs=2))
    sign_in(people.owner.email)
    page.goto(f"/projects/{people.project.slug}/setup/")
    page.get_by_label("After a judgment, tell what machine annotators had said of the pair").check()
    expect(page.locator("#preview")).to_contain_text("What machine annotators had said of the pair follows it.")
    check_page("setup-machines")
