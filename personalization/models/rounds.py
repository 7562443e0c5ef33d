from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from annotator.models import Job, JobState, Pair, Project, Prompt, Response, User
from attune.policies.settings import USUAL_REJECTION_BETA
from training.models import ModelVersion, PolicyRun, PolicyVersion


class PolicyRound(Job):
    """A policy writes responses, some are paired, and the pairs are put to annotators, whose judgments the next policy learns.

    ``version`` is the policy, or None its base model as it is; ``opponent`` is what it is measured against, None the same base
    model. The job writes candidates and pairs; nobody but the owner sees them until ``put_at``.
    """

    class Method(models.TextChoices):
        BEST_OF_N = "best_of_n", _("The best of them against others")
        RSO = "rso", _("Rejection sampling")
        ON_POLICY = "on_policy", _("Any two of them")
        NASH = "nash", _("Self-play, judged by the preference model")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="policy_rounds")
    number = models.PositiveIntegerField(help_text="1, 2, 3 … within the project.")
    version = models.ForeignKey(PolicyVersion, on_delete=models.CASCADE, null=True, related_name="rounds")
    opponent = models.ForeignKey(PolicyVersion, on_delete=models.CASCADE, null=True, related_name="+")
    base = models.CharField(max_length=255)
    revision = models.CharField(max_length=40, blank=True)
    chat_template = models.CharField(max_length=40, blank=True)
    prompts = models.JSONField(default=list, help_text="Ids of the prompts.")
    count = models.PositiveSmallIntegerField(default=4, help_text="Responses a prompt at each temperature.")
    temperatures = models.JSONField(default=list)
    most_tokens = models.PositiveSmallIntegerField(default=256)
    seed = models.PositiveIntegerField(default=0)
    method = models.CharField(max_length=10, choices=Method, default=Method.BEST_OF_N)
    pairs_each = models.PositiveSmallIntegerField(default=1, help_text="Pairs of its own responses to a prompt.")
    versus_each = models.PositiveSmallIntegerField(default=1, help_text="Pairs with the opponent's a prompt.")
    beta = models.FloatField(default=USUAL_REJECTION_BETA, help_text="Of rejection sampling, in units of the reward.")
    put_when_done = models.BooleanField(default=False)
    put_at = models.DateTimeField(null=True, blank=True)
    put_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    judge = models.ForeignKey(
        ModelVersion,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="The preference model that judged its pairs, where it is a round of self-play.",
    )
    next_run = models.ForeignKey(PolicyRun, on_delete=models.SET_NULL, null=True, related_name="from_rounds")
    metrics = models.JSONField(default=dict, blank=True)
    queued_at = models.DateTimeField(null=True, blank=True, help_text="When its message was last sent.")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="policy_round_number_once"),
            models.CheckConstraint(
                condition=Q(put_at__isnull=True) | Q(state="done"), name="policy_round_put_only_when_done"
            ),
        ]

    def __str__(self) -> str:
        return f"round {self.number}"

    @property
    def writer(self) -> str:
        """The policy's label, or the base model's name."""
        return self.version.label if self.version else self.base

    @property
    def rival(self) -> str:
        """The same of what it is measured against."""
        return self.opponent.label if self.opponent else self.base

    @property
    def unlearnt(self) -> bool:
        """Whether no run learns from it or has learnt; one that came to nothing does not count."""
        return self.next_run is None or self.next_run.state in (JobState.FAILED, JobState.CANCELLED)


class RoundCandidate(models.Model):
    """One response that a round's policy (``mine``) or its opponent wrote. ``response`` is the row that it became, or equals."""

    round = models.ForeignKey(PolicyRound, on_delete=models.CASCADE, related_name="candidates")
    place = models.PositiveIntegerField(help_text="0, 1, 2 … within the round.")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="+")
    mine = models.BooleanField()
    text = models.TextField(blank=True)
    temperature = models.FloatField()
    seed = models.PositiveBigIntegerField()
    tokens = models.PositiveIntegerField(default=0)
    finished = models.BooleanField(default=True, help_text="Not cut off by the cap on length.")
    reward = models.FloatField(null=True)
    reward_std = models.FloatField(null=True)
    win = models.FloatField(
        null=True, help_text="How often it wins against the policy's own responses, by the preference model."
    )
    response = models.ForeignKey(Response, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["round", "place"], name="round_candidate_once")]

    def __str__(self) -> str:
        return self.text[:80]


class RoundPair(models.Model):
    """Two candidates to be compared; ``pair`` is what they became. Where ``versus``, ``one`` is the policy's, ``other`` the opponent's."""

    round = models.ForeignKey(PolicyRound, on_delete=models.CASCADE, related_name="pairs")
    one = models.ForeignKey(RoundCandidate, on_delete=models.CASCADE, related_name="+")
    other = models.ForeignKey(RoundCandidate, on_delete=models.CASCADE, related_name="+")
    versus = models.BooleanField(default=False)
    chance = models.FloatField(null=True, help_text="P(one is preferred to other), by the preference model.")
    pair = models.ForeignKey(Pair, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["one", "other"], name="round_pair_once"),
            models.CheckConstraint(condition=~Q(one=F("other")), name="round_pair_of_two"),
        ]

    def __str__(self) -> str:
        return f"pair {self.pk} of {self.round}"
