"""A question beside the pairs: it comes, is answered or passed over, and judging goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Annotator, Project
from personalization import questions
from personalization.models import TraitStatement
from tests.factories import make_people
from tests.training.makers import make_tasteful_project
from training.execution import execute_run
from training.registry import promote
from training.runs import start_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_answering_and_passing_over(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "QUESTION_SECONDS", 1e-3)  # a script reads a pair in no time
    project = make_tasteful_project(
        annotators=16, prompts=16, each=12, ties=0.0, name="Everyday answers", choosing=Project.Choosing.INFORMATION
    )
    people = make_people(project)
    run = execute_run(start_run(project=project, model_name="hybrid", send=False).pk)
    assert run is not None and run.state == "done"
    promote(version=run.version)
    anna = Annotator.objects.get(project=project, user=people.annotator)

    sign_in(people.annotator.email)
    page.goto(f"/projects/{project.slug}/judge/")
    card = page.locator(".question")
    expect(card).to_contain_text("do you like answers more")
    check_page("judge-question")
    card.get_by_role("button", name="Much more").first.click()
    expect(card).to_have_count(0)
    expect(page.locator("#prompt")).to_be_focused()
    first = TraitStatement.objects.get(annotator=anna)
    assert first.asked and first.value == -1.0

    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("1 of 40 today")
    card.get_by_role("button", name="I can’t say").click()
    expect(card).to_have_count(0)
    assert TraitStatement.objects.filter(annotator=anna).exclude(trait=first.trait).get().value is None
    page.reload()
    expect(page.locator("#dock")).to_be_visible()
    expect(card).to_have_count(0)

    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("2 of 40 today")
    expect(card).to_be_visible()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_contain_text("3 of 40 today")
    expect(card).to_have_count(0)  # its time is over
