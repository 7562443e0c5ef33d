from __future__ import annotations

from django.db import models

from annotator.models import Job, Project, User


class Snapshot(models.Model):
    """A project's judgments frozen to a file, named by its digest: the same judgments are the same snapshot."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="snapshots")
    digest = models.CharField(max_length=64)
    path = models.CharField(max_length=255, help_text="In the artifacts storage.")
    counts = models.JSONField(default=dict, help_text="judgments, responses, annotators, ties …")
    last_judgment = models.BigIntegerField(default=0, help_text="Highest judgment id that it holds.")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="snapshot_once_per_digest")]

    def __str__(self) -> str:
        return f"snapshot {self.digest[:12]}"


class Run(Job):
    """One attempt to fit a reward model on a snapshot."""

    class Trigger(models.TextChoices):
        PERSON = "person", "Started by a person"
        EVIDENCE = "evidence", "Enough new judgments"
        FIRST = "first", "First model"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField(help_text="1, 2, 3 … within the project.")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.RESTRICT, null=True, related_name="runs")
    model_name = models.CharField(max_length=40)
    encoder = models.CharField(max_length=40)
    seed = models.PositiveIntegerField(default=0)
    options = models.JSONField(default=dict, blank=True)
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.PERSON)
    promote_when_done = models.BooleanField(default=False)
    queued_at = models.DateTimeField(null=True, blank=True, help_text="When its message was last sent.")
    metrics = models.JSONField(default=dict, blank=True)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="run_number_once_per_project")]

    def __str__(self) -> str:
        return f"run {self.number}"


class RunEvent(models.Model):
    """A line of a run's log: a step's figures, or something that happened."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    step = models.PositiveIntegerField(null=True)
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.run} at {self.step}"
