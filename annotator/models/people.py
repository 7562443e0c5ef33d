from __future__ import annotations

import re
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

from annotator.models.projects import Project


class UserManager(DjangoUserManager["User"]):
    """Accounts are known by e-mail address; there is no user name."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> User:  # type: ignore[override]
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> User:  # type: ignore[override]
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):  # type: ignore[django-manager-missing]  # knox is untyped
    """A login."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("Like the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class TextSize(models.TextChoices):
        SMALL = "s", _("Small")
        NORMAL = "m", _("Normal")
        LARGE = "l", _("Large")
        LARGEST = "xl", _("Very large")

    class LineLength(models.TextChoices):
        SHORT = "short", _("Short")
        NORMAL = "normal", _("Normal")
        FULL = "full", _("As wide as it gets")

    username = None  # type: ignore[assignment]
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    language = models.CharField(max_length=10, blank=True, help_text="Of the pages; empty: as the browser asks.")
    shortcuts = models.BooleanField(default=True, help_text="Single-key shortcuts while judging.")
    keys = models.JSONField(default=dict, blank=True, help_text="Own keys: an action of annotator.keys to its key.")
    text_size = models.CharField(max_length=2, choices=TextSize, default=TextSize.NORMAL)
    line_length = models.CharField(max_length=6, choices=LineLength, default=LineLength.NORMAL)
    show_guess = models.BooleanField(default=True, help_text="Wants to be told what the model had guessed.")
    show_machines = models.BooleanField(default=True, help_text="Wants to be told what machine annotators had said.")
    break_minutes = models.PositiveSmallIntegerField(default=45, help_text="A break is suggested after; 0 is never.")

    reaches_only: int | None = None
    """The one project that the token of this request reaches; None: all of the user's."""

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()  # type: ignore[misc]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def initials(self) -> str:
        words = re.findall(r"\b[^\W\d_]+", self.name or self.email.split("@")[0])
        return "".join(word[0] for word in words[:2]).upper()


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    ANNOTATOR = "annotator", _("Annotator")
    VIEWER = "viewer", _("Viewer")


class Membership(models.Model):
    """What a user may do in a project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once_per_project"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_known_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"


class Annotator(models.Model):
    """Who judges in one project. People on the site have a user; imported and simulated ones have none."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="annotators")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="annotators")
    ref = models.CharField(max_length=200, help_text="How files and the API call them; a pseudonym.")
    name = models.CharField(max_length=120, blank=True)
    simulated = models.BooleanField(default=False)
    paused_at = models.DateTimeField(null=True, blank=True)
    in_training = models.BooleanField(default=True, help_text="They let their judgments go into the shared model.")
    dropped_at = models.DateTimeField(null=True, blank=True, help_text="Left out of training for want of quality.")
    qualified = models.BooleanField(null=True, blank=True, help_text="Whether they passed; empty: not asked yet.")
    quota_total = models.PositiveIntegerField(null=True, blank=True, help_text="In place of the project's.")
    quota_day = models.PositiveIntegerField(null=True, blank=True, help_text="In place of the project's.")
    about = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "ref"], name="annotator_ref_once_per_project"),
            models.UniqueConstraint(
                fields=["project", "user"], condition=Q(user__isnull=False), name="annotator_user_once_per_project"
            ),
            models.CheckConstraint(condition=~Q(ref=""), name="annotator_ref_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.display_name} (simulated)" if self.simulated else self.display_name

    @property
    def display_name(self) -> str:
        return self.name or self.ref


class Invite(models.Model):
    """A link that lets whoever holds it join a project, until it expires or is used up. Only its hash is kept."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invites")
    role = models.CharField(max_length=10, choices=Role, default=Role.ANNOTATOR)
    digest = models.CharField(max_length=64, unique=True)
    note = models.CharField(max_length=200, blank=True)
    uses = models.PositiveIntegerField(default=0)
    max_uses = models.PositiveIntegerField(default=1)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(uses__lte=models.F("max_uses")), name="invite_not_overused")]

    def __str__(self) -> str:
        return f"invite {self.pk} to {self.project}"

    @property
    def usable(self) -> bool:
        return self.revoked_at is None and self.uses < self.max_uses and self.expires_at > timezone.now()


class ApiToken(AbstractAuthToken):
    """A named, scoped token for one user; hashed at rest (knox). Without a project it reaches all of the user's."""

    class Scope(models.TextChoices):
        SCORE = "score", "Ask for rewards"
        READ = "read", "Read and export"
        WRITE = "write", "Add prompts, send judgments"
        MANAGE = "manage", "Set up projects, train, tokens and webhooks"

    name = models.CharField(max_length=120)
    scopes = models.JSONField(default=list)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="tokens")
    last_used_at = models.DateTimeField(null=True, blank=True)
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Requests a minute; empty: the installation's."
    )

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"
