from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotator.models import Annotator, Job, Judgment, Project, User


class Snapshot(models.Model):
    """A project's judgments frozen to a file, known by its digest: the same judgments are the same snapshot.

    Its rows never change, but for one thing: who is erased goes out of it (decision 11), and it has another digest then.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="snapshots")
    name = models.CharField(max_length=80, blank=True, help_text="What people call it; empty: only its digest.")
    digest = models.CharField(max_length=64)
    as_of = models.DateTimeField(null=True, blank=True, help_text="The moment it holds; empty: when it was made.")
    filters = models.JSONField(default=dict, blank=True, help_text="As training.filters reads them.")
    erased = models.JSONField(
        default=list, blank=True, help_text="Who went out: {at, was: digest, judgments}, nameless."
    )
    path = models.CharField(max_length=255, help_text="In the artifacts storage.")
    counts = models.JSONField(default=dict, help_text="judgments, responses, annotators, ties …")
    last_judgment = models.BigIntegerField(default=0, help_text="Highest judgment id that it holds.")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Two that differed only in somebody who was erased are equal afterwards, and both stay.
            models.UniqueConstraint(
                fields=["project", "digest"], condition=Q(erased=[]), name="snapshot_once_per_digest"
            ),
            models.UniqueConstraint(fields=["project", "name"], condition=~Q(name=""), name="snapshot_name_once"),
        ]

    def __str__(self) -> str:
        return self.name or _("snapshot %(digest)s") % {"digest": self.digest[:12]}

    @property
    def moment(self) -> datetime:
        """Whose judgments it holds: those that stood then."""
        return self.as_of or self.created_at

    @property
    def only(self) -> list[tuple[str, str]]:
        """Its filters, to be read."""
        return [(name, ", ".join(each) if isinstance(each, list) else each) for name, each in self.filters.items()]


class SnapshotPerson(models.Model):
    """Whose judgments a snapshot holds, so that nobody has to be looked for in files."""

    snapshot = models.ForeignKey(Snapshot, on_delete=models.CASCADE, related_name="people")
    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="in_snapshots")
    judgments = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "annotator"], name="snapshot_person_once")]

    def __str__(self) -> str:
        return f"{self.annotator} in {self.snapshot}"


class Run(Job):
    """One attempt to fit a reward model on a snapshot."""

    class Trigger(models.TextChoices):
        PERSON = "person", _("Started by a person")
        EVIDENCE = "evidence", _("Enough new judgments")
        FIRST = "first", _("First model")

    class Doubtful(models.TextChoices):
        """What a run does with judgments that look mislabelled (``attune.strength``)."""

        KEEP = "keep", _("Taken as they are")
        LIST = "list", _("Looked for and listed")
        SOFTEN = "soften", _("Listed, and counted as ties")
        FLIP = "flip", _("Listed, and turned round")
        MARGIN = "margin", _("Listed, and all aimed at with a margin")

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


class Event(models.Model):
    """A line of a run's log: a step's figures, or something that happened. Whose it is, each kind says in ``run``."""

    at = models.DateTimeField(auto_now_add=True)
    step = models.PositiveIntegerField(null=True)
    data = models.JSONField(default=dict)

    class Meta:
        abstract = True
        ordering = ["id"]


class RunEvent(Event):
    """A line of a reward model's run."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")

    def __str__(self) -> str:
        return f"{self.run} at {self.step}"
