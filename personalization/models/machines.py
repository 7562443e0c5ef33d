from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotator.models import Job, Pair, Project, User
from training.models import PolicyVersion


class MachineAnnotator(models.Model):
    """A program that says which response it thinks better. Kept apart from people: it is no ``Annotator`` and writes no ``Judgment``.

    So it is in no snapshot, agreement, quota or pay by construction. ``key`` is the judge's, encrypted
    (``personalization.machines.secret``); nobody is shown it again.
    """

    class Kind(models.TextChoices):
        FOLLOWUP = "followup", _("Follow-up likelihood")
        DENSITY = "density", _("Density ratio of two models")
        JUDGE = "judge", _("A judge behind an OpenAI-compatible address")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="machines")
    number = models.PositiveIntegerField(help_text="1, 2, 3 … within the project.")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind)
    version = models.ForeignKey(
        PolicyVersion, on_delete=models.CASCADE, null=True, related_name="+", help_text="The policy that is asked."
    )
    reference = models.ForeignKey(
        PolicyVersion, on_delete=models.CASCADE, null=True, related_name="+", help_text="What it is compared with."
    )
    base = models.CharField(max_length=255, blank=True)
    revision = models.CharField(max_length=40, blank=True)
    chat_template = models.CharField(max_length=40, blank=True)
    url = models.CharField(max_length=500, blank=True)
    model = models.CharField(max_length=200, blank=True, help_text="As the judge's endpoint calls it.")
    key = models.TextField(blank=True, help_text="Encrypted.")
    retired_at = models.DateTimeField(null=True, blank=True)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="machine_number_once"),
            models.UniqueConstraint(
                fields=["project", "name"], condition=Q(retired_at=None), name="machine_name_once_in_use"
            ),
            models.CheckConstraint(condition=Q(kind="judge") | Q(url="", key=""), name="machine_only_judges_have_urls"),
            models.CheckConstraint(condition=~Q(kind="judge") | ~Q(url=""), name="machine_judge_has_url"),
        ]

    def __str__(self) -> str:
        return self.name


class MachineRun(Job):
    """One batch of pairs that a machine annotator judges: of those that somebody has judged before it."""

    machine = models.ForeignKey(MachineAnnotator, on_delete=models.CASCADE, related_name="runs")
    most_pairs = models.PositiveIntegerField(default=200)
    judged = models.PositiveIntegerField(default=0, help_text="So many of them it has judged by now.")
    queued_at = models.DateTimeField(null=True, blank=True, help_text="When its message was last sent.")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.machine_id}"


class MachineJudgment(models.Model):
    """What a machine annotator says of a pair, in the pair's own terms. ``margin`` is reward(a) − reward(b), on its own scale.

    ``swayed``: a judge gave opposite answers in the two orders, which counts as a tie. ``problem``: why it has no opinion.
    """

    class Choice(models.TextChoices):
        A = "a", _("A is better")
        B = "b", _("B is better")
        TIE = "tie", _("About equal")
        NONE = "none", _("No opinion")

    machine = models.ForeignKey(MachineAnnotator, on_delete=models.CASCADE, related_name="judgments")
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, related_name="machine_judgments")
    choice = models.CharField(max_length=10, choices=Choice)
    margin = models.FloatField(null=True)
    swayed = models.BooleanField(default=False)
    problem = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["machine", "pair"], name="machine_judgment_once"),
            models.CheckConstraint(
                condition=Q(choice="none") & ~Q(problem="") | ~Q(choice="none") & Q(problem=""),
                name="machine_judgment_or_problem",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.machine}: {self.choice} of {self.pair}"
