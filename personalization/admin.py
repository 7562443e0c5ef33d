"""Django's administration, for superusers: looking up what has been adapted."""

from __future__ import annotations

from django.contrib import admin

from annotator.admin import ReadOnly
from personalization import models


@admin.register(models.Latent)
class LatentAdmin(ReadOnly):
    list_display = ("annotator", "version", "n_judgments", "n_unused", "updated_at")
    list_select_related = ("annotator", "version")
    search_fields = ("annotator__ref", "annotator__project__slug")
    exclude = ("mean", "cov")
