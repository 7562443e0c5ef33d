"""Files out: the same rows as the API's export, for who is signed in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_POST

from annotator.access import project_for
from annotator.exports.options import ExportOptions
from annotator.exports.writing import CONTENT_TYPES, export_project, file_name
from annotator.models import Role
from annotator.services.audit import record
from annotator.views.pages import signed_in


@require_POST
@login_required
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    """A download of the project's judgments. A POST, because who exported what is written down."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    options = ExportOptions(
        format=request.POST.get("format", "judgments"),  # type: ignore[arg-type]  # checked by the options
        type=request.POST.get("type", "jsonl"),  # type: ignore[arg-type]
        revisions=request.POST.get("revisions") == "on",
    )
    record(project=access.project, by=signed_in(request), what="exported", format=options.format, type=options.type)
    response = StreamingHttpResponse(export_project(access.project, options), content_type=CONTENT_TYPES[options.type])
    response["Content-Disposition"] = f'attachment; filename="{file_name(access.project, options)}"'
    response["Cache-Control"] = "no-store"
    return response
