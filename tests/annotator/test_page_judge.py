"""The judging page, plain and by htmx: what it shows, what it stores, what it says when something is wrong."""

from __future__ import annotations

import re
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.models import Annotator, Assignment, Judgment, Pair, Project, Prompt
from tests.factories import ThreePeople, login, make_people, make_project

pytestmark = pytest.mark.django_db


def address(people: ThreePeople) -> str:
    return reverse("judge", args=[people.project.slug])


def form_of(html: str) -> dict[str, str]:
    """The hidden fields of the page's form."""
    return dict(re.findall(r'<input type="hidden" name="(assignment|client_key|page_version)" value="([^"]*)">', html))


def held_of(html: str) -> str:
    """How the page names the pair that it holds."""
    return re.findall(r'data-held="([^"]+)"', html)[0]


def get_form(client: Client, people: ThreePeople) -> dict[str, str]:
    return form_of(client.get(address(people)).content.decode())


HTMX = {"HX-Request": "true"}


def test_page_shows_prompt_and_both_responses_on_their_sides(people: ThreePeople, annotator_client: Client) -> None:
    html = annotator_client.get(address(people)).content.decode()
    lent = Assignment.objects.get(annotator=people.judge)
    left, right = lent.pair.response_a.text, lent.pair.response_b.text
    if lent.swapped:
        left, right = right, left
    assert lent.pair.prompt.text in html
    assert html.index(left) < html.index(right)


def test_the_owners_instructions_are_a_click_away(db: None) -> None:
    people = make_people(make_project(pairs=1, instructions="Read **both**."))
    html = login(people.annotator).get(address(people)).content.decode()
    assert 'popovertarget="instructions"' in html
    assert "Read <strong>both</strong>." in html


def test_only_the_projects_judges_see_it(people: ThreePeople, owner_client: Client, stranger_client: Client) -> None:
    assert owner_client.get(address(people)).status_code == 200
    assert stranger_client.get(address(people)).status_code == 404
    assert Client().get(address(people)).status_code == 302


@pytest.mark.parametrize(
    ("position", "choice", "strength"),
    [("1", "left", 3), ("3", "left", 1), ("4", "tie", None), ("6", "right", 2), ("both_bad", "both_bad", None)],
)
def test_a_plain_submit_stores_the_judgment_and_goes_on(
    people: ThreePeople, annotator_client: Client, position: str, choice: str, strength: int | None
) -> None:
    form = get_form(annotator_client, people) | {
        "position": position,
        "a_good": "clear",
        "rationale": " Short. ",
        "seconds": "3.5",
    }
    reply = annotator_client.post(address(people), form)
    assert (reply.status_code, reply.url) == (302, address(people))
    judgment = Judgment.objects.get(client_key=form["client_key"])
    a_side = "right" if judgment.swapped else "left"
    stored = {"a": a_side, "b": "left" if judgment.swapped else "right"}.get(judgment.choice, judgment.choice)
    assert (stored, judgment.strength, judgment.seconds) == (choice, strength, 3.5)
    assert judgment.rationale.text == "Short."
    assert judgment.rationale.tags == [{"tag": "clear", "side": "b" if judgment.swapped else "a", "good": True}]


def test_htmx_gets_the_next_pair_in_the_same_answer(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people)
    reply = annotator_client.post(address(people), form | {"position": "2"}, headers=HTMX)
    html = reply.content.decode()
    assert reply.status_code == 200
    assert form_of(html)["assignment"] != form["assignment"]
    assert "<html" not in html
    assert 'id="today" hx-swap-oob="true"' in html
    assert "<b>1</b> of 40" in html


def test_sending_the_same_form_again_changes_nothing(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people) | {"position": "2"}
    first = annotator_client.post(address(people), form, headers=HTMX)
    second = annotator_client.post(address(people), form, headers=HTMX)
    assert Judgment.objects.count() == 1
    assert form_of(first.content.decode())["assignment"] == form_of(second.content.decode())["assignment"]


def test_a_second_tab_with_the_same_pair_is_told_and_gets_the_next(
    people: ThreePeople, annotator_client: Client
) -> None:
    one, other = get_form(annotator_client, people), get_form(annotator_client, people)
    assert one["assignment"] == other["assignment"]
    assert one["client_key"] != other["client_key"]
    annotator_client.post(address(people), one | {"position": "2"})
    reply = annotator_client.post(address(people), other | {"position": "6"})
    assert reply.status_code == 409
    assert "judged this pair already" in reply.content.decode()
    assert Judgment.objects.get().client_key == uuid.UUID(one["client_key"])


def test_nothing_chosen_shows_the_pair_again_with_what_was_entered(
    people: ThreePeople, annotator_client: Client
) -> None:
    form = get_form(annotator_client, people) | {"rationale": "I wrote this", "b_bad": "warm"}
    reply = annotator_client.post(address(people), form)
    html = reply.content.decode()
    assert reply.status_code == 422
    assert "Choose one of the seven steps" in html
    assert "I wrote this</textarea>" in html
    assert re.search(r'name="b_bad" value="warm" checked', html)
    assert not Judgment.objects.exists()


