# ruff: noqa: ARG002 (Django passes what its hooks may want)
"""Django's administration, for superusers: looking things up, and mending accounts. Judgments are read-only here, too."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from annotator import models


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that no person writes by hand: the database, a service or a worker does."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]
    """An account by its address; there is no user name."""

    class Meta:
        model = models.User
        fields = ("email", "name")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


@admin.register(models.User)
class Users(UserAdmin):  # type: ignore[type-arg]
    add_form = NewUserForm
    ordering = ("email",)
    list_display = ("email", "name", "is_staff", "is_superuser", "is_active", "last_login")
    search_fields = ("email", "name")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (_("Pages"), {"fields": ("theme", "shortcuts")}),
        (_("Rights"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")


@admin.register(models.Project)
class Projects(admin.ModelAdmin):  # type: ignore[type-arg]
    """Settings are changed on the set-up page, which keeps two owners apart, and deleted there, which asks twice."""

    list_display = ("name", "slug", "reward_model", "overlap", "simulated", "created_at", "archived_at")
    list_filter = ("simulated", "reward_model", ("archived_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "slug")
    readonly_fields = ("slug", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(models.Membership)
class Memberships(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("user", "project", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "project")
    search_fields = ("user__email", "user__name", "project__slug")
    autocomplete_fields = ("user", "project")


@admin.register(models.Annotator)
class Annotators(ReadOnly):
    list_display = ("ref", "name", "project", "simulated", "in_training", "dropped_at", "paused_at", "created_at")
    list_filter = ("simulated", "in_training", ("dropped_at", admin.EmptyFieldListFilter))
    list_select_related = ("project",)
    search_fields = ("ref", "name", "project__slug")


@admin.register(models.Invite)
class Invites(ReadOnly):
    list_display = ("project", "role", "note", "uses", "max_uses", "expires_at", "revoked_at", "created_by")
    list_select_related = ("project", "created_by")
    search_fields = ("project__slug", "note")
    exclude = ("digest",)


@admin.register(models.ApiToken)
class ApiTokens(ReadOnly):
    list_display = ("name", "token_key", "user", "project", "scopes", "created", "expiry", "last_used_at")
    list_select_related = ("user", "project")
    search_fields = ("name", "token_key", "user__email")
    exclude = ("digest",)


@admin.register(models.Prompt)
class Prompts(ReadOnly):
    list_display = ("ref", "short", "project", "topic", "created_at")
    list_select_related = ("project",)
    search_fields = ("ref", "project__slug")

    @admin.display(description=_("prompt"))
    def short(self, prompt: models.Prompt) -> str:
        return str(prompt)


@admin.register(models.Response)
class Responses(ReadOnly):
    list_display = ("ref", "short", "prompt", "source", "created_at")
    list_select_related = ("prompt",)
    search_fields = ("ref", "source")

    @admin.display(description=_("response"))
    def short(self, response: models.Response) -> str:
        return str(response)


@admin.register(models.Pair)
class Pairs(ReadOnly):
    list_display = ("id", "prompt", "project", "taken", "cap", "gold_choice", "withdrawn_at")
    list_filter = (("withdrawn_at", admin.EmptyFieldListFilter), "gold_choice")
    list_select_related = ("prompt", "project")
    search_fields = ("prompt__ref", "project__slug")


@admin.register(models.Lineup)
class Lineups(ReadOnly):
    list_display = ("id", "kind", "prompt", "project", "taken", "cap", "withdrawn_at")
    list_filter = ("kind", ("withdrawn_at", admin.EmptyFieldListFilter))
    list_select_related = ("prompt", "project")
    search_fields = ("prompt__ref", "project__slug")


@admin.register(models.Assignment)
class Assignments(ReadOnly):
    list_display = (
        "id",
        "pair_id",
        "lineup_id",
        "annotator",
        "state",
        "occasion",
        "chosen_by",
        "dealt_at",
        "lease_until",
    )
    list_filter = ("state", "occasion", "chosen_by")
    list_select_related = ("annotator",)
    search_fields = ("annotator__ref",)


class RationaleInline(admin.StackedInline):  # type: ignore[type-arg]
    model = models.Rationale
    can_delete = False


@admin.register(models.Judgment)
class Judgments(ReadOnly):
    """Append-only: what stands here was said."""

    list_display = ("id", "annotator", "pair_id", "choice", "strength", "revision", "current", "withdrawn", "judged_at")
    list_filter = ("choice", "current", "source")
    list_select_related = ("annotator",)
    search_fields = ("annotator__ref", "project__slug")
    inlines = (RationaleInline,)


@admin.register(models.QualityStep)
class QualitySteps(ReadOnly):
    """Append-only: what followed from checks, and what an owner took back."""

    list_display = ("at", "project", "annotator", "what", "by", "figures")
    list_filter = ("what",)
    list_select_related = ("project", "annotator", "by")
    search_fields = ("annotator__ref", "project__slug")


@admin.register(models.Adjudication)
class Adjudications(ReadOnly):
    """Append-only: the last word on contested pairs."""

    list_display = ("at", "project", "pair_id", "choice", "revision", "current", "by")
    list_filter = ("choice", "current")
    list_select_related = ("project", "by")
    search_fields = ("project__slug",)


@admin.register(models.ImportBatch)
class ImportBatches(ReadOnly):
    list_display = ("name", "project", "by", "state", "attempt", "created_at", "finished_at")
    list_filter = ("state",)
    list_select_related = ("project", "by")
    search_fields = ("name", "project__slug")


@admin.register(models.AuditEntry)
class AuditEntries(ReadOnly):
    list_display = ("at", "what", "project", "by", "about")
    list_filter = ("what",)
    list_select_related = ("project", "by")
    search_fields = ("what", "by__email", "project__slug")


@admin.register(models.Aspect)
class Aspects(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "key", "project", "steps", "position")
    list_select_related = ("project",)
    search_fields = ("name", "project__slug")
    autocomplete_fields = ("project",)


# One way in, with the rate limits of the ordinary sign-in.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
