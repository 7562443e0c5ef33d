from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from annotator.models.jobs import Job
from annotator.models.people import Annotator, User
from annotator.models.projects import Project


class Erasure(Job):
    """An annotator's deletion, or a project's: the only door through which judgments leave the database.

    The triggers let a judgment go only where the transaction names an erasure that is not over and is its annotator's or its
    project's (migration 0017). While it is at work, ``number`` says who it was in files, in which no name stands; afterwards
    nothing personal is left of it but a salted hash, by which the same person is known again in a restored backup.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="erasures")
    whole_project = models.BigIntegerField(null=True, blank=True, help_text="The project that was deleted.")
    annotator = models.ForeignKey(Annotator, on_delete=models.SET_NULL, null=True, related_name="+")
    number = models.BigIntegerField(null=True, blank=True, help_text="The annotator's id, until the end.")
    salt = models.CharField(max_length=64, blank=True)
    mark = models.CharField(max_length=64, blank=True, help_text="Salted hash of who it was.")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    by_themselves = models.BooleanField(default=False)
    reapplied = models.BooleanField(default=False, help_text="They had come back with a backup.")
    judgments = models.PositiveIntegerField(default=0, help_text="With all revisions.")
    report = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="done") | Q(number=None, annotator=None), name="erasure_ends_without_a_person"
            )
        ]

    def __str__(self) -> str:
        return f"erasure {self.key}"
