from __future__ import annotations

from django.db import models

from annotator.models import Annotator
from training.models import ModelVersion


class Latent(models.Model):
    """One annotator's taste under one model version: a Gaussian, float32 little-endian, mean (Z,) and cov (Z, Z)."""

    annotator = models.ForeignKey(Annotator, on_delete=models.CASCADE, related_name="latents")
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="latents")
    mean = models.BinaryField()
    cov = models.BinaryField()
    extra = models.JSONField(default=dict)
    n_judgments = models.PositiveIntegerField(default=0)
    last_judgment = models.BigIntegerField(default=0, help_text="Highest judgment id that went into it.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["annotator", "version"], name="latent_once_per_version")]

    def __str__(self) -> str:
        return f"{self.annotator} under {self.version}"
