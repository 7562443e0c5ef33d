from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from annotator.models.content import Lineup, Pair, Response
from annotator.models.people import Annotator, User
from annotator.models.projects import Project

HINDSIGHT = 2
"""The occasion of a second look, after the consequences were shown; 0 is the first, 1 a hidden repeat."""


class Assignment(models.Model):
    """A pair or a lineup lent to one annotator for a while. Open, pinned and judged ones of occasion 0 count against its cap.

    A pinned one waits for its annotator, without a time limit; whatever else they could have comes after it. ``shown`` has
    the numbers of a lineup's responses in the order in which they are shown.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        JUDGED = "judged", "Judged"
        SKIPPED = "skipped", "Skipped"
        RELEASED = "released", "Given back"
        EXPIRED = "expired", "Expired"
        PINNED = "pinned", "Pinned"

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="assignments")
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, null=True, related_name="assignments")
    lineup = models.ForeignKey(
        Lineup, on_delete=models.CASCADE, null=True, related_name="assignments", db_index=False
    )  # a partial index: most are of pairs
    annotator = models.ForeignKey(
        Annotator, on_delete=models.CASCADE, related_name="assignments", db_index=False
    )  # the index by annotator and state serves
    occasion = models.PositiveSmallIntegerField(
        default=0, help_text="0 the first look, 1 a hidden repeat, 2 with hindsight."
    )
    swapped = models.BooleanField(default=False, help_text="The pair's response B is shown on the left, as A.")
    shown = ArrayField(models.PositiveSmallIntegerField(), default=list, db_default=[], blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    lease_until = models.DateTimeField()
    chosen_by = models.CharField(max_length=20, default="coverage", help_text="Why this pair: information, repeat …")
    guess = models.FloatField(null=True, help_text="The model's P(a ≻ b) when the pair was dealt.")
    guesses = ArrayField(
        models.FloatField(),
        null=True,
        help_text="Of a lineup: the model's rewards of its responses in its own order, or its guess of the rating.",
    )
    guess_version = models.CharField(max_length=80, blank=True)
    dealt_at = models.DateTimeField(default=timezone.now)
    follows = models.ForeignKey(
        "annotator.Judgment",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="The first judgment, where this is a second look with hindsight.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(occasion=HINDSIGHT, follows__isnull=False)
                | (~Q(occasion=HINDSIGHT) & Q(follows__isnull=True)),
                name="assignment_hindsight_follows",
            ),
            models.UniqueConstraint(
                fields=["annotator", "pair", "occasion"],
                condition=Q(state__in=["open", "judged", "skipped", "pinned"]),
                name="assignment_once_per_annotator_and_pair",
            ),
            models.UniqueConstraint(
                fields=["lineup", "annotator", "occasion"],
                condition=Q(lineup__isnull=False, state__in=["open", "judged", "skipped", "pinned"]),
                name="assignment_once_per_annotator_and_lineup",
            ),
            models.CheckConstraint(
                condition=Q(pair__isnull=False, lineup__isnull=True) | Q(pair__isnull=True, lineup__isnull=False),
                name="assignment_of_a_pair_or_a_lineup",
            ),
            # The target of the judgments' composite foreign key (migration 0002): a lease is used by its holder only.
            # Migration 0012 has a trigger for those of lineups.
            models.UniqueConstraint(fields=["id", "annotator", "pair"], name="assignment_lease_identity"),
            models.CheckConstraint(condition=Q(guess__isnull=True) | Q(guess__gte=0, guess__lte=1), name="guess_is_p"),
        ]
        indexes = [
            models.Index(fields=["annotator", "state"], name="assignment_by_state"),
            models.Index(fields=["lease_until"], condition=Q(state="open"), name="assignment_lease"),
        ]

    def __str__(self) -> str:
        return f"{self.annotator} on {self.pair or self.lineup} ({self.state})"


class Judgment(models.Model):
    """What an annotator said of a pair or a lineup. Append-only: a change is a new revision, only ``current`` is ever cleared.

    ``choice`` is in the pair's own terms (``a`` is ``pair.response_a``) whatever side it was shown on; ``swapped`` keeps
    the side. ``ranking`` is an order of groups, the best first, of the numbers that the lineup's responses have in its own
    order: ``[[2], [1, 3]]``; ``shown`` keeps the order on the screen. ``rating`` is a place on ``scale``, as it was then.
    Triggers of migration 0002 refuse any other update and any delete.
    """

    class Kind(models.TextChoices):
        PAIR = "pair", "Pair"
        RANKING = "ranking", "Ranking"
        RATING = "rating", "Rating"

    class Choice(models.TextChoices):
        A = "a", _("A is better")
        B = "b", _("B is better")
        TIE = "tie", _("About equal")
        BOTH_GOOD = "both_good", _("Both good")
        BOTH_BAD = "both_bad", _("Both bad")
        SKIP = "skip", _("Skipped")
        RANKED = "ranked", _("Put in order")
        RATED = "rated", _("Rated")
        NA = "na", _("Not on this scale")

    class Source(models.TextChoices):
        PAGE = "page", "Annotate page"
        API = "api", "API"
        IMPORT = "import", "Import"
        SIMULATION = "simulation", "Simulation"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="judgments")
    annotator = models.ForeignKey(
        Annotator, on_delete=models.CASCADE, related_name="judgments", db_index=False
    )  # the unique ones begin with it
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PAIR)
    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, null=True, related_name="judgments")
    lineup = models.ForeignKey(
        Lineup, on_delete=models.CASCADE, null=True, related_name="judgments", db_index=False
    )  # a partial index, as above
    assignment = models.ForeignKey(
        Assignment, on_delete=models.CASCADE, null=True, related_name="judgments", db_constraint=False
    )
    occasion = models.PositiveSmallIntegerField(default=0)
    revision = models.PositiveSmallIntegerField(default=1)
    current = models.BooleanField(default=True)
    withdrawn = models.BooleanField(default=False, help_text="This revision takes the judgment back.")
    client_key = models.UUIDField(unique=True, help_text="Made by the client: the same key is the same judgment.")
    choice = models.CharField(max_length=10, choices=Choice)
    strength = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 slightly, 2 clearly, 3 much.")
    skip_reason = models.CharField(max_length=200, blank=True)
    swapped = models.BooleanField(default=False)
    ranking = models.JSONField(null=True, blank=True)
    rating = models.PositiveSmallIntegerField(null=True, blank=True)
    scale = models.CharField(
        max_length=5, blank=True, db_default="", default="", help_text="The rating's: its lowest and highest place."
    )
    shown = ArrayField(models.PositiveSmallIntegerField(), default=list, db_default=[], blank=True)
    seconds = models.FloatField(null=True, blank=True, help_text="Time taken, seconds.")
    page_version = models.CharField(max_length=20, blank=True)
    source = models.CharField(max_length=10, choices=Source, default=Source.PAGE)
    guess = models.FloatField(null=True, help_text="What the model had guessed before: P(a ≻ b).")
    guesses = ArrayField(models.FloatField(), null=True, help_text="The same of a lineup, as its assignment had it.")
    about = models.JSONField(default=dict, blank=True)
    judged_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["annotator", "pair", "occasion", "revision"], name="judgment_revision_once"
            ),
            models.UniqueConstraint(
                fields=["annotator", "pair", "occasion"], condition=Q(current=True), name="judgment_one_current"
            ),
            models.UniqueConstraint(
                fields=["lineup", "annotator", "occasion", "revision"],
                condition=Q(lineup__isnull=False),
                name="judgment_lineup_revision_once",
            ),
            models.UniqueConstraint(
                fields=["annotator", "lineup", "occasion"],
                condition=Q(current=True, lineup__isnull=False),
                name="judgment_one_current_of_a_lineup",
            ),
            models.CheckConstraint(
                condition=Q(kind="pair", pair__isnull=False, lineup__isnull=True)
                | Q(kind__in=["ranking", "rating"], pair__isnull=True, lineup__isnull=False),
                name="judgment_has_its_target",
            ),
            models.CheckConstraint(
                condition=Q(kind="pair", choice__in=["a", "b", "tie", "both_good", "both_bad", "skip"])
                | Q(kind="ranking", choice__in=["ranked", "skip"])
                | Q(kind="rating", choice__in=["rated", "na", "skip"]),
                name="judgment_known_choice",
            ),
            models.CheckConstraint(
                condition=Q(choice="ranked", ranking__isnull=False) | (~Q(choice="ranked") & Q(ranking__isnull=True)),
                name="judgment_ranking_fits_choice",
            ),
            models.CheckConstraint(
                condition=(Q(choice="rated", rating__isnull=False, rating__gte=0) & ~Q(scale=""))
                | (~Q(choice="rated") & Q(rating__isnull=True)),
                name="judgment_rating_fits_choice",
            ),
            models.CheckConstraint(
                condition=Q(strength__isnull=True) | (Q(choice__in=["a", "b"]) & Q(strength__gte=1, strength__lte=3)),
                name="judgment_strength_fits_choice",
            ),
            models.CheckConstraint(
                condition=Q(seconds__isnull=True) | Q(seconds__gte=0), name="judgment_time_not_negative"
            ),
            models.CheckConstraint(condition=Q(revision__gte=1), name="judgment_revision_from_one"),
        ]
        indexes = [
            models.Index(fields=["project", "id"], condition=Q(current=True), name="judgment_project_current"),
            models.Index(fields=["annotator", "id"], condition=Q(current=True), name="judgment_annotator_current"),
            models.Index(fields=["project"], condition=Q(occasion=HINDSIGHT, current=True), name="judgment_hindsight"),
        ]

    def __str__(self) -> str:
        return f"{self.annotator}: {self.choice} of {self.pair or self.lineup}"

    @property
    def decided(self) -> bool:
        """Whether it prefers one response."""
        return self.choice in (self.Choice.A, self.Choice.B) and not self.withdrawn


class Rationale(models.Model):
    """Why. ``tags`` are ``[{"tag": key, "side": "a"|"b", "good": bool}]`` in the pair's own terms, or with the number of a
    lineup's response as ``side``."""

    judgment = models.OneToOneField(Judgment, on_delete=models.CASCADE, related_name="rationale")
    text = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return self.text[:80] or ", ".join(tag["tag"] for tag in self.tags)


