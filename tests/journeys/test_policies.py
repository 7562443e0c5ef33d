"""Policies in a browser: a run that a real process carried out, its diagnostics, and the playground that asks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings

from annotator.models import Role
from personalization.scorer import client
from tests.factories import make_user
from tests.personalization.scorer_server import running_scorer
from tests.training.makers import make_tasteful_project, make_version
from training.models import PolicyTrial, Scope
from training.policy_execution import execute_policy_run
from training.policy_runs import start_policy_run
from training.policy_speaking import execute_trial
from training.registry import promote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

QUICK = {"epochs": 2, "samples": 2}


def test_a_policy_is_looked_at_and_asked(
    page: Page,
    sign_in: Callable[[str], None],
    check_page: Callable[[str], None],
    settings: Settings,
    tmp_path: Path,
) -> None:
    owner = make_user("olive@example.org", name="Olive Owner")
    project = make_tasteful_project(annotators=4, prompts=30, each=30, ties=0.0, name="Everyday answers")
    project.memberships.create(user=owner, role=Role.OWNER)
    promote(version=make_version(project))
    everyone = execute_policy_run(start_policy_run(project=project, by=owner, chosen=QUICK, send=False).pk)
    assert everyone is not None
    assert not everyone.error
    annotator = project.annotators.order_by("pk").last()
    personal = start_policy_run(
        project=project, by=owner, scope=Scope.ANNOTATOR, annotator=annotator, chosen=QUICK, send=False
    )
    execute_policy_run(personal.pk)

    sign_in(owner.email)
    page.goto(f"/projects/{project.slug}/policies/")
    check_page("policies")
    page.get_by_role("link", name="Run 1", exact=True).click()
    expect(page.get_by_role("heading", name="Diagnostics")).to_be_visible()
    check_page("policy-run")
    page.get_by_role("link", name="Look at policy@1").click()
    check_page("policy")

    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_role("checkbox", name="policy@2")).to_be_checked()
    check_page("policy-playground")
    page.get_by_label("Prompt", exact=True).fill("How do I descale a kettle?")
    page.get_by_role("button", name="Ask them").click()
    expect(page.get_by_text("waiting for a worker")).to_be_visible()
    check_page("policy-playground-waiting")
    with running_scorer(tmp_path) as url:
        settings.SCORER_URL = url
        execute_trial(PolicyTrial.objects.get().pk)
        expect(page.get_by_role("heading", name="Who would like which best")).to_be_visible()
        expect(page.get_by_role("button", name="Stop")).to_be_hidden()
        expect(page.locator(".reply")).to_have_count(3)
        check_page("policy-playground-answered")
        client.connections(url).close()
        client.connections.cache_clear()
