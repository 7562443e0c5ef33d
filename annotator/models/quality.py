from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from annotator.models.content import GOLD_CHOICES, Lineup, Pair
from annotator.models.people import Annotator, User
from annotator.models.projects import Project


class QualityStep(models.Model):
    """Something that was done about an annotator because of their checks, or undone by an owner. Append-only.

    ``figures`` are those of that moment. Checks up to ``last_judgment`` have had their consequence and count no more.
    """

    class What(models.TextChoices):
        WARNED = "warned", _("Owners told")
        PAUSED = "paused", _("Paused")
        DROPPED = "dropped", _("Left out of training")
        RESTORED = "restored", _("Restored")
        PASSED = "passed", _("Qualified")
        FAILED = "failed", _("Not qualified")
        AGAIN = "again", _("May try to qualify again")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="quality_steps")
    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="quality_steps")
    what = models.CharField(max_length=10, choices=What)
    figures = models.JSONField(default=dict, blank=True)
    last_judgment = models.BigIntegerField(default=0)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["annotator", "id"], name="quality_step_annotator")]

    def __str__(self) -> str:
        return f"{self.annotator}: {self.get_what_display()}"


class Adjudication(models.Model):
    """What somebody with the last word said of a contested pair or lineup; the individual judgments stay as they are.

    Append-only: a change is a new revision. An empty ``choice`` takes the decision back. Of a lineup it is ``ranked`` or
    ``rated``, with the order or the rating as ``Judgment`` has them.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="adjudications")
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, null=True, related_name="adjudications")
    lineup = models.ForeignKey(
        Lineup, on_delete=models.CASCADE, null=True, related_name="adjudications", db_index=False
    )  # the unique ones begin with it
    revision = models.PositiveSmallIntegerField(default=1)
    current = models.BooleanField(default=True)
    choice = models.CharField(max_length=10, blank=True)
    ranking = models.JSONField(null=True, blank=True)
    rating = models.PositiveSmallIntegerField(null=True, blank=True)
    scale = models.CharField(max_length=5, blank=True, db_default="", default="")
    note = models.TextField(blank=True)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["pair", "revision"], name="adjudication_revision_once"),
            models.UniqueConstraint(fields=["pair"], condition=Q(current=True), name="adjudication_one_current"),
            models.UniqueConstraint(
                fields=["lineup", "revision"],
                condition=Q(lineup__isnull=False),
                name="adjudication_lineup_revision_once",
            ),
            models.UniqueConstraint(
                fields=["lineup"],
                condition=Q(current=True, lineup__isnull=False),
                name="adjudication_one_current_of_a_lineup",
            ),
            models.CheckConstraint(
                condition=Q(pair__isnull=False, lineup__isnull=True, choice__in=["", *GOLD_CHOICES])
                | Q(pair__isnull=True, lineup__isnull=False, choice__in=["", "ranked", "rated"]),
                name="adjudication_known_choice",
            ),
            models.CheckConstraint(
                condition=Q(choice="ranked", ranking__isnull=False, rating__isnull=True)
                | Q(choice="rated", ranking__isnull=True, rating__isnull=False)
                | (~Q(choice__in=["ranked", "rated"]) & Q(ranking__isnull=True, rating__isnull=True)),
                name="adjudication_fits_choice",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pair or self.lineup}: {self.choice or 'taken back'}"


class ModelFit(models.Model):
    """How often an annotator's own model, shown a part of their judgments, guessed the others; derived, made anew.

    ``pooled_right`` of the same ``of`` judgments, by the model of everybody.
    """

    annotator = models.OneToOneField(Annotator, on_delete=models.CASCADE, related_name="model_fit")
    version = models.CharField(max_length=80)
    signature = models.CharField(max_length=80)
    right = models.PositiveIntegerField()
    pooled_right = models.PositiveIntegerField()
    of = models.PositiveIntegerField()
    computed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(right__lte=models.F("of"), pooled_right__lte=models.F("of")), name="model_fit_within"
            )
        ]

    def __str__(self) -> str:
        return f"{self.right} of {self.of} under {self.version}"


class QualityReport(models.Model):
    """A project's figures as a worker computed them, until its ``signature`` is no longer that of the judgments."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="quality_report")
    signature = models.CharField(max_length=120)
    body = models.JSONField(default=dict)
    aggregates = models.JSONField(default=dict, help_text="Pair id to what each method says of it.")
    contested = models.JSONField(
        default=list, help_text="Ids of lineups on which people part ways, the most contested first."
    )
    seconds = models.FloatField(default=0.0)
    computed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"quality of {self.project}"


class AnnotatorQuality(models.Model):
    """One annotator's figures of the same report."""

    annotator = models.OneToOneField(Annotator, on_delete=models.CASCADE, related_name="quality")
    verdict = models.CharField(max_length=12, blank=True)
    figures = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.annotator}: {self.verdict or 'too little to tell'}"
