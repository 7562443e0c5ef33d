"""Django's administration, for superusers: looking up what was frozen, fitted and promoted. Services write these rows."""

from __future__ import annotations

from django.contrib import admin

from annotator.admin import ReadOnly
from training import models


@admin.register(models.Snapshot)
class SnapshotAdmin(ReadOnly):
    list_display = ("digest", "project", "last_judgment", "created_by", "created_at")
    list_select_related = ("project", "created_by")
    search_fields = ("digest", "project__slug")


@admin.register(models.Run)
class RunAdmin(ReadOnly):
    list_display = ("project", "number", "state", "model_name", "trigger", "attempt", "worker", "created_at")
    list_filter = ("state", "trigger", "model_name")
    list_select_related = ("project",)
    search_fields = ("project__slug", "error")


@admin.register(models.ModelVersion)
class ModelVersionAdmin(ReadOnly):
    list_display = ("project", "label", "state", "encoder", "digest", "created_at")
    list_filter = ("state", "model_name")
    list_select_related = ("project",)
    search_fields = ("project__slug", "digest")


@admin.register(models.Promotion)
class PromotionAdmin(ReadOnly):
    list_display = ("project", "version", "previous", "rolled_back", "reason", "by", "at")
    list_select_related = ("project", "version", "previous", "by")
    search_fields = ("project__slug", "reason")
