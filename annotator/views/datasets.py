"""Datasets for trainers: chosen in words, looked at, made once and downloaded."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice

import orjson
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_GET, require_POST

from annotator.access import project_for
from annotator.dataset_form import DatasetForm
from annotator.errors import Invalid
from annotator.exports.dataset_options import DatasetOptions
from annotator.exports.dataset_rows import dataset_rows
from annotator.exports.datasets import CONTENT_TYPES, dataset_name
from annotator.exports.keeping import kept_dataset
from annotator.exports.options import Tally
from annotator.models import Project, Role
from annotator.ranges import file_response
from annotator.services.audit import record
from annotator.views.pages import is_part, part, project_page, signed_in

FIRST = 3
"""Rows that are shown before anything is downloaded."""


@require_GET
@login_required
def datasets(request: HttpRequest, slug: str) -> HttpResponse:
    """The choices; with some in the address, what comes of them: rows, what is left out and why, the first of them."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    form = DatasetForm(request.GET.dict())
    looked = form.is_valid() and "look" in request.GET
    context = {"form": form, **(_made(access.project, form.options()) if looked else {})}
    if is_part(request, "dataset"):
        return part(request, access, "annotator/_dataset.html", context, target="dataset")
    return project_page(request, access, "annotator/datasets.html", context, section="data")


@require_POST
@login_required
def dataset_file(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The file. A POST, because who took what is written down."""
    project = project_for(request.user, slug, Role.OWNER, Role.VIEWER).project
    form = DatasetForm(request.POST.dict())
    if not form.is_valid():
        raise Invalid(" ".join(str(each[0]) for each in form.errors.values()))
    options = form.options()
    kept = kept_dataset(project=project, options=options)
    about = {"form": options.form, "type": options.type, "sha256": kept.sha256}
    record(project=project, by=signed_in(request), what="dataset exported", **about)
    name = dataset_name(project, options)
    return file_response(request, kept.path, etag=kept.sha256, content_type=CONTENT_TYPES[options.type], name=name)


def _made(project: Project, options: DatasetOptions) -> dict[str, object]:
    rows = dataset_rows(project, options, Tally())
    first = [orjson.dumps(row, option=orjson.OPT_INDENT_2).decode() for row in islice(rows, FIRST)]
    return {
        "kept": kept_dataset(project=project, options=options),
        "first": first,
        "options": asdict(options),
        "name": dataset_name(project, options),
    }
