"""An owner's way with models: train one, watch it, promote it, train another, stop one, roll back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from annotator.models import Role
from annotator.services import jobs
from tests.factories import make_member, make_people
from tests.training.makers import make_tasteful_project
from training.execution import execute_run
from training.models import ModelVersion, Run, RunEvent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def test_from_no_model_to_a_roll_back(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    project = make_tasteful_project(annotators=40, each=12, reward_model="hybrid", name="Everyday answers")
    people = make_people(project)
    sign_in(people.owner.email)
    page.goto(f"/projects/{project.slug}/models/")
    expect(page.get_by_role("heading", name="No model yet")).to_be_visible()
    check_page("models-empty")

    page.get_by_label("Promote when done").check()
    page.get_by_role("button", name="Train a model").click()
    expect(page.get_by_role("heading", name="Run 1")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("Waiting")
    check_page("run-waiting")
    _show_at_work(Run.objects.get(number=1))
    expect(page.locator("#live")).to_contain_text("step 31 of 62")
    expect(page.locator("#live svg.chart")).to_be_visible()
    check_page("run-working")
    _carry_out(Run.objects.get(number=1))
    expect(page.get_by_role("link", name="Look at hybrid@1")).to_be_visible()
    expect(page.locator("[hx-get]")).to_have_count(0)
    check_page("run-done")

    page.get_by_role("link", name="Look at hybrid@1").click()
    expect(page.get_by_role("heading", name="It serves")).to_be_visible()
    expect(page.get_by_text("After 8 judgments of a newcomer it predicts")).to_be_visible()

    page.get_by_role("link", name="Models").first.click()
    page.get_by_label("Model", exact=True).select_option("bradley_terry")
    page.get_by_role("button", name="Train a model").click()
    expect(page.get_by_role("heading", name="Run 2")).to_be_visible()
    _carry_out(Run.objects.get(number=2))
    page.get_by_role("link", name="Look at bradley_terry@2").click()
    for shut in ("The figures", "What do these mean?"):
        if page.get_by_text(shut).count():
            page.get_by_text(shut).click()
    page.get_by_text("Promote …").click()
    check_page("version-promote")
    page.get_by_label("Why (kept in the history)").first.fill("to see the baseline")
    page.get_by_role("button", name="Promote bradley_terry@2").click()
    expect(page.get_by_role("status")).to_contain_text("bradley_terry@2 serves now.")
    expect(page.get_by_text("to see the baseline")).to_be_visible()

    page.get_by_role("link", name="Models").first.click()
    page.get_by_text("Settings", exact=True).click()
    page.get_by_text("mixture", exact=True).click()
    expect(page.get_by_role("cell", name="groups of people")).to_be_visible()
    check_page("models")
    page.get_by_text("Roll back to hybrid@1 …").click()
    page.get_by_role("button", name="Roll back to hybrid@1").click()
    expect(page.get_by_role("status")).to_contain_text("hybrid@1 serves again.")
    assert ModelVersion.objects.get(project=project, state="live").label == "hybrid@1"


def test_a_run_is_stopped_and_a_failed_one_tried_again(
    page: Page, sign_in: Callable[[str], None], check_page: Callable[[str], None]
) -> None:
    project = make_tasteful_project(annotators=3, prompts=4, each=4, reward_model="bradley_terry")
    people = make_people(project)
    sign_in(people.owner.email)
    page.goto(f"/projects/{project.slug}/models/")
    page.get_by_role("button", name="Train a model").click()
    page.get_by_role("button", name="Stop run").click()
    expect(page.get_by_text("It was stopped. Nothing was registered.")).to_be_visible()

    page.get_by_role("link", name="Models").first.click()
    page.get_by_role("button", name="Train a model").click()
    jobs.fail(job=_claimed(Run.objects.get(number=2)), error="The worker ran out of memory. Give it more.")
    expect(page.get_by_role("alert")).to_contain_text("ran out of memory")
    check_page("run-failed")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Run 3")).to_be_visible()


def test_without_javascript_everything_works(
    browser: object, live_server: object, forget_cookies: Callable[[Page], None]
) -> None:
    project = make_tasteful_project(annotators=3, prompts=4, each=4, reward_model="bradley_terry")
    people = make_people(project)
    viewer = make_member(project, role=Role.VIEWER)
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)  # type: ignore[attr-defined]
    page = context.new_page()
    _log_in(page, people.owner.email)
    page.goto(f"/projects/{project.slug}/models/")
    page.get_by_role("button", name="Train a model").click()
    _carry_out(Run.objects.get(number=1))
    page.reload()
    page.get_by_role("link", name="Look at bradley_terry@1").click()
    page.get_by_text("Promote …").click()
    page.get_by_role("button", name="Promote bradley_terry@1").click()
    expect(page.get_by_role("heading", name="It serves")).to_be_visible()
    forget_cookies(page)
    _log_in(page, viewer.email)
    page.goto(f"/projects/{project.slug}/models/1/")
    expect(page.get_by_text("Retire …")).to_have_count(0)
    context.close()


def _log_in(page: Page, email: str) -> None:
    from tests.factories import PASSWORD

    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def _claimed(run: Run) -> Run:
    claimed = jobs.claim(model=Run, job_id=run.pk)
    assert claimed
    return claimed


def _show_at_work(run: Run) -> None:
    """A worker has it and is half way through."""
    jobs.heartbeat(job=_claimed(run), progress={"phase": "fitting", "step": 31, "steps": 62})
    for step in range(1, 32):
        RunEvent.objects.create(run=run, step=step, data={"phase": "fitting", "attempt": 1, "loss": 0.7 - step / 200})


def _carry_out(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(state="waiting", worker="")
    done = execute_run(run.pk)
    assert done
    assert done.error == ""
