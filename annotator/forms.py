"""Forms of the owner's pages. They say what is wrong field by field; the services have the last word."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from annotator.errors import AnnotatorError
from annotator.models import Annotator, ApiToken, Role, User
from annotator.services.invites import MAX_DAYS, MAX_USES
from annotator.services.projects import TEMPLATES

TEXT_BOX = {"class": "in", "rows": 3}


class PlainForm(forms.Form):
    """Widgets in the house's classes; errors of services join those of fields."""

    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if not isinstance(field.widget, forms.CheckboxInput | forms.RadioSelect | forms.CheckboxSelectMultiple):
                field.widget.attrs.setdefault("class", "in")

    def take_error(self, error: AnnotatorError) -> None:
        """Show a service's refusal where it belongs: at its fields, or above the form."""
        for name, reason in error.fields.items():
            self.add_error(name if name in self.fields else None, reason)
        if not error.fields:
            self.add_error(None, str(error))


class ProjectForm(PlainForm):
    """A new project."""

    name = forms.CharField(label=_("Name"), max_length=200)
    description = forms.CharField(
        label=_("What is it about?"),
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs=TEXT_BOX),
        help_text=_("People who are invited read this first."),
    )
    template = forms.ChoiceField(label=_("Start from"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = cast(forms.ChoiceField, self.fields["template"])
        choices.choices = [(key, _(template.label)) for key, template in TEMPLATES.items()]
        choices.initial = next(iter(TEMPLATES))


class InviteForm(PlainForm):
    """An invitation link."""

    role = forms.ChoiceField(label=_("They join as"), choices=Role.choices, initial=Role.ANNOTATOR)
    max_uses = forms.IntegerField(
        label=_("People who may use it"), min_value=1, max_value=MAX_USES, initial=1, widget=forms.NumberInput
    )
    days = forms.IntegerField(label=_("Days it works"), min_value=1, max_value=MAX_DAYS, initial=7)
    note = forms.CharField(
        label=_("Note to yourself"), max_length=200, required=False, help_text=_("For whom it is, for example.")
    )


class JoinForm(PlainForm):
    """What somebody agrees to who joins with an account they have."""

    may_learn = forms.BooleanField(
        label=_("Attune may learn my preferences in this project"),
        help_text=_("Needed. You can see what it has learnt at any time."),
        error_messages={"required": _("Without this there is nothing that you could do here.")},
    )
    may_train = forms.BooleanField(
        label=_("My judgments may train the model that everybody shares"),
        required=False,
        help_text=_("Up to you. Without it, only your own model learns from them."),
    )


class RegisterForm(JoinForm):
    """The same, for somebody without an account."""

    name = forms.CharField(label=_("Your name"), max_length=120)
    email = forms.EmailField(label=_("Email"), max_length=254, help_text=_("You sign in with it."))
    password = forms.CharField(
        label=_("Choose a password"),
        strip=False,
        max_length=4_096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 10 characters. A sentence is fine."),
    )
    field_order = ("name", "email", "password", "may_learn", "may_train")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["email"].widget.attrs["autocomplete"] = "username"


class TokenForm(PlainForm):
    """A token for the API."""

    name = forms.CharField(
        label=_("Name"), max_length=120, help_text=_("What will use it: “nightly export”, “trainer”.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("It may"), choices=ApiToken.Scope.choices, widget=forms.CheckboxSelectMultiple
    )
    everywhere = forms.BooleanField(
        label=_("In all of my projects"), required=False, help_text=_("Otherwise in this project only.")
    )
    days = forms.TypedChoiceField(
        label=_("Works for"),
        coerce=int,
        initial="90",
        choices=[("30", _("30 days")), ("90", _("90 days")), ("365", _("a year")), ("0", _("until it is revoked"))],
    )


class UploadForm(PlainForm):
    """A file to import."""

    file = forms.FileField(
        label=_("File"),
        max_length=255,
        help_text=_(
            "JSONL, JSON, CSV, Parquet or Arrow, also as .gz or in a .zip with pictures: judgments, or prompts with their responses."
        ),
        error_messages={"empty": _("The file is empty."), "required": _("Choose a file first.")},
    )


class PicturesForm(PlainForm):
    """What pictures answer."""

    prompt = forms.CharField(
        label=_("What was asked"),
        max_length=20_000,
        widget=forms.Textarea(attrs={"class": "in", "rows": 2, "dir": "auto"}),
    )
    topic = forms.CharField(label=_("Topic"), max_length=200, required=False)


class QuotaForm(forms.ModelForm, PlainForm):  # type: ignore[type-arg]
    """How much one annotator may have, in place of what the project says."""

    quota_total = forms.IntegerField(label=_("At most in all"), min_value=1, max_value=1_000_000, required=False)
    quota_day = forms.IntegerField(label=_("At most in a day"), min_value=1, max_value=100_000, required=False)

    class Meta:
        model = Annotator
        fields = ("quota_total", "quota_day")


class AccountForm(forms.ModelForm, PlainForm):  # type: ignore[type-arg]
    """One's name and language, and how one likes to judge."""

    language = forms.ChoiceField(label=_("Language"), required=False)
    break_minutes = forms.IntegerField(
        label=_("Suggest a break after so many minutes"), min_value=0, max_value=600, help_text=_("0: never.")
    )

    class Meta:
        model = User
        fields = (
            "name",
            "language",
            "text_size",
            "line_length",
            "show_guess",
            "show_machines",
            "break_minutes",
            "shortcuts",
        )
        widgets = {"text_size": forms.RadioSelect, "line_length": forms.RadioSelect}
        labels = {
            "name": _("Your name"),
            "text_size": _("Text size"),
            "line_length": _("Length of lines"),
            "show_guess": _("Tell me after a judgment what my model had guessed"),
            "show_machines": _("Tell me after a judgment what machine annotators had said"),
            "shortcuts": _("Single-key shortcuts"),
        }
        help_texts = {
            "show_guess": _("Where the project tells it at all."),
            "show_machines": _("Where the project tells it at all."),
            "shortcuts": _(
                "Turn them off for a screen reader or voice control; Tab, arrow keys and Enter keep working."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        languages = cast(forms.ChoiceField, self.fields["language"])
        languages.choices = [("", _("As the browser asks")), *settings.LANGUAGES]
        self.fields["name"].widget.attrs["autocomplete"] = "name"


class DeleteForm(PlainForm):
    """The project's name, typed, before it is deleted."""

    typed = forms.CharField(label=_("Type the project’s name to delete it"), max_length=200)
