"""Files in: upload, look at what it would do, confirm, watch, cancel; and the list of what came in."""

from __future__ import annotations

from contextlib import suppress

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.storage import storages
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError, NotFound
from annotator.forms import UploadForm
from annotator.imports.batches import cancel_import, preview_batch, start_import, store_upload
from annotator.imports.errors import WrongHeader
from annotator.imports.mapping import MAX_NAME, TARGETS
from annotator.models import ImportBatch, JobState, Role
from annotator.services.audit import record
from annotator.views.pages import is_part, paged, part, project_page, row_of, signed_in

HISTORY = 15
FORM_ROOM = 100_000
"""Bytes of a request beside its file."""
STOP_POLLING = 286
"""htmx's status for "this was the last answer"."""


@csrf_exempt  # checked in _upload, after the size: the check itself reads the whole body
@require_http_methods(["GET", "POST"])
@login_required
def data(request: HttpRequest, slug: str) -> HttpResponse:
    """What came in, and the ways in and out. Owners upload; viewers look and export."""
    if request.method == "POST":
        access = project_for(request.user, slug, Role.OWNER)
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.IMPORT_MAX_BYTES + FORM_ROOM:
            return _too_large(request, access)
        return _upload(request, access)
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    return _page(request, access, UploadForm())


@require_GET
@login_required
def import_page(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One file: what it would do, how far it is, or what it did. The state is a part that asks for itself again."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    batch = row_of(_batches(access), pk)
    context = {"batch": batch, "problems": _problems(batch), "mapping": _mapping(batch), "targets": TARGETS}
    if is_part(request, "import-state"):
        status = STOP_POLLING if batch.over else 200
        return part(request, access, "annotator/_import_state.html", context, target="import-state", status=status)
    return project_page(request, access, "annotator/import.html", context, section="data")


@require_POST
@login_required
def import_confirm(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Hand the file to a worker; ``skip_bad`` takes its good rows and keeps the others aside, ``in_parts`` part by part."""
    access = project_for(request.user, slug, Role.OWNER)
    batch = row_of(_batches(access), pk)
    skip_bad, in_parts = (request.POST.get(name) == "on" for name in ("skip_bad", "in_parts"))
    start_import(batch=batch, by=signed_in(request), skip_bad=skip_bad, in_parts=in_parts)
    return redirect("import", slug, pk)


@require_POST
@login_required
def import_columns(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Look at the file again, with some of its columns called as ours."""
    access = project_for(request.user, slug, Role.OWNER)
    batch = row_of(_batches(access).filter(confirmed_at=None).exclude(path=""), pk)
    given = zip(request.POST.getlist("theirs"), request.POST.getlist("ours"), strict=False)
    columns = {theirs: ours for theirs, ours in given if ours}
    try:
        preview_batch(batch=batch, columns=columns, who=request.POST.get("who", "").strip()[:MAX_NAME] or "imported")
    except AnnotatorError as error:
        messages.error(request, str(error))
    return redirect("import", slug, pk)


@require_POST
@login_required
def import_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Stop it. Nothing of a file that was not read to its end is in the project."""
    access = project_for(request.user, slug, Role.OWNER)
    batch = row_of(_batches(access), pk)
    if not batch.over:
        cancel_import(batch=batch)
        record(project=access.project, by=signed_in(request), what="import cancelled", name=batch.name)
        messages.success(request, _("“%(name)s” is not imported.") % {"name": batch.name})
    return redirect("data", slug)


@require_GET
@login_required
def import_rejected(request: HttpRequest, slug: str, pk: int) -> HttpResponseBase:
    """The rows that were left out, as they came, each with its problem."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    path = row_of(_batches(access), pk).report.get("rejected_file", "")
    storage = storages["uploads"]
    if not path or not storage.exists(path):
        raise NotFound(_("There are no rejected rows of this import."))
    return FileResponse(
        storage.open(path), as_attachment=True, filename=f"{slug}-rejected-{pk}.jsonl", content_type="application/jsonl"
    )


@csrf_protect
def _upload(request: HttpRequest, access: Access) -> HttpResponse:
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, access, form, status=422)
    batch = None
    try:
        batch = store_upload(project=access.project, by=signed_in(request), file=form.cleaned_data["file"])
        with suppress(WrongHeader):  # its page is where columns can be mapped
            preview_batch(batch=batch)
    except AnnotatorError as error:
        if batch:
            cancel_import(batch=batch)
        form.add_error("file", error.fields.get("file") or str(error))
        return _page(request, access, form, status=422)
    return redirect("import", access.project.slug, batch.pk)


def _too_large(request: HttpRequest, access: Access) -> HttpResponse:
    form = UploadForm({}, {})
    form.errors.clear()
    most = filesizeformat(settings.IMPORT_MAX_BYTES)
    form.add_error("file", _("The file is larger than %(most)s. Use “attune import” for it.") % {"most": most})
    return _page(request, access, form, status=413)


def _page(request: HttpRequest, access: Access, form: UploadForm, *, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "batches": paged(_batches(access), request, HISTORY),
        "most": filesizeformat(settings.IMPORT_MAX_BYTES),
        "states": JobState,
    }
    return project_page(request, access, "annotator/data.html", context, section="data", status=status)


def _problems(batch: ImportBatch) -> list[dict[str, object]]:
    """The report's problems for a table: a message says line and field once more, in front of its first colon."""
    problems = batch.report.get("problems", [])
    return [{**problem, "what": problem["message"].partition(": ")[2]} for problem in problems]


def _mapping(batch: ImportBatch) -> list[tuple[str, str]]:
    """The file's names of its fields, each with what it stands for; empty: for itself."""
    columns = batch.report.get("columns", {})
    return [(name, columns.get(name, "")) for name in batch.report.get("names", [])]


def _batches(access: Access) -> QuerySet[ImportBatch]:
    return access.project.imports.select_related("by", "project")
