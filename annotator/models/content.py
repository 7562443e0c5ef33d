from __future__ import annotations

import random
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from annotator.models.projects import Project

GOLD_CHOICES = ("a", "b", "tie", "both_good", "both_bad")
"""What can be right of a pair, in its own terms."""
NO_CAP = 32_767
"""The cap of a gold pair: everybody may get it."""
MAX_TEXT = 200_000
"""Code points that one prompt or response may have."""


def random_order() -> int:
    """A place in a fixed random order of pairs."""
    return random.getrandbits(31)


class Prompt(models.Model):
    """What was asked: a conversation as ``[{"role", "content"}]``, the last turn being the person's."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts")
    ref = models.CharField(max_length=200, help_text="The owner's id for it, or the start of its digest.")
    messages = models.JSONField()
    text = models.TextField(help_text="The conversation flattened, as encoders read it.")
    digest = models.CharField(max_length=64)
    topic = models.CharField(max_length=200, blank=True)
    about = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "ref"], name="prompt_ref_once_per_project"),
            models.CheckConstraint(condition=~Q(text=""), name="prompt_not_empty"),
        ]
        # Files may name a prompt by what it says; see annotator.imports.texts.
        indexes = [models.Index(fields=["project", "digest"], name="prompt_by_digest")]

    def __str__(self) -> str:
        return self.text[:80]


class Picture(models.Model):
    """An image in our own store, checked and written anew, named by the digest of what is stored: ``3f….png``."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="pictures")
    name = models.CharField(max_length=80)
    width = models.PositiveIntegerField(help_text="Pixels.")
    height = models.PositiveIntegerField(help_text="Pixels.")
    size = models.PositiveIntegerField(help_text="Bytes.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="picture_once_per_project"),
            models.CheckConstraint(condition=Q(width__gte=1, height__gte=1), name="picture_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name


class Response(models.Model):
    """One answer to a prompt. ``digest`` is ``attune.encoders.content_digest(prompt.text, text)``.

    Where it is a picture, ``text`` says in words what it shows: for people who can't see it, and for encoders.
    """

    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="responses")
    ref = models.CharField(max_length=200)
    text = models.TextField()
    digest = models.CharField(max_length=64, db_index=True)
    source = models.CharField(max_length=200, blank=True, help_text="Which model or person wrote it; never shown.")
    picture = models.ForeignKey(Picture, on_delete=models.PROTECT, null=True, blank=True, related_name="responses")
    after = models.JSONField(default=list, blank=True, help_text="How the conversation went on: messages.")
    consequence = models.TextField(blank=True, help_text="What came of following it; shown for a second look only.")
    about = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["prompt", "ref"], name="response_ref_once_per_prompt"),
            models.CheckConstraint(condition=~Q(text=""), name="response_not_empty"),
        ]

    def __str__(self) -> str:
        return self.text[:80]