def test_htmx_gets_only_a_note_for_what_is_wrong(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people)
    reply = annotator_client.post(address(people), form | {"position": "9"}, headers=HTMX)
    assert reply.status_code == 422
    assert reply.content.decode().strip().startswith('<div class="alert neg" role="alert">')


@pytest.mark.parametrize("key", ["", "not-a-key", "\x00"])
def test_a_broken_key_is_named(people: ThreePeople, annotator_client: Client, key: str) -> None:
    form = get_form(annotator_client, people) | {"position": "2", "client_key": key}
    reply = annotator_client.post(address(people), form)
    assert reply.status_code == 422
    assert "is not the key" in reply.content.decode()


def test_a_pair_that_is_not_mine_is_not_found(
    people: ThreePeople, annotator_client: Client, owner_client: Client
) -> None:
    form = get_form(owner_client, people) | {"position": "2"}
    assert annotator_client.post(address(people), form).status_code == 404


def test_skip_is_kept_and_gives_another_pair(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people)
    reply = annotator_client.post(address(people), form | {"skip": "1"}, headers=HTMX)
    assert Judgment.objects.get().choice == "skip"
    assert form_of(reply.content.decode())["assignment"] != form["assignment"]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_undo_brings_the_pair_back_with_its_values(
    people: ThreePeople, annotator_client: Client, headers: dict[str, str]
) -> None:
    form = get_form(annotator_client, people)
    annotator_client.post(address(people), form | {"position": "6", "b_good": "warm", "rationale": "Kind"})
    undone = annotator_client.post(
        reverse("judge_undo", args=[people.project.slug]),
        {"client_key": str(uuid.uuid4())},
        headers=headers,
        follow=True,
    ).content.decode()
    assert form_of(undone)["assignment"] == form["assignment"]
    assert re.search(r'name="position" value="6" checked', undone)
    assert re.search(r'name="b_good" value="warm" checked', undone)
    assert "Kind</textarea>" in undone
    assert Judgment.objects.filter(current=True, withdrawn=False).count() == 0
    assert Judgment.objects.count() == 2


def test_a_reload_shows_the_same_pair(people: ThreePeople, annotator_client: Client) -> None:
    assert get_form(annotator_client, people)["assignment"] == get_form(annotator_client, people)["assignment"]


def test_the_end_says_so(db: None) -> None:
    people = make_people(pairs=1)
    client = login(people.annotator)
    form = get_form(client, people)
    html = client.post(address(people), form | {"position": "4"}, headers=HTMX).content.decode()
    assert "That was the last one" in html


def test_an_empty_project_says_what_is_missing(db: None) -> None:
    people = make_people(pairs=0)
    assert "Nothing to judge yet" in login(people.annotator).get(address(people)).content.decode()


def test_responses_cannot_bring_html(people: ThreePeople, annotator_client: Client) -> None:
    prompt = Prompt.objects.filter(project=people.project).first()
    assert prompt
    evil = "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) **bold**"
    prompt.messages = [{"role": "user", "content": evil}]
    prompt.save()
    Pair.objects.filter(project=people.project).exclude(prompt=prompt).update(withdrawn_at="2026-01-01T00:00Z")
    html = annotator_client.get(address(people)).content.decode()
    assert "<strong>bold</strong>" in html
    assert "<script>alert" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


def test_what_the_model_guessed_is_told_after_the_judgment_only(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people)
    Assignment.objects.filter(key=form["assignment"]).update(guess=0.78, swapped=False)
    before = annotator_client.get(address(people)).content.decode()
    assert "guessed" not in before
    after = annotator_client.post(address(people), form | {"position": "1"}, headers=HTMX).content.decode()
    assert "Your model guessed A (78 %), and so did you" in after
    assert "right 1 of the last 1" in after


def test_the_guess_is_not_told_where_the_project_does_not_want_it(db: None) -> None:
    people = make_people(make_project(pairs=2, show_guess=False))
    client = login(people.annotator)
    form = get_form(client, people)
    Assignment.objects.filter(key=form["assignment"]).update(guess=0.78)
    assert "guessed" not in client.post(address(people), form | {"position": "1"}, headers=HTMX).content.decode()


def test_a_required_reason_is_asked_for(db: None) -> None:
    people = make_people(make_project(pairs=2, rationales=Project.Rationales.REQUIRED))
    client = login(people.annotator)
    form = get_form(client, people) | {"position": "1"}
    reply = client.post(address(people), form)
    assert reply.status_code == 422
    assert "Please give a reason" in reply.content.decode()
    assert client.post(address(people), form | {"a_good": "clear"}).status_code == 302


def test_a_paused_annotator_is_told(people: ThreePeople, annotator_client: Client) -> None:
    Annotator.objects.filter(pk=people.judge.pk).update(paused_at="2026-01-01T00:00Z")
    reply = annotator_client.get(address(people))
    assert reply.status_code == 403
    page = reply.content.decode()
    assert "Nothing is asked of you now" in page
    assert "Your work in this project is paused" in page


