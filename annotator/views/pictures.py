"""Pictures of responses: shown to the project's members, added by its owners."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files import File
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotModified
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError, Invalid, NotFound
from annotator.forms import PicturesForm
from annotator.models import Picture, Role
from annotator.pictures import CONTENT_TYPES, MAX_BYTES
from annotator.services.content import NewResponse, add_prompt
from annotator.services.pictures import add_picture, media, path_of, picture_named
from annotator.views.pages import is_part, paged, part, project_page

PLACES = 4
"""Pictures that the form takes at once."""
KEPT = "private, max-age=31536000, immutable"


@require_GET
@login_required
def picture(request: HttpRequest, slug: str, name: str) -> HttpResponseBase:
    """The file, for members of the project. What has this name never changes, so browsers may keep it."""
    return picture_response(request, picture_named(project=project_for(request.user, slug).project, name=name))


def picture_response(request: HttpRequest, found: Picture) -> HttpResponseBase:
    """A stored picture, or 304 where the caller has it."""
    tag = f'"{found.name}"'
    if request.headers.get("If-None-Match") == tag:
        response: HttpResponseBase = HttpResponseNotModified()
    else:
        try:
            file = media().open(path_of(found.project_id, found.name))
        except FileNotFoundError:
            raise NotFound(_("The file of the picture %(name)s is gone.") % {"name": found.name}) from None
        response = FileResponse(file, content_type=CONTENT_TYPES[found.name.rpartition(".")[2]])
        response["Content-Disposition"] = "inline"
    response["ETag"], response["Cache-Control"] = tag, KEPT
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_http_methods(["GET", "POST"])
@login_required
def pictures(request: HttpRequest, slug: str) -> HttpResponse:
    """What is stored, and a form for a prompt that pictures answer."""
    if request.method == "GET":
        access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
        return _page(request, access, PicturesForm())
    access = project_for(request.user, slug, Role.OWNER)
    form = PicturesForm(request.POST)
    rows = _rows(request)
    if form.is_valid():
        try:
            _add(access, form.cleaned_data, rows)
        except AnnotatorError as error:
            form.take_error(error)
        else:
            messages.success(request, _("The pictures are in the project, every two of them as a pair."))
            return redirect("pictures", slug)
    return _page(request, access, form, rows=rows, status=422)


def _rows(request: HttpRequest) -> list[tuple[File[bytes] | None, str]]:
    """The files with what they show, in the order of the form."""
    return [(request.FILES.get(f"file_{n}"), request.POST.get(f"shows_{n}", "").strip()) for n in range(1, PLACES + 1)]


def _add(access: Access, said: dict[str, Any], rows: list[tuple[File[bytes] | None, str]]) -> None:
    fields: dict[str, str] = {}
    for n, (file, shows) in enumerate(rows, start=1):
        if file and not shows:
            fields[f"picture {n}"] = _(
                "Say what picture %(n)d shows: people who can’t see it, and models, know only that."
            ) % {"n": n}
        if shows and not file:
            fields[f"picture {n}"] = _("Choose the file of picture %(n)d.") % {"n": n}
        if file and (file.size or 0) > MAX_BYTES:
            fields[f"picture {n}"] = _("Picture %(n)d has more than %(most)d MB.") % {
                "n": n,
                "most": MAX_BYTES // 1024**2,
            }
    given = [(file, shows) for file, shows in rows if file and shows]
    if not fields and len(given) < 2:
        fields["pictures"] = _("Choose at least two pictures.")
    if fields:
        raise Invalid(" ".join(fields.values()), fields=fields)
    kept = [(add_picture(project=access.project, data=file.read()), shows) for file, shows in given]
    responses = [NewResponse(shows, picture=each.name) for each, shows in kept]
    add_prompt(project=access.project, prompt=said["prompt"], responses=responses, topic=said["topic"])


def _page(
    request: HttpRequest,
    access: Access,
    form: PicturesForm,
    *,
    rows: list[tuple[File[bytes] | None, str]] | None = None,
    status: int = 200,
) -> HttpResponse:
    shown = access.project.pictures.prefetch_related("responses").order_by("-id")
    places = [(n, shows) for n, (_file, shows) in enumerate(rows or [(None, "")] * PLACES, start=1)]
    context = {"form": form, "page": paged(shown, request, 24), "places": places}
    if is_part(request, "pictures"):
        return part(request, access, "annotator/_pictures.html", context, target="pictures")
    return project_page(request, access, "annotator/pictures.html", context, section="data", status=status)
