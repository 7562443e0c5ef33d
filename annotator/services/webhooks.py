"""Webhooks: set up by owners, told of what happens by an outbox that is written in the same transaction."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Mapping

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotator.errors import Conflict, Invalid
from annotator.models import Project, User, Webhook, WebhookMessage
from annotator.outbound import NotAllowed, check_url
from annotator.services.audit import record

PREFIX = "whsec_"
MOST = 20
"""Webhooks of one project."""


def add_webhook(*, project: Project, url: str, events: Collection[str], by: User) -> Webhook:
    """A new webhook with a secret of its own. Raises ``Invalid`` with ``fields``, ``Conflict`` where there are enough."""
    _check(url=url, events=events)
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if project.webhooks.count() >= MOST:
            raise Conflict(_("The project has %(most)s webhooks already; remove one first.") % {"most": MOST})
        webhook = Webhook.objects.create(
            project=project, url=url, events=_ordered(events), secret=_secret(), created_by=by
        )
        record(project=project, by=by, what="webhook added", webhook=webhook.pk, url=url, events=webhook.events)
    return webhook


def change_webhook(
    *,
    webhook: Webhook,
    by: User,
    url: str | None = None,
    events: Collection[str] | None = None,
    enabled: bool | None = None,
) -> None:
    """Change what is given. Enabling one again sends what it has missed since it was disabled. Raises ``Invalid``."""
    _check(url=webhook.url if url is None else url, events=webhook.events if events is None else events)
    with transaction.atomic():
        if url is not None:
            webhook.url = url
        if events is not None:
            webhook.events = _ordered(events)
        if enabled is not None:
            webhook.disabled_at = None if enabled else webhook.disabled_at or timezone.now()
            webhook.disabled_why = "" if enabled else webhook.disabled_why or gettext_noop("by its owner")
        webhook.save(update_fields=["url", "events", "disabled_at", "disabled_why"])
        record(
            project=webhook.project,
            by=by,
            what="webhook changed",
            webhook=webhook.pk,
            url=webhook.url,
            events=webhook.events,
            enabled=webhook.disabled_at is None,
        )


def renew_secret(*, webhook: Webhook, by: User) -> str:
    """Another secret, which signs from now on."""
    with transaction.atomic():
        webhook.secret = _secret()
        webhook.save(update_fields=["secret"])
        record(project=webhook.project, by=by, what="webhook secret renewed", webhook=webhook.pk)
    return webhook.secret


def remove_webhook(*, webhook: Webhook, by: User) -> None:
    """Tell it nothing more; what was not delivered yet never is."""
    with transaction.atomic():
        record(project=webhook.project, by=by, what="webhook removed", webhook=webhook.pk, url=webhook.url)
        webhook.delete()


def tell(*, project: Project, event: Webhook.Event, data: Mapping[str, object]) -> None:
    """Put a message to each webhook that wants the event into the outbox. Call it in the transaction of the event."""
    wanting = Webhook.objects.filter(project=project, disabled_at=None, events__contains=[event.value])
    WebhookMessage.objects.bulk_create(
        WebhookMessage(webhook=webhook, event=event.value, data=dict(data)) for webhook in wanting
    )


def send_test(*, webhook: Webhook) -> WebhookMessage:
    """A message that says it is only a test."""
    return WebhookMessage.objects.create(webhook=webhook, event="test", data={"message": "This is a test."})


def send_again(*, message: WebhookMessage, by: User) -> None:
    """Try a message once more now, under the same id, and then as often as a new one."""
    with transaction.atomic():
        WebhookMessage.objects.filter(pk=message.pk).update(next_at=timezone.now(), attempts=0, delivered_at=None)
        record(project=message.webhook.project, by=by, what="webhook message sent again", message=str(message.key))


def _check(*, url: str, events: Collection[str]) -> None:
    fields = {}
    try:
        check_url(url)
    except NotAllowed as error:
        fields["url"] = f"{error}."
    known = Webhook.Event.values
    if unknown := sorted(set(events) - set(known)):
        fields["events"] = _("“%(unknown)s” is not one of %(known)s.") % {
            "unknown": unknown[0],
            "known": ", ".join(known),
        }
    elif not events:
        fields["events"] = _("Choose at least one.")
    if fields:
        raise Invalid(_("The webhook can’t be set up so."), fields=fields)


def _ordered(events: Collection[str]) -> list[str]:
    return [event for event in Webhook.Event.values if event in events]


def _secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