@pytest.mark.parametrize("held", ["some", "none", ""])
def test_an_answer_of_somebody_paused_meanwhile_is_kept_and_they_are_told_once(
    people: ThreePeople, annotator_client: Client, held: str
) -> None:
    form = get_form(annotator_client, people) | {"position": "2"} | ({"ahead": held} if held else {})
    Annotator.objects.filter(pk=people.judge.pk).update(paused_at="2026-01-01T00:00Z")
    reply = annotator_client.post(address(people), form, headers=HTMX)
    assert reply.status_code == 200
    assert Judgment.objects.count() == 1
    page = reply.content.decode()
    assert page.count("Your work in this project is paused") == 1
    assert 'id="dock"' not in page
    assert ('<template id="ahead">' in page) is bool(held)


def test_the_page_asks_for_pairs_ahead_and_a_submit_brings_the_one_after_them(db: None) -> None:
    people = make_people(pairs=30)
    client = login(people.annotator)
    first_page = client.get(address(people)).content.decode()
    first = form_of(first_page)
    ahead = reverse("judge_ahead", args=[people.project.slug])
    html = client.get(f"{ahead}?held={held_of(first_page)}", headers=HTMX).content.decode()
    second = form_of(html)
    assert second["assignment"] != first["assignment"]
    assert html.strip().startswith('<template id="ahead">')
    assert get_form(client, people)["assignment"] == first["assignment"], "a reload shows what was on the screen"
    form = first | {"position": "2", "a_good": "clear", "ahead": "some", "held": [held_of(html)]}
    with CaptureQueriesContext(connection) as queries:
        reply = client.post(address(people), form, headers=HTMX).content.decode()
    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) <= 8
    third = form_of(reply)
    assert third["assignment"] not in (first["assignment"], second["assignment"])
    assert "<b>1</b> of 40" in reply
    assert get_form(client, people)["assignment"] == second["assignment"]
    assert client.get(f"{ahead}?held=x&held={uuid.uuid4()}.ff&held=.&held=-1", headers=HTMX).status_code == 200


def test_the_last_pairs_are_not_lent_ahead(people: ThreePeople, annotator_client: Client) -> None:
    page = annotator_client.get(address(people)).content.decode()
    form, held = form_of(page), held_of(page)
    ahead = reverse("judge_ahead", args=[people.project.slug])
    assert annotator_client.get(f"{ahead}?held={held}", headers=HTMX).status_code == 204
    sent = form | {"position": "2", "held": [held]}
    some = annotator_client.post(address(people), sent | {"ahead": "some"}, headers=HTMX).content.decode()
    assert "<template" not in some
    none = annotator_client.post(address(people), sent | {"ahead": "none"}, headers=HTMX).content.decode()
    assert form_of(none)["assignment"] != form["assignment"]


def test_told_of_the_guess_beside_the_pair_that_is_shown_already(db: None) -> None:
    people = make_people(pairs=30)
    client = login(people.annotator)
    form = get_form(client, people)
    Assignment.objects.filter(key=form["assignment"]).update(guess=0.78, swapped=False)
    html = client.post(address(people), form | {"position": "1", "ahead": "some"}, headers=HTMX).content.decode()
    before, after = html.split("</template>")
    assert "guessed" not in before
    assert "Your model guessed A (78 %), and so did you" in after


@pytest.mark.parametrize(("text", "status"), [("", 422), ("Too short", 422), ("Just long enough, it seems.", 302)])
def test_own_words_of_a_least_length(db: None, text: str, status: int) -> None:
    people = make_people(make_project(pairs=2, rationales=Project.Rationales.REQUIRED, rationale_min=20))
    client = login(people.annotator)
    form = get_form(client, people) | {"position": "1", "a_good": "clear", "rationale": text}
    reply = client.post(address(people), form)
    assert reply.status_code == status
    if status == 422:
        assert "at least 20 characters" in reply.content.decode()


def test_a_reason_that_is_only_bad_cannot_be_good(db: None) -> None:
    tags = [{"key": "false", "label": "Made up", "only": "bad"}]
    people = make_people(make_project(pairs=2, reason_tags=tags))
    client = login(people.annotator)
    html = client.get(address(people)).content.decode()
    assert 'name="a_good"' not in html
    assert 'name="a_bad" value="false"' in html
    form = form_of(html) | {"position": "1"}
    assert client.post(address(people), form | {"a_good": "false"}).status_code == 422
    assert client.post(address(people), form | {"a_bad": "false"}).status_code == 302


def test_submit_and_next_take_eight_queries(people: ThreePeople, annotator_client: Client) -> None:
    form = get_form(annotator_client, people) | {"position": "2", "a_good": "clear", "rationale": "Shorter."}
    with CaptureQueriesContext(connection) as queries:
        annotator_client.post(address(people), form, headers=HTMX)
    real = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(real) <= 8, real
