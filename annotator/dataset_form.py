"""What the datasets page asks: a dataset's options in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotator.errors import Invalid
from annotator.exports.dataset_options import CHOICES, MAX_SALT, DatasetOptions

Words = dict[str, str | Promise]

_OUT, _KEPT, _AS_TIES = _("Left out"), _("Kept"), _("As ties")
FORMS: Words = {
    "preference": _("Preferences: prompt, chosen, rejected"),
    "implicit": _("Preferences with the prompt in both answers"),
    "kto": _("Single answers, desirable or not (KTO)"),
    "prompts": _("Prompts alone"),
    "ranked": _("Rankings of a prompt’s responses"),
    "sft": _("Chosen answers, for fine-tuning"),
    "reward": _("Pairs with margins, for reward models"),
    "rationales": _("Reasons, in words and tags"),
    "spans": _("Marked stretches of text"),
    "contexts": _("A context set for each annotator"),
    "label_studio": "Label Studio",
    "argilla": "Argilla",
}
TYPES: Words = {
    "jsonl": _("JSON lines"),
    "json": _("One JSON array"),
    "csv": "CSV",
    "parquet": "Parquet",
    "folder": _("A folder with a card, for load_dataset (zip)"),
}
LABELS: dict[str, tuple[Any, Words]] = {
    "form": (_("Form"), FORMS),
    "type": (_("File"), TYPES),
    "ties": (_("Ties"), {"drop": _OUT, "both": _("In both directions, marked")}),
    "both_good": (_("Both good"), {"drop": _OUT, "tie": _AS_TIES}),
    "both_bad": (_("Both bad"), {"drop": _OUT, "tie": _AS_TIES}),
    "flagged": (_("Flagged pairs"), {"drop": _OUT, "keep": _KEPT}),
    "repeats": (_("Hidden second looks"), {"drop": _OUT, "keep": _KEPT}),
    "hindsight": (
        _("Judged again with hindsight"),
        {"first": _("The first judgment"), "hindsight": _("The second, where there is one"), "both": _("Both")},
    ),
    "people": (_("People"), {"training": _("Who agreed to training"), "all": _("Everybody")}),
    "failed_checks": (_("Annotators who failed their checks"), {"drop": _OUT, "keep": _KEPT}),
    "simulated": (
        _("Simulated annotators"),
        {"include": _("With the others"), "exclude": _OUT, "only": _("Only they")},
    ),
    "split": (
        _("Validation and test apart"),
        {"none": _("No"), "annotator": _("By annotator"), "prompt": _("By prompt"), "time": _("By time")},
    ),
    "names": (_("Annotators’ names"), {"hashed": _("Pseudonyms of this dataset"), "references": _("Their references")}),
}


class DatasetForm(forms.Form):
    """The options of a dataset. What the address leaves out is as usual."""

    def __init__(self, given: Mapping[str, object]) -> None:
        usual = DatasetOptions()
        values = {**{name: getattr(usual, name) for name in (*CHOICES, "held_out", "salt")}, **given}
        super().__init__(values)
        for name, allowed in CHOICES.items():
            label, words = LABELS[name]
            self.fields[name] = forms.ChoiceField(label=label, choices=[(each, words[each]) for each in allowed])
        self.fields["held_out"] = forms.FloatField(label=_("Share of each"), min_value=0.01, max_value=0.5)
        self.fields["salt"] = forms.CharField(label=_("Salt of the pseudonyms"), max_length=MAX_SALT, required=False)
        for field in self.fields.values():
            field.widget.attrs["class"] = "in"

    def clean(self) -> dict[str, Any]:
        """The options' own rules: which file a form can be."""
        given = self.cleaned_data
        if not self.errors:
            try:
                DatasetOptions(**given)
            except Invalid as error:
                for name, problem in error.fields.items():
                    self.add_error(name, problem)
        return given

    def options(self) -> DatasetOptions:
        """What was asked for, once the form is valid."""
        return DatasetOptions(**self.cleaned_data)
