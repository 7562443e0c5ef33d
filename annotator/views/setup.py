"""Set-up: what annotators see and how pairs are dealt; archive and delete."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from annotator.access import Access, project_for
from annotator.errors import Conflict, Invalid
from annotator.forms import DeleteForm
from annotator.models import Project, Role
from annotator.selectors.dashboard import usual_seconds
from annotator.selectors.lineups import lineup_counts
from annotator.selectors.pairs import gold_counts
from annotator.selectors.people import audit_of
from annotator.services import settings
from annotator.services.erasing import delete_project
from annotator.setup_form import KINDS, PERCENTS, SetupForm
from annotator.views.pages import is_part, part, project_page, signed_in


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that somebody else stored while the caller had the page open."""

    label: str
    stored: object
    yours: object


@dataclass(frozen=True, slots=True)
class Preview:
    """The settings that annotators notice, as they stand in the form, saved or not."""

    instructions: str
    tags: list[dict[str, str]]
    rationales: str
    show_guess: bool
    show_machines: bool
    kinds: list[str]
    scale: list[str]
    scale_low: str
    scale_high: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What the pairs need: judgments, and people's time at their usual ``seconds`` for one."""

    pairs: int
    judgments: int
    seconds: float | None

    @property
    def hours(self) -> float | None:
        return self.judgments * self.seconds / 3_600 if self.seconds else None


@require_http_methods(["GET", "POST"])
@login_required
def setup(request: HttpRequest, slug: str) -> HttpResponse:
    """The settings; ``act=preview`` shows them as annotators would see them, and stores nothing."""
    access = project_for(request.user, slug, Role.OWNER)
    if request.method == "GET":
        return _page(request, access, _form(access.project))
    form = SetupForm(request.POST, instance=Project.objects.get(pk=access.project.pk))
    if request.POST.get("act") == "preview":
        if is_part(request, "preview"):
            context = {"preview": _as_entered(form)}
            return part(request, access, "annotator/_setup_preview.html", context, target="preview")
        return _page(request, access, form)
    if not form.is_valid():
        return _page(request, access, form, status=422)
    return _save(request, access, form)


@require_POST
@login_required
def setup_archive(request: HttpRequest, slug: str) -> HttpResponse:
    """Archive the project, or take it out of the archive."""
    access = project_for(request.user, slug, Role.OWNER)
    if request.POST.get("archive") == "on":
        settings.archive_project(project=access.project, by=signed_in(request))
        messages.success(request, _("The project is archived: nobody is given pairs, nothing is lost."))
    else:
        settings.restore_project(project=access.project, by=signed_in(request))
        messages.success(request, _("The project is back."))
    return redirect("setup", slug)


@require_POST
@login_required
def setup_delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Erase the project, after its name was typed."""
    access = project_for(request.user, slug, Role.OWNER)
    form = DeleteForm(request.POST)
    if form.is_valid():
        try:
            delete_project(project=access.project, by=signed_in(request), typed=form.cleaned_data["typed"])
            messages.success(
                request, _("“%(name)s” and all that was in it is deleted.") % {"name": access.project.name}
            )
            return redirect("home")
        except Invalid as error:
            form.take_error(error)
    return _page(request, access, _form(access.project), delete_form=form, status=422)


def _save(request: HttpRequest, access: Access, form: SetupForm) -> HttpResponse:
    by, project = signed_in(request), access.project
    try:
        changed = settings.update_settings(
            project=project, by=by, seen=form.cleaned_data["version"], values=form.values()
        )
    except Conflict as error:
        stored = Project.objects.get(pk=project.pk)
        differences = _differences(form, stored)
        form.see(settings.settings_version(stored))
        form.take_error(error)
        return _page(request, access, form, differences=differences, status=409)
    except Invalid as error:
        form.take_error(error)
        return _page(request, access, form, status=422)
    pairs = settings.spread_overlap(project=project, by=by) if form.cleaned_data["spread"] else 0
    said = ngettext("%d setting saved.", "%d settings saved.", len(changed)) % len(changed)
    if pairs:
        said += " " + ngettext("%d pair takes the new overlap.", "%d pairs take the new overlap.", pairs) % pairs
    messages.success(request, said if changed or pairs else _("Nothing was changed."))
    return redirect("setup", project.slug)


def _form(project: Project) -> SetupForm:
    shares = {percent: getattr(project, name) for name, percent in PERCENTS.items()}
    percents = {percent: None if share is None else round(100 * share, 4) for percent, share in shares.items()}
    initial = {"version": settings.settings_version(project), **percents}
    return SetupForm(instance=project, initial=initial)


def _page(
    request: HttpRequest,
    access: Access,
    form: SetupForm,
    *,
    delete_form: DeleteForm | None = None,
    differences: list[Difference] | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "form": form,
        "preview": _as_entered(form),
        "differences": differences,
        "delete_form": delete_form or DeleteForm(),
        "audit": audit_of(access.project),
        "cost": _cost(access.project),
        "gold": gold_counts(access.project),
        "lineups": {"ranking": 0, "rating": 0} | lineup_counts(access.project),
    }
    return project_page(request, access, "annotator/setup.html", context, section="setup", status=status)


def _cost(project: Project) -> Cost:
    asked = project.pairs.filter(withdrawn_at=None, gold_choice="")
    pairs = asked.aggregate(pairs=Count("pk"), judgments=Sum(Coalesce("target", "cap"), default=0))
    return Cost(pairs["pairs"], pairs["judgments"], usual_seconds(project))


def _as_entered(form: SetupForm) -> Preview:
    return Preview(
        instructions=str(form["instructions"].value() or ""),
        tags=form.tags,
        rationales=str(form["rationales"].value() or ""),
        show_guess=bool(form["show_guess"].value()),
        show_machines=bool(form["show_machines"].value()),
        kinds=[kind for kind in KINDS if kind in (form["kinds"].value() or ())],
        scale=_places(str(form["scale"].value() or "")),
        scale_low=str(form["scale_low"].value() or ""),
        scale_high=str(form["scale_high"].value() or ""),
    )


def _places(scale: str) -> list[str]:
    low, _dash, high = (scale if scale in Project.Scale.values else Project.Scale.FIVE).partition("-")
    return [str(n) for n in range(int(low), int(high) + 1)]


def _differences(form: SetupForm, stored: Project) -> list[Difference]:
    """Where the form and the stored settings differ, as people read it."""
    return [
        Difference(_label(form, name), _readable(getattr(stored, name)), _readable(value))
        for name, value in form.values().items()
        if getattr(stored, name) != value
    ]


def _label(form: SetupForm, name: str) -> str:
    if name == "reason_tags":
        return _("Reasons")
    return str(form.fields[PERCENTS.get(name, name)].label)


def _readable(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(each["label"] if isinstance(each, dict) else str(KINDS.get(each, each)) for each in value)
    return str(value)
