"""The form of a project's set-up: every setting, with what it is called and what it may be."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from annotator.forms import TEXT_BOX, PlainForm
from annotator.models import Project

MAX_TAGS = 8
TAG_LENGTH = 40
REWARD_MODELS = {
    "hybrid": _("Hybrid: what everybody shares, plus each person’s taste"),
    "bradley_terry": _("Bradley–Terry: one ranking for everybody"),
    "vpl": _("VPL: a latent per person, inferred by a network"),
    "pal_a": _("PAL-A: each person mixes ideal points"),
    "pal_b": _("PAL-B: ideal points that depend on the prompt"),
    "fewshot": _("Few-shot: a transformer that reads a person’s judgments"),
    "fspo": _("FSPO: a language model with a person’s judgments in its prompt (slow)"),
    "gpm": _("General preference: for preferences that may run in circles"),
    "mixture": _("Mixture: groups of people, and who is served worst"),
    "aspects": _("Aspects: named qualities and each person’s direction; for little data"),
    "ensemble": _("Ensemble: several models, and how far they agree"),
}
ENCODERS = {
    "minilm+style": _("Meaning and style"),
    "minilm": _("Meaning only"),
    "style": _("Style only: length, lists, hedges … (fast)"),
    "tiny": _("A tiny language model: its reward models can be taken away exactly"),
}
PERCENTS = {
    "shared_share": "shared_percent",
    "repeat_rate": "repeat_percent",
    "hindsight_rate": "hindsight_percent",
    "gold_rate": "gold_percent",
    "gold_bar": "gold_bar_percent",
    "repeat_bar": "repeat_bar_percent",
    "qualify_share": "qualify_percent",
}
"""Shares of the project, by the field that asks for them in percent."""
KINDS = {
    "pair": _("which of two responses is better"),
    "ranking": _("to put three to eight responses in order"),
    "rating": _("to rate one response, with a critique"),
}


class SetupForm(forms.ModelForm, PlainForm):  # type: ignore[type-arg]
    """All settings of a project, with the version of those that the person had before them."""

    version = forms.CharField(max_length=64, widget=forms.HiddenInput)
    kinds = forms.MultipleChoiceField(
        label=_("Annotators are asked"),
        choices=list(KINDS.items()),
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "Of several, each comes as often as the others. Rankings are made of the prompts with three or more responses,"
            " ratings of every response. Hidden repeats, known answers and qualification are of every kind."
        ),
        error_messages={"required": _("Choose at least one kind of judgment.")},
    )
    scale_low = forms.CharField(label=_("The lowest means"), max_length=40, required=False)
    scale_high = forms.CharField(label=_("The highest means"), max_length=40, required=False)
    critique_min = forms.IntegerField(
        label=_("Characters of critique that a rating needs"), min_value=0, max_value=1_000, required=False
    )
    overlap = forms.IntegerField(
        label=_("People for each pair"), min_value=1, max_value=1_000, help_text=_("Counts for new pairs.")
    )
    overlap_cap = forms.IntegerField(
        label=_("People for each pair, at most"),
        min_value=1,
        max_value=1_000,
        required=False,
        help_text=_("So many may judge a pair once every pair has enough. Empty: no more than enough."),
    )
    shared_percent = forms.FloatField(
        label=_("Pairs for more than one person, %"),
        min_value=0,
        max_value=100,
        help_text=_("Drawn at random; every other pair is for one person. Agreement is measured on them."),
    )
    quota_total = forms.IntegerField(
        label=_("Pairs for one person, at most"), min_value=1, max_value=1_000_000, required=False
    )
    quota_day = forms.IntegerField(
        label=_("Pairs for one person a day, at most"), min_value=1, max_value=100_000, required=False
    )
    rationale_min = forms.IntegerField(
        label=_("Characters of own words, where a reason is needed"),
        required=False,
        min_value=0,
        max_value=1_000,
        help_text=_("0: a tag or a mark in the text will do."),
    )
    repeat_percent = forms.FloatField(label=_("Shown twice, %"), min_value=0, max_value=50)
    hindsight_percent = forms.FloatField(
        label=_("Asked again with hindsight, %"),
        min_value=0,
        max_value=100,
        help_text=_("Of the judgments of pairs where both responses have a consequence; drawn at random."),
    )
    gold_percent = forms.FloatField(label=_("Pairs with a known answer, %"), min_value=0, max_value=50)
    gold_bar_percent = forms.FloatField(
        label=_("Known answers found, at least %"),
        min_value=1,
        max_value=100,
        required=False,
        help_text=_("Empty: no bar."),
    )
    repeat_bar_percent = forms.FloatField(
        label=_("Same answer twice, at least %"),
        min_value=1,
        max_value=100,
        required=False,
        help_text=_("Empty: no bar."),
    )
    checks_needed = forms.IntegerField(
        label=_("Checks before a bar counts"),
        min_value=1,
        max_value=1_000,
        help_text=_("Of its kind, since the last time that something followed."),
    )
    qualify_percent = forms.FloatField(
        label=_("Right answers needed to begin, %"),
        min_value=1,
        max_value=100,
        required=False,
        help_text=_(
            "Asked first: what is marked for it on its page or by an import. An answer counts as first given, or as corrected"
            " within seconds. Empty: everybody may begin."
        ),
    )
    spread = forms.BooleanField(label=_("Also for the pairs that are here already"), required=False)
    reward_model = forms.ChoiceField(
        label=_("Reward model"), choices=list(REWARD_MODELS.items()), widget=forms.RadioSelect
    )
    encoder = forms.ChoiceField(label=_("What it looks at"), choices=list(ENCODERS.items()))

    class Meta:
        model = Project
        fields = (
            "name",
            "description",
            "instructions",
            "kinds",
            "scale",
            "scale_low",
            "scale_high",
            "critique_min",
            "rationales",
            "rationale_min",
            "choosing",
            "overlap",
            "overlap_cap",
            "quota_total",
            "quota_day",
            "checks_needed",
            "consequence",
            "hindsight_trains",
            "picture_urls",
            "lease_minutes",
            "daily_goal",
            "reward_model",
            "encoder",
            "refit_every",
            "show_guess",
            "show_machines",
            "source_note",
        )
        widgets = {
            "description": forms.Textarea(attrs=TEXT_BOX),
            "instructions": forms.Textarea(attrs={"class": "in", "rows": 8}),
            "source_note": forms.Textarea(attrs={"class": "in", "rows": 2}),
            "rationales": forms.RadioSelect,
            "scale": forms.RadioSelect,
            "choosing": forms.RadioSelect,
            "consequence": forms.RadioSelect,
            "hindsight_trains": forms.RadioSelect,
        }
        labels = {
            "instructions": _("Instructions for annotators"),
            "rationales": _("Ask for a reason"),
            "scale": _("Scale of ratings"),
            "choosing": _("Which pair comes next"),
            "consequence": _("Below a bar"),
            "hindsight_trains": _("After a second look, models learn from"),
            "picture_urls": _("Imports and the API may name addresses of pictures"),
            "lease_minutes": _("Minutes a pair is kept for somebody"),
            "daily_goal": _("Pairs a day for each person"),
            "refit_every": _("New judgments that start a training run"),
            "show_guess": _("After a judgment, tell what the model had guessed"),
            "show_machines": _("After a judgment, tell what machine annotators had said of the pair"),
            "source_note": _("Where the data is from, and its licence"),
        }
        help_texts = {
            "instructions": _("Markdown. Annotators can open them beside every pair."),
            "lease_minutes": _("Then somebody else may get it."),
            "refit_every": _("0 means: only when somebody starts one."),
            "consequence": _("Every step is logged on the page of quality, and can be taken back there."),
            "hindsight_trains": _("From the next model version on. Both judgments are kept and exported in any case."),
            "picture_urls": _(
                "Our server then fetches a copy of each, from public addresses only. Annotators’ browsers never ask them."
            ),
            "show_guess": _("Never before it: that would steer them."),
            "show_machines": _(
                "Only what they have said already, marked as a machine’s. What somebody changes afterwards may follow it."
            ),
            "source_note": _("Shown with the project."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["instructions"].max_length = 50_000  # type: ignore[attr-defined]
        self.tags, self.tag_errors = (
            _tags(cast(QueryDict, self.data)) if self.is_bound else (list(self.instance.reason_tags), [])
        )

    @property
    def tag_rows(self) -> list[dict[str, str]]:
        """The tags with a few empty rows to add some."""
        empty = {"key": "", "label": "", "only": ""}
        return self.tags + [empty] * min(2 if len(self.tags) else 5, MAX_TAGS - len(self.tags))

    def clean_rationale_min(self) -> int:
        return self.cleaned_data["rationale_min"] or 0

    def clean_kinds(self) -> list[str]:
        return [kind for kind in KINDS if kind in self.cleaned_data["kinds"]]

    def clean_critique_min(self) -> int:
        return self.cleaned_data["critique_min"] or 0

    def clean(self) -> dict[str, Any]:
        super().clean()
        most, enough = self.cleaned_data.get("overlap_cap"), self.cleaned_data.get("overlap")
        if most and enough and most < enough:
            self.add_error("overlap_cap", _("This is less than the people for each pair."))
        for error in self.tag_errors:
            self.add_error(None, error)
        return self.cleaned_data

    def see(self, version: str) -> None:
        """From now on the person has seen these stored settings: saving again is meant."""
        data = cast(QueryDict, self.data).copy()
        data["version"] = version
        self.data = data

    def values(self) -> dict[str, object]:
        """What ``services.settings.update_settings`` takes."""
        values = {name: _unix_lines(self.cleaned_data[name]) for name in self.Meta.fields}
        values["reason_tags"] = self.tags
        for name, percent in PERCENTS.items():
            share = self.cleaned_data[percent]
            values[name] = None if share is None else share / 100
        return values


def _unix_lines(value: object) -> object:
    """Browsers send every line end as CR LF; so that nothing seems changed that is not, it is stored as it was."""
    return value.replace("\r\n", "\n") if isinstance(value, str) else value


def _tags(data: QueryDict) -> tuple[list[dict[str, str]], list[str]]:
    """Reason tags from ``tag_key``, ``tag_label`` and ``tag_only``, one of each for a row; an empty label drops its row."""
    tags: list[dict[str, str]] = []
    errors: list[str] = []
    rows = zip_longest(*(data.getlist(name) for name in ("tag_key", "tag_label", "tag_only")), fillvalue="")
    for key, label, only in rows:
        if not (label := label.strip()):
            continue
        key = key if key.isascii() and slugify(key) == key else ""
        tag = {"key": key or slugify(label)[:TAG_LENGTH] or f"tag-{len(tags) + 1}", "label": label}
        if only in ("good", "bad"):
            tag["only"] = only
        if len(label) > TAG_LENGTH or "\x00" in label:
            errors.append(_("The reason “%(label)s” must have at most 40 plain characters.") % {"label": label[:60]})
        if tag["key"] in [other["key"] for other in tags]:
            errors.append(_("The reason “%(label)s” is there twice.") % {"label": label[:60]})
        tags.append(tag)
    if len(tags) > MAX_TAGS:
        errors.append(_("At most %(most)d reasons, not %(n)d.") % {"most": MAX_TAGS, "n": len(tags)})
    return tags, errors