class Span(models.Model):
    """A marked stretch of a response's source text: code points ``start`` to ``end``, with the quote as a check."""

    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="spans")
    response = models.ForeignKey(Response, on_delete=models.CASCADE, related_name="spans")
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    quote = models.TextField()
    good = models.BooleanField()
    tag = models.CharField(max_length=40, blank=True)
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["response", "start"]
        constraints = [models.CheckConstraint(condition=Q(start__lt=F("end")), name="span_not_empty")]

    def __str__(self) -> str:
        return self.quote[:80]


class Flag(models.Model):
    """Something that the owner must see: said with a judgment or a skip, and gone with it if that is taken back."""

    class Kind(models.TextChoices):
        UNSAFE = "unsafe", _("Unsafe")
        BROKEN = "broken", _("Broken")
        PERSONAL = "personal", _("Personal data")
        OTHER = "other", _("Something else")

    class About(models.TextChoices):
        PROMPT = "prompt", _("The prompt")
        A = "a", _("Response A")
        B = "b", _("Response B")
        BOTH = "both", _("Both responses")

    judgment = models.OneToOneField(Judgment, on_delete=models.CASCADE, related_name="flag")
    kind = models.CharField(max_length=10, choices=Kind)
    about = models.CharField(
        max_length=6, choices=About, help_text="In the pair's own terms, or the number of a lineup's response."
    )
    note = models.CharField(max_length=500, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When an owner said that they had seen to it.")
    seen_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["unsafe", "broken", "personal", "other"]), name="flag_known_kind"
            ),
            models.CheckConstraint(
                condition=Q(about__in=["prompt", "a", "b", "both", *"12345678"]), name="flag_known_about"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.about})"


