"""A version's page from which reward models are taken away."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_GET

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError
from annotator.models import Annotator, Role, User
from annotator.views.pages import project_page, signed_in
from attune.rewards.aggregates import HasPrototypes
from personalization.api.classifier import as_number, classifier_response
from personalization.items import load
from personalization.taking_away import Wanted, students, why_not_exact
from personalization.voices import Asker
from training.selectors import find_version
from training.serving import ServedVersion, served

LISTED = 200


@require_GET
@login_required
def model_take(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Whose, and how exact it will be."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    return _page(request, access, served(find_version(access.project, number)))


@require_GET
@login_required
def model_file(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """The zip; or the page again, saying why there is none."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    version = served(find_version(access.project, number))
    user: User = signed_in(request)
    given = {name: request.GET.get(name, "").strip() for name in ("user", "prototype", "student")}
    try:
        wanted = Wanted(
            user=given["user"] or None,
            prototype=as_number(given["prototype"]),
            model=version.label,
            student=given["student"] or None,
        )
        return classifier_response(request, Asker(access, user.pk), wanted, by=user)  # type: ignore[arg-type]
    except AnnotatorError as error:
        return _page(request, access, version, given=given, error=error, status=error.status)


def _page(
    request: HttpRequest,
    access: Access,
    version: ServedVersion,
    *,
    given: dict[str, str] | None = None,
    error: AnnotatorError | None = None,
    status: int = 200,
) -> HttpResponse:
    model = load(version)
    context = {
        "version": version,
        "why_not": why_not_exact(version),
        "students": students(),
        "groups": range(1, len(model.prototypes()) + 1) if isinstance(model, HasPrototypes) else (),
        "listed": Annotator.objects.filter(project=access.project)
        .only("ref", "name", "simulated")
        .order_by("pk")[:LISTED],
        "given": given or {},
        "error": error,
    }
    return project_page(request, access, "personalization/take_away.html", context, section="models", status=status)
