from __future__ import annotations

from django.db import models

from annotator.models import Job, Judgment, Project, User


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

    class Doubtful(models.TextChoices):
        """What a run does with judgments that look mislabelled (``attune.strength``)."""

        KEEP = "keep", "Taken as they are"
        LIST = "list", "Looked for and listed"
        SOFTEN = "soften", "Listed, and counted as ties"
        FLIP = "flip", "Listed, and turned round"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField(help_text="1, 2, 3 … within the project.")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.RESTRICT, null=True, related_name="runs")
    model_name = models.CharField(max_length=40)
    encoder = models.CharField(max_length=40)
    seed = models.PositiveIntegerField(default=0)
    options = models.JSONField(default=dict, blank=True)
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.PERSON)
    doubtful = models.CharField(max_length=10, choices=Doubtful, default=Doubtful.KEEP)
    promote_when_done = models.BooleanField(default=False)
    queued_at = models.DateTimeField(null=True, blank=True, help_text="When its message was last sent.")
    metrics = models.JSONField(default=dict, blank=True)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="run_number_once_per_project")]

    def __str__(self) -> str:
        return f"run {self.number}"


class Doubt(models.Model):
    """A judgment that looks mislabelled to models which had not seen it, though they had its author's others."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="doubts")
    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="+")
    opposite = models.FloatField(help_text="The probability that they give to the opposite.")
    spread = models.FloatField(help_text="Standard deviation of their votes, in log-odds.")

    class Meta:
        ordering = ["-opposite", "id"]
        constraints = [models.UniqueConstraint(fields=["run", "judgment"], name="doubt_once_per_run")]

    def __str__(self) -> str:
        return f"judgment {self.judgment_id} in {self.run}"


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
