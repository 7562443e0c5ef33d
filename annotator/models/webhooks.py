from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from annotator.models.people import User
from annotator.models.projects import Project


class Webhook(models.Model):
    """An address of the owner's that is told what happens in a project. ``secret`` signs what is sent, so it is kept."""

    class Event(models.TextChoices):
        JUDGMENT_CREATED = "judgment.created", _("A judgment, or a change of one")
        RUN_FINISHED = "run.finished", _("A run is over")
        MODEL_PROMOTED = "model.promoted", _("Another model version is live")
        QUALITY_ALERT = "quality.alert", _("Somebody's checks failed")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=500)
    secret = models.CharField(max_length=100)
    events = models.JSONField(default=list)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_why = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.url


class WebhookMessage(models.Model):
    """The outbox: one message to one webhook, written in the transaction of what it tells of.

    Judgments are told by a trigger (migration 0009), whoever writes them. ``next_at`` is null once it is delivered or
    given up. ``key`` is the same over all tries, so that the receiver knows a repetition.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="messages")
    event = models.CharField(max_length=40)
    data = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(default=timezone.now, null=True)
    delivered_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="webhook_message_due")]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"
