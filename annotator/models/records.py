from __future__ import annotations

from django.db import models

from annotator.models.jobs import Job
from annotator.models.judging import Assignment
from annotator.models.people import User
from annotator.models.projects import Project


class IdempotencyRecord(models.Model):
    """The stored answer to one write, kept in the write's own transaction, so that a retry gets the same answer."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    route = models.CharField(max_length=200)
    payload_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once_per_user")]

    def __str__(self) -> str:
        return self.key


class ImportBatch(Job):
    """A file being read into a project: first looked at, then written as a whole or not at all."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=255)
    path = models.CharField(max_length=255, help_text="In the uploads storage.")
    skip_bad = models.BooleanField(default=False)
    in_parts = models.BooleanField(default=False, help_text="Written part by part, each for good.")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} into {self.project}"


class ImportMark(models.Model):
    """How far a file that is imported in parts has come: written with each part, gone with the last."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=64, help_text="sha256 of the file and of how it is read.")
    rows = models.PositiveBigIntegerField(default=0)
    report = models.JSONField(default=dict)
    rejected = models.BinaryField(default=b"", help_text="Rejected rows so far, as their file will have them.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="import_mark_once")]

    def __str__(self) -> str:
        return f"{self.rows} rows of {self.key[:12]}"


class Draft(models.Model):
    """What an annotator has entered but not submitted, so that a reload or another device finds it."""

    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, related_name="draft")
    values = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"draft of {self.assignment}"


class AuditEntry(models.Model):
    """Who did what to a project, for its owners: invites, tokens, promotions, exports, withdrawals."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="audit")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    what = models.CharField(max_length=60)
    about = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.what} by {self.by}"
