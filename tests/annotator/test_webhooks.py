"""Webhooks: told in the event's own transaction, signed, tried again under one id, and never into our own network."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from annotator.models import AuditEntry, Judgment, Project, Webhook, WebhookMessage
from annotator.outbound import NotAllowed, check_url, post
from annotator.services.standing import drop_annotator
from annotator.services.webhook_delivery import WAITS, deliver_due, forget_old_messages
from annotator.services.webhooks import add_webhook, tell
from tests.annotator.api import Program, refused
from tests.attune.scripted_server import Answer, Scripted, scripted_server
from tests.factories import ThreePeople
from training.models import Run

pytestmark = pytest.mark.django_db
Event = Webhook.Event


@pytest.fixture
def receiver() -> Iterator[Scripted]:
    with scripted_server() as script:
        script.answers = [Answer(204, b"")]
        yield script


@pytest.fixture
def private(settings: Settings) -> None:
    settings.WEBHOOKS_PRIVATE = True


@pytest.fixture
def webhook(people: ThreePeople, receiver: Scripted, private: None) -> Webhook:
    return add_webhook(project=people.project, url=f"{receiver.url}/hook", events=Event.values, by=people.owner)


def judge(people: ThreePeople, source: str = "page", **fields: Any) -> Judgment:
    pair = people.project.pairs.earliest("pk")
    return Judgment.objects.create(
        project=people.project,
        annotator=people.judge,
        pair=pair,
        choice="a",
        client_key=uuid4(),
        source=source,
        **fields,
    )


# --- the outbox -----------------------------------------------------------------------------------------------------


def test_a_judgment_is_told_in_its_own_transaction(people: ThreePeople, webhook: Webhook) -> None:
    with transaction.atomic():
        judge(people)
        assert WebhookMessage.objects.exists()
        transaction.set_rollback(True)
    assert not WebhookMessage.objects.exists()
    judgment = judge(people, strength=2)
    message = WebhookMessage.objects.get()
    assert (message.event, message.webhook) == ("judgment.created", webhook)
    assert message.data == {
        "id": judgment.pk,
        "annotator": people.judge.ref,
        "pair": judgment.pair_id,
        "choice": "a",
        "strength": 2,
        "swapped": False,
        "repeat": False,
        "hindsight": False,
        "revision": 1,
        "withdrawn": False,
        "source": "page",
    }


def test_imports_and_other_projects_are_not_told(people: ThreePeople, webhook: Webhook) -> None:
    judge(people, "import")
    Webhook.objects.update(project=people.elsewhere)
    Judgment.objects.filter(source="import").update(current=False)
    judge(people, revision=2)
    assert not WebhookMessage.objects.exists()


def test_the_end_of_a_run_a_promotion_and_a_failed_check(people: ThreePeople, webhook: Webhook) -> None:
    run = Run.objects.create(project=people.project, number=4, model_name="hybrid", encoder="style")
    Run.objects.filter(pk=run.pk).update(state="running")
    Run.objects.filter(pk=run.pk).update(state="failed", error="No room.")
    Run.objects.filter(pk=run.pk).update(error="Still none.")
    drop_annotator(annotator=people.judge, by=people.owner, figures={"gold": [1, 9]})
    ended, alert = WebhookMessage.objects.all()
    assert (ended.event, ended.data) == (
        "run.finished",
        {"run": 4, "state": "failed", "model": "hybrid", "error": "No room.", "version": None},
    )
    assert (alert.event, alert.data["annotator"], alert.data["what"]) == ("quality.alert", people.judge.ref, "dropped")


def test_only_what_is_wanted_and_only_while_enabled(people: ThreePeople, webhook: Webhook) -> None:
    Webhook.objects.update(events=[Event.RUN_FINISHED])
    judge(people)
    tell(project=people.project, event=Event.MODEL_PROMOTED, data={})
    assert not WebhookMessage.objects.exists()
    Webhook.objects.update(events=Event.values, disabled_at=timezone.now())
    tell(project=people.project, event=Event.MODEL_PROMOTED, data={})
    assert not WebhookMessage.objects.exists()


# --- delivery -------------------------------------------------------------------------------------------------------


def test_what_arrives_is_signed(people: ThreePeople, webhook: Webhook, receiver: Scripted) -> None:
    judge(people)
    assert deliver_due() == 1
    (asked,) = receiver.asked
    identity, stamp = asked.headers["webhook-id"], asked.headers["webhook-timestamp"]
    secret = base64.b64decode(webhook.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(secret, f"{identity}.{stamp}.".encode() + asked.body, hashlib.sha256).digest())
    assert asked.headers["webhook-signature"] == f"v1,{expected.decode()}"
    assert (asked.json["type"], asked.json["project"]) == ("judgment.created", people.project.slug)
    message = WebhookMessage.objects.get()
    assert (message.delivered_at is not None, message.next_at, message.last_status) == (True, None, 204)
    assert deliver_due() == 0


def test_tried_again_over_days_under_the_same_id(people: ThreePeople, webhook: Webhook, receiver: Scripted) -> None:
    receiver.answers = [
        Answer(500, b""),
        Answer(cut=True),
        Answer(301, b"", {"Location": receiver.url}),
        Answer(503, b""),
    ]
    judge(people)
    waits = []
    for _ in range(20):
        before = timezone.now()
        if not deliver_due():
            break
        message = WebhookMessage.objects.get()
        if message.next_at:
            waits.append(message.next_at - before)
            WebhookMessage.objects.update(next_at=timezone.now())
    assert len(receiver.asked) == len(WAITS) + 1
    assert len({asked.headers["webhook-id"] for asked in receiver.asked}) == 1
    assert len({asked.body for asked in receiver.asked}) == 1
    for wait, planned in zip(waits, WAITS, strict=True):
        assert planned * 0.79 < wait < planned * 1.21 + timedelta(seconds=5)
    assert sum(WAITS, timedelta(0)) > timedelta(days=3)
    message = WebhookMessage.objects.get()
    assert (message.next_at, message.delivered_at, message.last_status) == (None, None, 503)


def test_410_disables(people: ThreePeople, webhook: Webhook, receiver: Scripted) -> None:
    receiver.answers = [Answer(410, b"")]
    judge(people)
    deliver_due()
    webhook.refresh_from_db()
    assert (webhook.disabled_at is not None, webhook.disabled_why) == (True, "It answered 410 Gone.")
    assert AuditEntry.objects.filter(what="webhook disabled").count() == 1
    WebhookMessage.objects.update(next_at=timezone.now())
    assert deliver_due() == 0


def test_one_that_hangs_does_not_lose_the_others(people: ThreePeople, webhook: Webhook, receiver: Scripted) -> None:
    away = add_webhook(
        project=people.project, url="http://127.0.0.1:9/", events=[Event.JUDGMENT_CREATED], by=people.owner
    )
    judge(people)
    assert deliver_due() == 2
    assert len(receiver.asked) == 1
    assert "Unanswered" not in away.messages.get().last_error
    assert "Connect" in away.messages.get().last_error


def test_a_worker_that_died_holds_a_message_for_minutes_only(people: ThreePeople, webhook: Webhook) -> None:
    from annotator.services import webhook_delivery

    judge(people)
    assert len(webhook_delivery._take()) == 1
    assert deliver_due() == 0
    WebhookMessage.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    assert deliver_due() == 1


def test_old_ones_are_forgotten(people: ThreePeople, webhook: Webhook) -> None:
    judge(people)
    WebhookMessage.objects.update(created_at=timezone.now() - timedelta(days=31))
    assert forget_old_messages() == 0  # not delivered yet
    WebhookMessage.objects.update(next_at=None)
    assert forget_old_messages() == 1


# --- only out -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://example.org/",
            "ftp://example.org/",
            "https://",
            "https://user:pw@example.org/",
            "https://example.org/ x",
        ),
        *("https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/", "https://169.254.169.254/latest/meta-data/"),
        *("https://[::ffff:127.0.0.1]/", "https://[fd00::1]/", "https://0.0.0.0/", "https://[64:ff9b::7f00:1]/"),
        *(
            "https://[2002:7f00:1::]/",
            "https://localhost/",
            "https://db.internal/",
            "https://224.0.0.1/",
            "https://x:99999/",
        ),
        "https://example.org/" + "x" * 500,
    ],
)
def test_addresses_that_no_webhook_may_have(url: str) -> None:
    with pytest.raises(NotAllowed):
        check_url(url)


def test_public_addresses_are_fine() -> None:
    for url in ("https://example.org/hook?x=1", "https://93.184.216.34:8443/", "https://[2606:2800:220:1::1]/"):
        check_url(url)


def test_a_name_that_points_inside_is_refused_when_asked(monkeypatch: pytest.MonkeyPatch, receiver: Scripted) -> None:
    """One public address among the answers does not help; and what is connected to is what was looked at."""
    port = int(receiver.url.rpartition(":")[2])

    def resolve(*_: Any, **__: Any) -> list[Any]:
        addresses = ["93.184.216.34", "127.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(NotAllowed, match=r"127\.0\.0\.1 is not a public address"):
        post(f"https://rebinding.example.org:{port}/", b"{}", {})
    assert not receiver.asked


def test_redirects_are_not_followed(private: None, receiver: Scripted) -> None:
    receiver.answers = [Answer(302, b"", {"Location": f"{receiver.url}/inside"})]
    assert post(f"{receiver.url}/hook", b"{}", {}) == 302
    assert len(receiver.asked) == 1


# --- set up ---------------------------------------------------------------------------------------------------------


def test_set_up_through_the_api(people: ThreePeople, receiver: Scripted, private: None) -> None:
    owner = Program(people.owner, people.project)
    body = {"url": f"{receiver.url}/hook", "events": ["run.finished"]}
    made = owner.ok("POST", "/webhooks", body, status=201)
    assert made["secret"].startswith("whsec_")
    where = f"/webhooks/{made['id']}"
    assert "secret" not in owner.ok("GET", where)
    assert owner.ok("PATCH", where, {"enabled": False})["enabled"] is False
    assert owner.ok("PATCH", where, {"enabled": True, "events": ["judgment.created"]})["events"] == ["judgment.created"]
    assert owner.ok("POST", f"{where}/secret")["secret"] != made["secret"]
    test = owner.ok("POST", f"{where}/test", status=201)
    deliver_due()
    assert json.loads(receiver.asked[0].body)["type"] == "test"
    (row,) = owner.ok("GET", f"{where}/messages")["results"]
    assert (row["id"], row["last_status"], row["attempts"]) == (test["id"], 204, 1)
    assert owner.ok("POST", f"{where}/messages/{row['id']}/again")["delivered_at"] is None
    deliver_due()
    assert [asked.headers["webhook-id"] for asked in receiver.asked] == [row["id"]] * 2
    refused(owner.send("POST", f"{where}/messages/msg_nonsense/again"), 404)
    assert owner.send("DELETE", where).status_code == 204
    assert owner.ok("GET", "/webhooks")["results"] == []
    assert made["secret"] not in json.dumps(list(AuditEntry.objects.values_list("about", flat=True)))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://127.0.0.1/", "events": ["run.finished"]}, "url"),
        ({"url": "https://example.org/", "events": []}, "events"),
        ({"url": "https://example.org/", "events": ["everything"]}, "events.0"),
    ],
)
def test_webhooks_that_can_not_be(people: ThreePeople, body: Any, field: str) -> None:
    refused(Program(people.owner, people.project).send("POST", "/webhooks", body), 422, field)


def test_telling_costs_no_query_of_the_judgments_own(people: ThreePeople, webhook: Webhook) -> None:
    """The trigger does it; without webhooks it finds none by an index."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname = 'attune_tell_judgment'")
        assert cursor.fetchone() == (1,)
    Project.objects.filter(pk=people.project.pk).update(slug="renamed")
    judge(people)
    assert WebhookMessage.objects.count() == 1
