from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q


def only_pairs() -> list[str]:
    """The kinds of judgment that a project asks for at first."""
    return ["pair"]


def scale_ends(scale: str) -> tuple[int, int]:
    """The lowest and the highest place of a rating scale such as ``1-5``."""
    low, _, high = scale.partition("-")
    return int(low), int(high)


class Project(models.Model):  # type: ignore[django-manager-missing]  # knox is untyped
    """One collection of prompts, the people who judge them, and how they are asked to."""

    class Choosing(models.TextChoices):
        INFORMATION = "information", "What the model would learn most from"
        COVERAGE = "coverage", "Least judged first"
        LISTED = "listed", "In the order of the list"
        RANDOM = "random", "At random"

    class Rationales(models.TextChoices):
        OFF = "off", "Not asked"
        OPTIONAL = "optional", "Optional"
        REQUIRED = "required", "Always required"
        STRONG = "strong", "Required for strong preferences"

    class Looks(models.TextChoices):
        FIRST = "first", "The first judgment"
        HINDSIGHT = "hindsight", "The second, where there is one"
        BOTH = "both", "Both"

    class Scale(models.TextChoices):
        FIVE = "1-5", "1 to 5"
        SEVEN = "1-7", "1 to 7"
        TEN = "0-10", "0 to 10"

    class Consequence(models.TextChoices):
        WARN = "warn", "Tell the owners"
        PAUSE = "pause", "Give them no more pairs"
        DROP = "drop", "Leave them out of training"

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    instructions = models.TextField(blank=True, help_text="Shown to annotators; Markdown.")
    reason_tags = models.JSONField(
        default=list, help_text='[{"key": "clear", "label": "Clear", "only": ""|"good"|"bad"}]'
    )
    kinds = models.JSONField(default=only_pairs, help_text="What is asked for: pair, ranking, rating.")
    scale = models.CharField(max_length=5, choices=Scale, default=Scale.FIVE, help_text="Of ratings.")
    scale_low = models.CharField(max_length=40, blank=True, help_text="What the lowest place means.")
    scale_high = models.CharField(max_length=40, blank=True, help_text="What the highest place means.")
    critique_min = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(1000)], help_text="Characters of critique that a rating needs."
    )
    rationales = models.CharField(max_length=10, choices=Rationales, default=Rationales.OPTIONAL)
    rationale_min = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(1000)],
        help_text="Where a reason is needed: characters of own words; 0: a tag or a mark will do.",
    )
    choosing = models.CharField(max_length=12, choices=Choosing, default=Choosing.INFORMATION)
    overlap = models.PositiveSmallIntegerField(default=3, help_text="So many people are enough for a new pair.")
    overlap_cap = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="At most so many judge it, once every pair has enough; empty: no more than that.",
    )
    shared_share = models.FloatField(
        default=1.0, help_text="Random share of new pairs that ``overlap`` judge; others, one."
    )
    quota_total = models.PositiveIntegerField(null=True, blank=True, help_text="Pairs that one annotator may have.")
    quota_day = models.PositiveIntegerField(null=True, blank=True, help_text="Pairs that one annotator may have a day.")
    lease_minutes = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(24 * 60)]
    )
    daily_goal = models.PositiveSmallIntegerField(default=40)
    repeat_rate = models.FloatField(default=0.05, help_text="Share of pairs shown a second time, sides swapped.")
    gold_rate = models.FloatField(default=0.0, help_text="Share of pairs with a known answer.")
    hindsight_rate = models.FloatField(
        default=0.0, help_text="Random share of judgments that are asked again once the consequences are shown."
    )
    hindsight_trains = models.CharField(max_length=9, choices=Looks, default=Looks.FIRST)
    picture_urls = models.BooleanField(
        default=False, help_text="Pictures may be fetched from addresses that an import or the API names."
    )
    qualify_share = models.FloatField(
        null=True,
        blank=True,
        help_text="Share of the qualification pairs that must be right before anything else comes.",
    )
    gold_bar = models.FloatField(
        null=True, blank=True, help_text="Below this share of known answers something is done."
    )
    repeat_bar = models.FloatField(null=True, blank=True, help_text="The same for equal answers to hidden repeats.")
    checks_needed = models.PositiveSmallIntegerField(default=10, help_text="Checks of a kind before a bar is applied.")
    consequence = models.CharField(max_length=5, choices=Consequence, default=Consequence.WARN)
    reward_model = models.CharField(max_length=40, default="hybrid")
    encoder = models.CharField(max_length=40, default="minilm+style")
    refit_every = models.PositiveIntegerField(default=200, help_text="New judgments that start a refit; 0 is never.")
    show_guess = models.BooleanField(default=True, help_text="Tell annotators what their model had guessed.")
    show_machines = models.BooleanField(
        default=False, help_text="Tell annotators what machine annotators had said, after they have judged."
    )
    simulated = models.BooleanField(default=False, help_text="Some of its annotators are simulated.")
    source_note = models.TextField(blank=True, help_text="Where the data is from and its licence; shown with it.")
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(overlap__gte=1), name="project_overlap_at_least_one"),
            models.CheckConstraint(
                condition=Q(overlap_cap__isnull=True) | Q(overlap_cap__gte=F("overlap")),
                name="project_cap_at_least_overlap",
            ),
            models.CheckConstraint(
                condition=Q(shared_share__gte=0, shared_share__lte=1)
                & (Q(qualify_share__isnull=True) | Q(qualify_share__gt=0, qualify_share__lte=1))
                & (Q(gold_bar__isnull=True) | Q(gold_bar__gt=0, gold_bar__lte=1))
                & (Q(repeat_bar__isnull=True) | Q(repeat_bar__gt=0, repeat_bar__lte=1)),
                name="project_shares_are_shares",
            ),
            models.CheckConstraint(
                condition=Q(checks_needed__gte=1)
                & (Q(quota_total__isnull=True) | Q(quota_total__gte=1))
                & (Q(quota_day__isnull=True) | Q(quota_day__gte=1)),
                name="project_limits_at_least_one",
            ),
            models.CheckConstraint(
                condition=Q(repeat_rate__gte=0, repeat_rate__lte=0.5, gold_rate__gte=0, gold_rate__lte=0.5),
                name="project_rates_between_0_and_half",
            ),
            models.CheckConstraint(
                condition=Q(hindsight_rate__gte=0, hindsight_rate__lte=1), name="project_hindsight_rate_is_share"
            ),
            models.CheckConstraint(
                condition=Q(hindsight_trains__in=["first", "hindsight", "both"]), name="project_known_hindsight_trains"
            ),
            models.CheckConstraint(condition=Q(rationale_min__lte=1000), name="project_rationale_min_at_most_1000"),
            models.CheckConstraint(condition=Q(critique_min__lte=1000), name="project_critique_min_at_most_1000"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def scale_ends(self) -> tuple[int, int]:
        """The lowest and the highest place of the rating scale."""
        return scale_ends(self.scale)

    @property
    def tag_labels(self) -> dict[str, str]:
        """Reason tags, key to label, in the owner's order."""
        return {tag["key"]: tag["label"] for tag in self.reason_tags}

    @property
    def tag_signs(self) -> dict[str, tuple[bool, ...]]:
        """How each reason tag may be given: (True, False) as good and as bad, or only one of them."""
        signs = {"good": (True,), "bad": (False,)}
        return {tag["key"]: signs.get(tag.get("only", ""), (True, False)) for tag in self.reason_tags}
