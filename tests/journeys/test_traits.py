"""A person looks at what was learnt of them, corrects it by keyboard, sees what it changes, keeps it, and takes it back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Annotator, Role
from personalization.statements import stated_by
from tests.factories import make_member, make_people
from tests.training.makers import make_tasteful_project
from training.execution import execute_run
from training.registry import promote
from training.runs import start_run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_correcting_a_trait_by_keyboard(
    page: Page,
    sign_in: Callable[[str], None],
    forget_cookies: Callable[[Page], None],
    check_page: Callable[[str], None],
) -> None:
    project = make_tasteful_project(annotators=16, prompts=16, each=12, ties=0.0, name="Everyday answers")
    people = make_people(project)
    Annotator.objects.filter(project=project, user=people.annotator).delete()
    Annotator.objects.filter(project=project, ref="sim-0").update(user=people.annotator)
    Annotator.objects.filter(project=project, ref__in=["sim-0", "sim-1", "sim-2", "sim-3"]).update(simulated=False)
    run = execute_run(start_run(project=project, model_name="hybrid", doubtful="list", send=False).pk)
    assert run is not None and run.state == "done"
    promote(version=run.version)
    sign_in(people.annotator.email)
    page.goto(f"/projects/{project.slug}/me/")
    expect(page.get_by_role("heading", name="Your traits")).to_be_visible()
    check_page("profile-traits")

    ring = page.get_by_role("slider", name="Concise – detailed")
    ring.focus()
    page.keyboard.press("End")
    expect(ring).to_have_attribute("aria-valuetext", "clearly detailed")
    expect(page.get_by_text("1 change, not kept")).to_be_visible()
    expect(page.locator("#preview .whisk.score").first).to_be_visible()
    check_page("profile-traits-preview")
    assert stated_by(Annotator.objects.get(ref="sim-0", project=project).pk) == {}

    keep = page.get_by_role("button", name="Keep my correction")
    while not keep.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Your word is kept: 1 trait.")
    expect(page.get_by_text("You said on")).to_be_visible()
    page.get_by_text("The numbers, and what they mean").click()
    check_page("profile-traits-kept")

    page.get_by_role("button", name="Take it back").first.click()
    expect(page.get_by_role("status")).to_contain_text("Back to what your judgments say.")
    expect(page.get_by_text("You said on")).to_have_count(0)

    viewer = make_member(project, role=Role.VIEWER)
    forget_cookies(page)
    sign_in(viewer.email)
    page.goto(f"/projects/{project.slug}/models/doubtful/")
    expect(page.get_by_role("heading", name="Judgments that look mislabelled")).to_be_visible()
    check_page("models-doubtful")
