"""Whom policies answer that read judgments: asked for in the playground, told on their replies, in both languages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Annotator, JobState, User
from tests.factories import make_people
from tests.personalization.test_policy_playground import make_policy, where
from tests.personalization.worlds import judge
from training.models import PolicyReply, PolicyTrial

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_a_reader_is_named_and_what_was_read_is_shown(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    people = make_people(pairs=3)
    judge(people.judge, people.project.pairs.earliest("pk"), "a")
    Annotator.objects.filter(pk=people.judge.pk).update(simulated=True)
    reading = make_policy(people.project)
    reading.run.settings = {**reading.run.settings, "shots": 4, "describe": "written"}
    reading.run.save()
    sign_in(people.owner.email)
    page.goto(where(people.project))
    field = page.get_by_label("Whose judgments stand in the prompt")
    field.fill("nobody")
    page.get_by_role("button", name="Ask them").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no annotator “nobody” in this project.")
    field.fill(people.judge.ref)
    page.get_by_role("button", name="Ask them").click()
    expect(page.get_by_role("heading", name="Answers")).to_be_visible()
    trial = PolicyTrial.objects.get()
    PolicyReply.objects.filter(trial=trial).update(text="Boil them.", begun=True, over=True, tokens=4, seconds=1.2)
    PolicyReply.objects.filter(trial=trial, version=reading).update(
        reader_words="likes answers that are very concise and warm"
    )
    PolicyTrial.objects.update(state=JobState.DONE)
    page.reload()
    reply = page.locator(".reply").last
    expect(reply).to_contain_text("(simulated) judged: likes answers that are very concise")
    expect(page.locator(".reply").first).not_to_contain_text("reads what")
    check_page("playground-reader")
    User.objects.filter(pk=people.owner.pk).update(language="it")
    page.get_by_label("Whose judgments stand in the prompt").fill("nobody")
    page.get_by_role("button", name="Ask them").click()
    expect(page.get_by_role("alert")).to_contain_text("In questo progetto non c’è un annotatore “nobody”.")
    check_page("playground-reader-it")
