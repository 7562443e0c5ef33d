from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotator.models import Project, User
from training.models.runs import Run


class ModelVersion(models.Model):
    """A fitted reward model. At most one per project is live; the database sees to it.

    A candidate can be pinned and promoted; a version that another has replaced is a candidate again. A retired one is
    withdrawn for good.
    """

    class State(models.TextChoices):
        CANDIDATE = "candidate", _("Candidate")
        LIVE = "live", _("Live")
        RETIRED = "retired", _("Retired")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    model_name = models.CharField(max_length=40)
    encoder = models.CharField(max_length=40)
    path = models.CharField(max_length=255, help_text="Folder in the artifacts storage.")
    digest = models.CharField(max_length=64)
    metrics = models.JSONField(default=dict)
    dissection = models.JSONField(default=dict, help_text="What moves the community, as attune.dissection writes it.")
    erased = models.PositiveIntegerField(
        default=0, help_text="People in its snapshot who were erased since it was made."
    )
    run = models.OneToOneField(Run, on_delete=models.RESTRICT, related_name="version")
    state = models.CharField(max_length=10, choices=State, default=State.CANDIDATE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="version_number_once_per_project"),
            models.UniqueConstraint(fields=["project"], condition=Q(state="live"), name="version_one_live_per_project"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """As the API pins it: ``hybrid@3``."""
        return f"{self.model_name}@{self.number}"


class Promotion(models.Model):
    """The append-only history of which version was live from when, and who made it so."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="promotions")
    version = models.ForeignKey(ModelVersion, on_delete=models.RESTRICT, null=True, related_name="promotions")
    previous = models.ForeignKey(ModelVersion, on_delete=models.RESTRICT, null=True, related_name="+")
    rolled_back = models.BooleanField(default=False, help_text="Went back to what had been replaced.")
    reason = models.CharField(max_length=200, blank=True)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.version} promoted"