class Aspect(models.Model):
    """Something the owner asks about beside the choice: helpful, honest, tone … Retired ones keep what was said."""

    class Way(models.TextChoices):
        COMPARE = "compare", _("Which is better")
        RATE = "rate", _("Each on a scale")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="aspects")
    key = models.SlugField(max_length=40)
    name = models.CharField(max_length=80)
    way = models.CharField(max_length=7, choices=Way, default=Way.RATE)
    steps = models.PositiveSmallIntegerField(default=5)
    position = models.PositiveSmallIntegerField(default=0)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="aspect_once_per_project"),
            models.CheckConstraint(condition=Q(steps__gte=2, steps__lte=10), name="aspect_has_2_to_10_steps"),
            models.CheckConstraint(condition=Q(way__in=["compare", "rate"]), name="aspect_known_way"),
        ]

    def __str__(self) -> str:
        return self.name


class AspectRating(models.Model):
    """One response's rating on one aspect, 1 … steps; null is "does not apply"."""

    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="aspect_ratings")
    aspect = models.ForeignKey(Aspect, on_delete=models.CASCADE, related_name="ratings")
    response = models.ForeignKey(Response, on_delete=models.CASCADE, related_name="aspect_ratings")
    value = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["judgment", "aspect", "response"], name="aspect_rating_once"),
            models.CheckConstraint(condition=Q(value__isnull=True) | Q(value__gte=1), name="aspect_rating_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.aspect}: {self.value}"


class AspectComparison(models.Model):
    """Which of a pair's responses is better on one aspect, in the pair's own terms; ``na`` is "does not apply"."""

    judgment = models.ForeignKey(Judgment, on_delete=models.CASCADE, related_name="aspect_comparisons")
    aspect = models.ForeignKey(Aspect, on_delete=models.CASCADE, related_name="comparisons")
    choice = models.CharField(max_length=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["judgment", "aspect"], name="aspect_comparison_once"),
            models.CheckConstraint(condition=Q(choice__in=["a", "b", "tie", "na"]), name="aspect_comparison_known"),
        ]

    def __str__(self) -> str:
        return f"{self.aspect}: {self.choice}"


class AspectImportance(models.Model):
    """An annotator's order of the aspects: place 1 matters most."""

    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="importance")
    aspect = models.ForeignKey(Aspect, on_delete=models.CASCADE, related_name="+")
    place = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["annotator", "aspect"], name="importance_aspect_once"),
            models.UniqueConstraint(fields=["annotator", "place"], name="importance_place_once"),
            models.CheckConstraint(condition=Q(place__gte=1), name="importance_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.place}. {self.aspect}"
