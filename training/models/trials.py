from __future__ import annotations

from django.db import models
from django.db.models import Q

from annotator.models import Annotator, Job, Project, User
from attune.policies.directions import reads_directions
from training.models.policies import PolicyVersion


class PolicyTrial(Job):
    """One prompt put to several policies. ``people`` are the references of those whose reward ranks what they answer."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="policy_trials")
    prompt = models.TextField()
    temperature = models.FloatField(default=1.0)
    seed = models.PositiveIntegerField(default=0)
    most_tokens = models.PositiveSmallIntegerField(default=256)
    people = models.JSONField(default=list, blank=True)
    direction = models.JSONField(
        default=list,
        blank=True,
        help_text="A weight for each of attune.direction.ASPECTS, −100 to 100, as it stood in prompts; empty: none.",
    )
    reader = models.ForeignKey(
        Annotator,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        help_text="Whose judgments stand in the prompts of policies that read some.",
    )
    reader_words = models.TextField(blank=True, help_text="What the reader likes, in words, where their traits tell.")
    queued_at = models.DateTimeField(null=True, blank=True, help_text="When its message was last sent.")
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(temperature__gte=0, temperature__lte=2), name="policy_trial_temperature_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"policy trial {self.pk}"


class PolicyReply(models.Model):
    """What one policy answers in a trial, or (without ``version``) its base model. ``text`` grows until ``over``."""

    trial = models.ForeignKey(PolicyTrial, on_delete=models.CASCADE, related_name="replies")
    place = models.PositiveSmallIntegerField(help_text="0, 1, 2 … from the left.")
    version = models.ForeignKey(PolicyVersion, on_delete=models.CASCADE, null=True, related_name="+")
    base = models.CharField(max_length=255)
    revision = models.CharField(max_length=40, blank=True)
    chat_template = models.CharField(max_length=40, blank=True)
    text = models.TextField(blank=True)
    reader_words = models.TextField(blank=True, help_text="What it read of the reader in words.")
    begun = models.BooleanField(default=False)
    over = models.BooleanField(default=False)
    cut_off = models.BooleanField(default=False)
    tokens = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0.0)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["trial", "place"], name="policy_reply_place_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def directed(self) -> bool:
        """Whether the trial's direction stands in its prompt: only where it is read."""
        return bool(self.trial.direction) and self.reads_directions

    @property
    def reads_directions(self) -> bool:
        """Whether what answers follows a direction in its prompt."""
        return self.version.reads_directions if self.version else reads_directions(self.base, 0)

    @property
    def name(self) -> str:
        """The policy's label, or the base model's name."""
        return self.version.label if self.version else self.base
