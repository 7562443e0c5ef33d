"""Delivering the outbox, after the specification Standard Webhooks: signed, tried again over days under the same id."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from annotator.models import Webhook, WebhookMessage
from annotator.outbound import NotAllowed, Unanswered, post
from annotator.services.audit import record
from annotator.services.webhooks import PREFIX

log = logging.getLogger(__name__)

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Between one failed try and the next, give or take a fifth: a message is given up after a little over three days."""
AT_ONCE = 8
BATCH = 64
HELD = timedelta(minutes=5)
"""A message taken by a worker that died is due again after so long."""
KEPT = timedelta(days=30)
GONE = 410

_TAKE = """
UPDATE annotator_webhookmessage SET next_at = %s, attempts = attempts + 1
WHERE id IN (SELECT m.id FROM annotator_webhookmessage m JOIN annotator_webhook w ON w.id = m.webhook_id
             WHERE m.next_at <= %s AND w.disabled_at IS NULL ORDER BY m.next_at LIMIT %s FOR UPDATE OF m SKIP LOCKED)
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try: the answer's status, or why there was none."""

    status: int | None
    error: str = ""

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def deliver_due() -> int:
    """Send what is due, several at once; of two workers each takes others. Returns how many were tried."""
    tried = 0
    while messages := _take():
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
            outcomes = list(pool.map(_send, messages))
        for message, outcome in zip(messages, outcomes, strict=True):
            _settle(message, outcome)
        tried += len(messages)
    return tried


def forget_old_messages() -> int:
    """Delete messages that are over and older than ``KEPT``. Returns how many."""
    over = WebhookMessage.objects.filter(next_at=None, created_at__lt=timezone.now() - KEPT)
    return over.delete()[0]


def body_of(message: WebhookMessage) -> bytes:
    """What is sent; the same in each try."""
    return orjson.dumps(
        {
            "type": message.event,
            "timestamp": message.created_at.astimezone(UTC).isoformat(),
            "project": message.webhook.project.slug,
            "data": message.data,
        }
    )


def headers_of(message: WebhookMessage, body: bytes, now: datetime) -> dict[str, str]:
    """Id, time of this try, and the signature over both and the body."""
    identity, stamp = f"msg_{message.key.hex}", str(int(now.timestamp()))
    return {
        "Content-Type": "application/json",
        "User-Agent": "Attune-Webhooks/1",
        "webhook-id": identity,
        "webhook-timestamp": stamp,
        "webhook-signature": sign(message.webhook.secret, identity, stamp, body),
    }


def sign(secret: str, identity: str, stamp: str, body: bytes) -> str:
    """``v1,<base64 of HMAC-SHA256(id.timestamp.body)>`` with the bytes that the secret's base64 stands for."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.new(key, f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def _take() -> list[WebhookMessage]:
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TAKE, [now + HELD, now, BATCH])
        taken = [pk for (pk,) in cursor.fetchall()]
    return list(WebhookMessage.objects.filter(pk__in=taken).select_related("webhook__project"))


def _send(message: WebhookMessage) -> Outcome:
    """One try; touches no database, as it runs in a thread of its own."""
    body = body_of(message)
    try:
        return Outcome(post(message.webhook.url, body, headers_of(message, body, timezone.now())))
    except (NotAllowed, Unanswered) as error:
        return Outcome(None, str(error)[:300])


def _settle(message: WebhookMessage, outcome: Outcome) -> None:
    now = timezone.now()
    fields: dict[str, object] = {"last_status": outcome.status, "last_error": outcome.error}
    if outcome.delivered:
        fields |= {"next_at": None, "delivered_at": now}
    else:
        fields["next_at"] = _next_try(message.attempts, now)
        log.info("webhook message %s: %s", message.key, outcome.status or outcome.error)
    with transaction.atomic():
        WebhookMessage.objects.filter(pk=message.pk).update(**fields)
        if outcome.status == GONE:
            _disable(message.webhook)


def _next_try(attempts: int, now: datetime) -> datetime | None:
    if attempts > len(WAITS):
        return None
    return now + WAITS[attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311 (spreads load, no secret)


def _disable(webhook: Webhook) -> None:
    """The receiver says that it is gone for good: send nothing more until an owner enables it again."""
    why = gettext_noop("It answered 410 Gone.")
    if Webhook.objects.filter(pk=webhook.pk, disabled_at=None).update(disabled_at=timezone.now(), disabled_why=why):
        record(project=webhook.project, by=None, what="webhook disabled", webhook=webhook.pk, why=why)
