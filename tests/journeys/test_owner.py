"""An owner's way: a project, a file looked at and imported, an invitation, a new person judging, an export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from annotator.imports.batches import run_batch
from annotator.models import ImportBatch, Judgment, Membership, Role, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = [
    {"prompt": f"Question {number}: tea or coffee?", "responses": ["**Tea**, at four.", "Coffee, always.", "Water."]}
    for number in range(12)
]
BROKEN = {"prompt": "Half a pair", "responses": ["Alone", ""]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*ROWS, BROKEN]))
    return path


def test_from_an_empty_account_to_an_export(
    page: Page,
    browser: Browser,
    live_server: Any,
    sign_in: Callable[[str], None],
    check_page: Callable[[str], None],
    file: Path,
) -> None:
    make_user("owner@example.org", name="Olive Owner")
    sign_in("owner@example.org")

    page.get_by_role("link", name="New project").first.click()
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_label("Name")).to_be_focused()
    expect(page.locator(".err").first).to_contain_text("required")
    check_page("owner-new-refused")
    page.get_by_label("Name").fill("Tea and coffee")
    page.get_by_text("Writing style").click()
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_role("heading", name="No pairs in this project yet")).to_be_visible()
    check_page("owner-empty")

    page.get_by_role("link", name="Import pairs").click()
    page.get_by_label("Choose a file").set_input_files(file)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("1 row has a problem")).to_be_visible()
    check_page("owner-import-look")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    check_page("owner-import-waiting")
    run_batch(batch_id=ImportBatch.objects.get().pk)
    expect(page.get_by_text("Added 12 prompts, 36 responses, 36 pairs.")).to_be_visible()
    check_page("owner-import-done")

    page.get_by_role("link", name="Set-up").click()
    page.get_by_role("link", name="People").click()
    page.get_by_label("Note to yourself").fill("for Nora")
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Invitation link").input_value()
    expect(page.get_by_text("for Nora")).to_be_visible()
    check_page("owner-people-link")

    join_and_judge(browser, live_server.url, link)
    page.reload()
    expect(page.get_by_role("row", name="Nora New").first).to_be_visible()

    page.get_by_role("link", name="Data").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download Judgments as JSONL").click()
    [row] = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert row["preference"] in "ab"
    assert row["annotator"] != "Nora New"


def join_and_judge(browser: Browser, base: str, link: str) -> None:
    """Somebody else, in a browser of their own, without a mouse."""
    context = browser.new_context(base_url=base)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(link)
    expect(page.get_by_role("heading", name="Tea and coffee")).to_be_visible()
    page.get_by_label("Your name").fill("Nora New")
    page.get_by_label("Email").fill("nora@example.org")
    page.get_by_label("Choose a password").fill("seven quiet herons")
    page.get_by_label("Attune may learn my preferences").press("Space")
    page.get_by_role("button", name="Join").press("Enter")
    page.wait_for_url("**/judge/")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator(".toast, .today")).not_to_have_count(0)
    page.wait_for_function("document.querySelector('#main') !== null")
    user = User.objects.get(email="nora@example.org")
    assert Membership.objects.get(user=user).role == Role.ANNOTATOR
    expect(page.locator("#live, .toast").first).to_be_attached()
    page.wait_for_timeout(300)
    assert Judgment.objects.filter(annotator__user=user).count() == 1
    context.close()


def test_without_scripts(browser: Browser, live_server: Any, file: Path) -> None:
    """The same acts by plain forms: every answer is a whole page."""
    make_user("owner@example.org", name="Olive Owner")
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill("owner@example.org")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.goto("/projects/new/")
    page.get_by_label("Name").fill("Plain")
    page.get_by_role("button", name="Make the project").click()
    page.get_by_role("link", name="Import pairs").click()
    page.get_by_label("Choose a file").set_input_files(file)
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name="Import", exact=True).click()
    run_batch(batch_id=ImportBatch.objects.get().pk)
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_text("Added 12 prompts")).to_be_visible()
    page.goto("/projects/plain/setup/")
    page.get_by_label("Instructions for annotators").fill("Read *both*.")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview em")).to_have_text("both")
    page.get_by_role("button", name="Save changes").first.click()
    expect(page.get_by_text("1 setting saved")).to_be_visible()
    page.goto("/projects/plain/people/")
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_label("Invitation link")).to_have_value(
        f"{live_server.url}/join/" + page.get_by_label("Invitation link").input_value().split("/join/")[1]
    )
    context.close()
