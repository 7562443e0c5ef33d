"""The webhooks' pages: who may, the secret shown once, deliveries and what can be done with them."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from annotator.models import Webhook, WebhookMessage
from annotator.services.webhook_delivery import deliver_due
from annotator.services.webhooks import add_webhook, send_test
from tests.attune.scripted_server import Answer, scripted_server
from tests.factories import ThreePeople, login, make_people

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> ThreePeople:
    return make_people()


def address(name: str, people: ThreePeople, *args: object) -> str:
    return reverse(name, args=[people.project.slug, *args])


def test_the_secret_is_shown_once(people: ThreePeople) -> None:
    client = login(people.owner)
    assert "Nobody yet" in client.get(address("webhooks", people)).content.decode()
    sent = {"url": "https://example.com/hook", "events": ["run.finished", "judgment.created"]}
    page = client.post(address("webhooks", people), sent)
    hook = Webhook.objects.get()
    assert (hook.events, hook.created_by) == (["judgment.created", "run.finished"], people.owner)
    assert hook.secret in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert hook.secret not in client.get(address("webhooks", people)).content.decode()
    assert hook.secret not in client.get(address("webhook", people, hook.pk)).content.decode()
    before = hook.secret
    renewed = client.post(address("webhook_act", people, hook.pk), {"act": "renew"}).content.decode()
    hook.refresh_from_db()
    assert hook.secret != before
    assert hook.secret in renewed


def test_what_is_wrong_is_said(people: ThreePeople) -> None:
    client = login(people.owner)
    for sent, words in (
        ({"url": "http://example.com", "events": ["run.finished"]}, "must begin with https://"),
        ({"url": "https://127.0.0.1/x", "events": ["run.finished"]}, "public"),
        ({"url": "https://example.com"}, "required"),
        ({"url": "https://example.com", "events": ["nothing"]}, "nothing"),
    ):
        answer = client.post(address("webhooks", people), sent)
        assert answer.status_code == 422
        assert words in answer.content.decode()
    assert not Webhook.objects.exists()
    hook = add_webhook(project=people.project, url="https://example.com", events=["run.finished"], by=people.owner)
    assert client.post(address("webhook_act", people, hook.pk), {"act": "explode"}).status_code == 422


def test_deliveries_and_sending_again(people: ThreePeople, settings: Settings) -> None:
    settings.WEBHOOKS_PRIVATE = True
    client = login(people.owner)
    with scripted_server() as receiver:
        receiver.answers = [Answer(500, b""), Answer(204, b"")]
        hook = add_webhook(project=people.project, url=f"{receiver.url}/x", events=["run.finished"], by=people.owner)
        assert "Nothing sent yet" in client.get(address("webhook", people, hook.pk)).content.decode()
        client.post(address("webhook_act", people, hook.pk), {"act": "test"})
        assert "on its way" in client.get(address("webhook", people, hook.pk)).content.decode()
        deliver_due()
        failed = client.get(address("webhook", people, hook.pk)).content.decode()
        assert "again at" in failed
        assert "500" in failed
        message = WebhookMessage.objects.get()
        client.post(address("webhook_resend", people, hook.pk, message.pk))
        deliver_due()
    assert "delivered" in client.get(address("webhook", people, hook.pk)).content.decode()


def test_off_on_and_gone(people: ThreePeople) -> None:
    client = login(people.owner)
    hook = add_webhook(project=people.project, url="https://example.com", events=["run.finished"], by=people.owner)
    for act, off in (("disable", True), ("enable", False)):
        client.post(address("webhook_act", people, hook.pk), {"act": act})
        hook.refresh_from_db()
        assert (hook.disabled_at is not None) == off
    client.post(address("webhook_act", people, hook.pk), {"act": "remove"})
    assert not Webhook.objects.exists()


def test_nobody_else(people: ThreePeople) -> None:
    hook = add_webhook(project=people.project, url="https://example.com", events=["run.finished"], by=people.owner)
    message = send_test(webhook=hook)
    for user, status in ((people.annotator, 403), (people.stranger, 404)):
        client = login(user)
        assert client.get(address("webhooks", people)).status_code == status
        assert client.get(address("webhook", people, hook.pk)).status_code == status
        assert client.post(address("webhook_act", people, hook.pk), {"act": "remove"}).status_code == status
        assert client.post(address("webhook_resend", people, hook.pk, message.pk)).status_code == status
    elsewhere = reverse("webhook", args=[people.elsewhere.slug, hook.pk])
    assert login(people.stranger).get(elsewhere).status_code == 404  # a webhook of another project
    assert Client().get(address("webhooks", people)).status_code == 302
    assert Webhook.objects.exists()
