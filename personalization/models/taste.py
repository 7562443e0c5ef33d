from __future__ import annotations

from django.db import models

from annotator.models import Annotator
from training.models import ModelVersion


class TraitStatement(models.Model):
    """What an annotator says of their own taste in one trait. Never changed: the latest of a trait holds.

    ``value`` is on the profile page's scale, 0 what everybody likes and ±1 a strong taste; null takes the earlier one back, or
    leaves open what was ``asked``.
    """

    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="trait_statements")
    trait = models.CharField(max_length=60)
    value = models.FloatField(null=True)
    asked = models.BooleanField(default=False, help_text="An answer to a question: it counts less than a correction.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["annotator", "trait", "-id"], name="trait_statement_latest")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(value__isnull=True) | models.Q(value__gte=-1.5, value__lte=1.5),
                name="trait_statement_on_the_rail",
            )
        ]

    def __str__(self) -> str:
        return f"{self.annotator} on {self.trait}: {self.value}"


class Latent(models.Model):
    """One annotator's taste under one model version: a Gaussian, float32 little-endian, mean (Z,) and cov (Z, Z).

    Derived, never the truth: a row whose ``signature`` is not that of the annotator's judgments is out of date, and
    deleting a row loses nothing.
    """

    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="latents")
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="latents")
    signature = models.CharField(max_length=64, help_text="Of the judgments that went into it.")
    mean = models.BinaryField()
    cov = models.BinaryField()
    extra = models.JSONField(default=dict)
    n_judgments = models.PositiveIntegerField(default=0)
    n_unused = models.PositiveIntegerField(default=0, help_text="Judgments of texts that are not encoded yet.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["annotator", "version"], name="latent_once_per_version")]

    def __str__(self) -> str:
        return f"{self.annotator} under {self.version}"
