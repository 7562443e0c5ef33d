"""A project's snapshots: freeze one, also of a past moment; see what was made of each; compare two."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError
from annotator.models import Role
from annotator.setup_form import REWARD_MODELS
from annotator.views.pages import paged, project_page
from attune import rewards
from training.comparing import KINDS, checked_kinds, compare
from training.filters import CHOICES, LISTS, MOMENTS, SnapshotFilters, moment
from training.snapshot_selectors import find_snapshot, snapshots_of
from training.snapshots import name_snapshot, take_snapshot
from training.views.people import person

ROWS = 25
MOST_LISTED = 200


@require_GET
@login_required
def snapshots(request: HttpRequest, slug: str) -> HttpResponse:
    """What is frozen, for owners and viewers."""
    return _page(request, project_for(request.user, slug, Role.OWNER, Role.VIEWER))


@require_POST
@login_required
def snapshot_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Freeze what the form asks for; what is wrong with it is said beside it."""
    access = project_for(request.user, slug, Role.OWNER)
    try:
        at = request.POST.get("as_of", "").strip()
        taken = take_snapshot(
            project=access.project,
            by=person(request),
            name=request.POST.get("name", "").strip(),
            at=moment(_zoned(at), "as_of") if at else None,
            filters=SnapshotFilters.read(_filters(request.POST)),
        )
    except AnnotatorError as error:
        return _page(request, access, error=error, status=error.status)
    messages.success(request, _("Frozen: %(name)s.") % {"name": taken})
    return redirect("snapshots", slug)


@require_POST
@login_required
def snapshot_name(request: HttpRequest, slug: str, digest: str) -> HttpResponse:
    """Name one that has none."""
    project = project_for(request.user, slug, Role.OWNER).project
    found = find_snapshot(project, digest)
    try:
        name_snapshot(snapshot=found, name=request.POST.get("name", "").strip(), by=person(request))
    except AnnotatorError as error:
        messages.error(request, str(error))
    return redirect("snapshots", slug)


@require_GET
@login_required
def snapshot_diff(request: HttpRequest, slug: str) -> HttpResponse:
    """What came, what went and what changed between two, for owners and viewers."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    kind = request.GET.get("kind", "")
    kinds = checked_kinds(kind)
    before, after = (find_snapshot(access.project, request.GET.get(side, "")) for side in ("before", "after"))
    number = request.GET.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 1
    found = compare(before=before, after=after, kinds=kinds, first=ROWS * (max(page, 1) - 1), most=ROWS)
    total = sum(found.counts[each] for each in kinds)
    context = {
        "found": found,
        "kind": kind,
        "tallies": [(name, found.counts[name]) for name in (*KINDS, "same")],
        "page": Paginator(range(total), ROWS).get_page(page),
        "total": total,
    }
    return project_page(request, access, "training/snapshot_diff.html", context, section="data")


def _page(
    request: HttpRequest, access: Access, *, error: AnnotatorError | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "page": paged(snapshots_of(access.project), request),
        "every": access.project.snapshots.all()[:MOST_LISTED],
        "error": error,
        "given": request.POST,
        "choices": CHOICES,
        "model_choices": {name: REWARD_MODELS.get(name, name) for name in rewards.names()},
    }
    return project_page(request, access, "training/snapshots.html", context, section="data", status=status)


def _filters(given: QueryDict) -> dict[str, str]:
    """The filters of the form; times on the page are UTC."""
    names = (*CHOICES, *LISTS, *MOMENTS)
    chosen = {name: value for name in names if (value := given.get(name, "").strip())}
    return {name: _zoned(value) if name in MOMENTS else value for name, value in chosen.items()}


def _zoned(given: str) -> str:
    return given if given.endswith("Z") or "+" in given else f"{given}Z"