class Pair(models.Model):
    """Two responses to one prompt, the older first; which side each is shown on belongs to the assignment.

    ``taken`` counts the assignments that are open or judged. A trigger keeps it (see migration 0002) and a check holds
    it at or below ``cap``, so that no code path can give a pair to too many people. Pairs below ``target`` come first.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="pairs")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="pairs")
    response_a = models.ForeignKey(Response, on_delete=models.CASCADE, related_name="+")
    response_b = models.ForeignKey(Response, on_delete=models.CASCADE, related_name="+")
    cap = models.PositiveSmallIntegerField(default=3)
    target = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Enough people; empty: as many as the cap."
    )
    taken = models.PositiveSmallIntegerField(default=0, editable=False)
    shuffle = models.IntegerField(default=random_order, help_text="Place in a fixed random order.")
    gold_choice = models.CharField(max_length=10, blank=True, help_text="The known answer, if it is a gold pair.")
    qualifying = models.BooleanField(default=False, help_text="A gold pair that is asked before anything else.")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["response_a", "response_b"], name="pair_once"),
            models.CheckConstraint(
                condition=Q(target__isnull=True) | Q(target__gte=1, target__lte=F("cap")), name="pair_target_within_cap"
            ),
            models.CheckConstraint(condition=Q(qualifying=False) | ~Q(gold_choice=""), name="pair_qualifying_is_gold"),
            models.CheckConstraint(condition=Q(response_a__lt=F("response_b")), name="pair_older_response_first"),
            models.CheckConstraint(condition=Q(taken__lte=F("cap")), name="pair_taken_within_cap"),
            models.CheckConstraint(condition=Q(gold_choice__in=["", *GOLD_CHOICES]), name="pair_known_gold_choice"),
        ]
        indexes = [
            models.Index(
                fields=["project", "taken", "shuffle"],
                condition=Q(withdrawn_at__isnull=True, taken__lt=F("cap")),
                name="pair_open",
            ),
            models.Index(fields=["project", "shuffle"], name="pair_by_shuffle"),
            models.Index(fields=["project", "shuffle"], condition=~Q(gold_choice=""), name="pair_gold"),
        ]

    def __str__(self) -> str:
        return f"pair {self.pk}"


class Lineup(models.Model):
    """Responses to one prompt that are judged together: 3 to 8 that are put in order, or one that is rated.

    ``responses`` are their ids, the oldest first: the lineup's own order, in which they are numbered from 1. In which order
    somebody saw them belongs to the assignment. Slots are counted as those of pairs are (migration 0012).
    """

    class Kind(models.TextChoices):
        RANKING = "ranking", "Ranking"
        RATING = "rating", "Rating"

    KNOWN: ClassVar[Q] = Q(gold_ranking__isnull=False) | Q(gold_low__isnull=False)
    """``gold``, for the database."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="lineups")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="lineups")
    kind = models.CharField(max_length=10, choices=Kind)
    responses = ArrayField(models.BigIntegerField())
    cap = models.PositiveSmallIntegerField(default=3)
    target = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Enough people; empty: as many as the cap."
    )
    taken = models.PositiveSmallIntegerField(default=0, editable=False)
    shuffle = models.IntegerField(default=random_order, help_text="Place in a fixed random order.")
    gold_ranking = models.JSONField(null=True, blank=True, help_text="The known order, as ``Judgment.ranking`` has it.")
    gold_low = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The lowest rating that is right.")
    gold_high = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The highest one.")
    gold_scale = models.CharField(max_length=5, blank=True, db_default="", default="", help_text="The scale of these.")
    qualifying = models.BooleanField(
        default=False, db_default=False, help_text="One with a known answer that is asked before anything else."
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["responses"], name="lineup_once"),
            models.CheckConstraint(
                condition=Q(gold_low__isnull=True, gold_high__isnull=True, gold_scale="")
                | (Q(kind="rating", gold_low__isnull=False, gold_high__gte=F("gold_low")) & ~Q(gold_scale="")),
                name="lineup_gold_rating_is_a_range",
            ),
            models.CheckConstraint(
                condition=Q(gold_ranking__isnull=True) | Q(kind="ranking"), name="lineup_gold_order_of_a_ranking"
            ),
            models.CheckConstraint(
                condition=Q(qualifying=False) | Q(gold_ranking__isnull=False) | Q(gold_low__isnull=False),
                name="lineup_qualifying_is_gold",
            ),
            models.CheckConstraint(
                condition=Q(kind="rating", responses__len=1)
                | Q(kind="ranking", responses__len__gte=3, responses__len__lte=8),
                name="lineup_ranks_3_to_8_or_rates_1",
            ),
            models.CheckConstraint(
                condition=Q(target__isnull=True) | Q(target__gte=1, target__lte=F("cap")),
                name="lineup_target_within_cap",
            ),
            models.CheckConstraint(condition=Q(taken__lte=F("cap")), name="lineup_taken_within_cap"),
        ]
        indexes = [
            models.Index(
                fields=["project", "kind", "shuffle"],
                condition=Q(withdrawn_at__isnull=True, taken__lt=F("cap")),
                name="lineup_open",
            ),
            models.Index(fields=["prompt", "kind"], name="lineup_by_prompt"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def gold(self) -> bool:
        """Whether what is right of it is known."""
        return self.gold_ranking is not None or self.gold_low is not None
