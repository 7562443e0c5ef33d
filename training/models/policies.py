from __future__ import annotations

from django.db import models
from django.db.models import Q

from annotator.models import Annotator, Job, Project, User
from attune.policies.directions import reads_directions
from training.models.registry import ModelVersion
from training.models.runs import Event, Snapshot


class Scope(models.TextChoices):
    """Whose taste a policy follows."""

    EVERYONE = "everyone", "Everyone"
    PROTOTYPE = "prototype", "A group of like-minded annotators"
    ANNOTATOR = "annotator", "One annotator"


def _scope_fits() -> Q:
    everyone = Q(scope=Scope.EVERYONE, prototype=None, annotator=None)
    group = Q(scope=Scope.PROTOTYPE, prototype__isnull=False, annotator=None)
    one = Q(scope=Scope.ANNOTATOR, prototype=None, annotator__isnull=False)
    return everyone | group | one


class Scoped(models.Model):
    """A row about everyone's, a group's or one annotator's policy. Groups are numbered from 1, the largest first."""

    scope = models.CharField(max_length=10, choices=Scope, default=Scope.EVERYONE)
    prototype = models.PositiveSmallIntegerField(null=True, blank=True)
    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, null=True, blank=True, related_name="+")

    class Meta:
        abstract = True

    @property
    def whose(self) -> str:
        """In words: everyone, group 2, or the annotator's name."""
        if self.scope == Scope.PROTOTYPE:
            return f"group {self.prototype}"
        return str(self.annotator) if self.annotator else "everyone"


class PolicyRun(Job, Scoped):
    """One attempt to train a policy on a snapshot. ``settings`` are those of ``attune.policies.settings``."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="policy_runs")
    number = models.PositiveIntegerField(help_text="1, 2, 3 … within the project.")
    snapshot = models.ForeignKey(Snapshot, on_delete=models.RESTRICT, null=True, related_name="policy_runs")
    settings = models.JSONField(default=dict, blank=True)
    groups = models.PositiveSmallIntegerField(default=3, help_text="Into how many groups annotators are parted.")
    start_from = models.ForeignKey("PolicyVersion", on_delete=models.RESTRICT, null=True, blank=True, related_name="+")
    judge = models.ForeignKey(
        ModelVersion,
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The preference model whose opinions it learns, in place of a snapshot of people's judgments.",
    )
    opinions = models.CharField(max_length=255, blank=True, help_text="Their folder in the artifacts storage.")
    queued_at = models.DateTimeField(null=True, blank=True, help_text="When its message was last sent.")
    metrics = models.JSONField(default=dict, blank=True)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="policy_run_number_once_per_project"),
            models.CheckConstraint(condition=_scope_fits(), name="policy_run_scope_fits"),
            models.CheckConstraint(
                condition=Q(judge=None, opinions="") | (Q(judge__isnull=False, snapshot=None) & ~Q(opinions="")),
                name="policy_run_opinions_are_no_judgments",
            ),
        ]

    def __str__(self) -> str:
        return f"policy run {self.number}"


class PolicyEvent(Event):
    """A line of a policy's run."""

    run = models.ForeignKey(PolicyRun, on_delete=models.CASCADE, related_name="events")

    def __str__(self) -> str:
        return f"{self.run} at {self.step}"


class PolicyVersion(Scoped):
    """A trained policy. ``members`` are the annotators of its group. A retired one is withdrawn for good."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="policies")
    number = models.PositiveIntegerField()
    members = models.JSONField(default=list, blank=True)
    base = models.CharField(max_length=255)
    path = models.CharField(max_length=255, help_text="Folder in the artifacts storage.")
    digest = models.CharField(max_length=64)
    metrics = models.JSONField(default=dict)
    notes = models.JSONField(default=list, blank=True)
    erased = models.PositiveIntegerField(
        default=0, help_text="People in its snapshot who were erased since it was made."
    )
    samples = models.JSONField(default=list, blank=True, help_text="Prompt, before, after.")
    run = models.OneToOneField(PolicyRun, on_delete=models.RESTRICT, related_name="version")
    retired = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="policy_number_once_per_project"),
            models.CheckConstraint(condition=_scope_fits(), name="policy_scope_fits"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def reads_directions(self) -> bool:
        """Whether it follows a direction that stands in its prompt."""
        return reads_directions(self.base, self.run.settings.get("directions", 0))

    @property
    def reads_judgments(self) -> bool:
        """Whether it learnt to read some judgments of whom it answers, which stand in its prompt."""
        return bool(self.run.settings.get("shots"))

    @property
    def label(self) -> str:
        """As people and the API name it: ``policy@3``."""
        return f"policy@{self.number}"
