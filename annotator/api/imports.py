"""Files in through the API: upload, look at what it would do, confirm, watch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.files import File
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.api.content import owned, reading
from annotator.api.fields import expect_no_body
from annotator.api.openapi import problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.parsers import StrictJSONParser, TooLarge
from annotator.api.permissions import caller
from annotator.errors import AnnotatorError, Invalid, NotFound
from annotator.imports.batches import cancel_import, preview_batch, start_import, store_upload
from annotator.imports.mapping import read_columns
from annotator.models import ImportBatch, JobState, Project
from annotator.outbound import NotAllowed, Unanswered, fetched

_PIECE = 1024 * 1024
_IN_MEMORY = 4 * 1024 * 1024
_FETCH_SECONDS = 300.0
"""For a whole file from an address."""


_IN_PARTS = (
    "write it part by part, each for good, the good rows only; what is cut short goes on where it was, also where the same file is"
    " sent again."
)


class AnyFile(BaseParser):
    """The body as it is, whatever it calls itself; read by the view."""

    media_type = "*/*"

    def parse(self, stream: Any, *_: object, **__: object) -> Any:
        return stream


@extend_schema_serializer(component_name="Import")
class ImportSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    state = serializers.ChoiceField(JobState.choices)
    confirmed = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    report = serializers.SerializerMethodField(help_text="What it would do, until it is confirmed; then what it did.")
    error = serializers.CharField()
    created_at = serializers.DateTimeField()

    def get_confirmed(self, batch: ImportBatch) -> bool:
        return batch.confirmed_at is not None

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_progress(self, batch: ImportBatch) -> Any:
        return batch.progress

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_report(self, batch: ImportBatch) -> Any:
        return {name: value for name, value in batch.report.items() if name != "rejected_file"}


class ImportsView(APIView):
    """Files that are being read into a project."""

    parser_classes = [AnyFile]
    filters = ()
    parameters = ("name", "confirm", "skip_bad", "in_parts", "map", "annotator", "url")

    @extend_schema(
        operation_id="imports",
        summary="List imports",
        parameters=PARAMETERS,
        responses={200: page_of("ImportPage", ImportSerializer), **problems(400)},
        tags=["data"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first. For owners and viewers."""
        return listed(ImportBatch.objects.filter(project=reading(request, slug)), request, ImportSerializer)

    @extend_schema(
        operation_id="upload",
        summary="Upload a file",
        parameters=[
            OpenApiParameter("name", str, description="What to call it."),
            OpenApiParameter(
                "confirm", bool, default=False, description="Read it in at once, if its first rows are right."
            ),
            OpenApiParameter("skip_bad", bool, default=False, description="With confirm: take the good rows only."),
            OpenApiParameter("in_parts", bool, default=False, description=f"With confirm: {_IN_PARTS}"),
            OpenApiParameter(
                "map", str, many=True, description="`theirs=ours`: the file's name of a field. Can be repeated."
            ),
            OpenApiParameter(
                "url",
                str,
                description="A public https:// address to fetch the file from, in place of a body; where the installation"
                " allows it (`IMPORT_FROM_URLS`).",
            ),
            OpenApiParameter(
                "annotator", str, description="Who judged, where rows don't say; `imported` unless given."
            ),
        ],
        request={"application/octet-stream": {"type": "string", "format": "binary"}},
        responses={201: ImportSerializer, **problems(400, 409, 413, 422)},
        tags=["data"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """JSON lines, JSON, CSV, Parquet or Arrow, plain or gzip, as the body. Says in `report` what it would do; nothing is written before it is
        confirmed. The same file again adds nothing."""
        project = owned(request, slug)
        confirm, in_parts = _flag(request, "confirm"), _flag(request, "in_parts")
        skip_bad = _flag(request, "skip_bad") or in_parts
        columns = read_columns(request.query_params.getlist("map"))
        who = request.query_params.get("annotator", "imported")
        batch = _stored(project, request)
        try:
            preview_batch(batch=batch, columns=columns, who=who)
            batch.refresh_from_db()
            if confirm and (skip_bad or not batch.report.get("rejected")):
                start_import(batch=batch, by=caller(request), skip_bad=skip_bad, in_parts=in_parts)
                batch.refresh_from_db()
        except AnnotatorError:
            cancel_import(batch=batch)
            raise
        return Response(ImportSerializer(batch).data, status=201)


class ImportView(APIView):
    """One import."""

    @extend_schema(
        operation_id="import", summary="Get one import", responses={200: ImportSerializer, **problems()}, tags=["data"]
    )
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """How far it is, or what came of it."""
        return Response(ImportSerializer(_batch(reading(request, slug), pk)).data)


class ImportActView(APIView):
    """Confirming an import, and stopping one. ``act`` comes with the address."""

    act = ""
    parameters = ("skip_bad", "in_parts")
    parser_classes = [StrictJSONParser]

    @extend_schema(
        parameters=[
            OpenApiParameter("skip_bad", bool, default=False, description="Take the good rows only."),
            OpenApiParameter("in_parts", bool, default=False, description=_IN_PARTS.capitalize()),
        ],
        request=None,
        responses={200: ImportSerializer, **problems(409, 413, 422)},
        tags=["data"],
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """A worker reads a confirmed file; what is stopped before its end leaves nothing behind, or the parts that are in."""
        expect_no_body(request)
        batch = _batch(owned(request, slug), pk)
        if self.act == "confirm":
            skip_bad, in_parts = _flag(request, "skip_bad"), _flag(request, "in_parts")
            start_import(batch=batch, by=caller(request), skip_bad=skip_bad, in_parts=in_parts)
        elif not batch.over:
            cancel_import(batch=batch)
        batch.refresh_from_db()
        return Response(ImportSerializer(batch).data)


def _batch(project: Project, pk: int) -> ImportBatch:
    batch = ImportBatch.objects.filter(project=project, pk=pk).select_related("project").first()
    if batch is None:
        raise NotFound(f"There is no import {pk} in this project.")
    return batch


def _stored(project: Project, request: Request) -> ImportBatch:
    """The file, kept until it is confirmed; never more of it in memory than a piece. Raises ``TooLarge``, ``Invalid``."""
    most = settings.IMPORT_MAX_BYTES
    url = request.query_params.get("url")
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as kept:
        size = 0
        for piece in _body(request) if url is None else _fetched(url):
            size += len(piece)
            if size > most:
                raise TooLarge(f"The file has more than {most:,} bytes; read larger ones with `attune import`.")
            kept.write(piece)
        if not size:
            raise Invalid("The body is empty; expected a file.")
        kept.seek(0)
        name = request.query_params.get("name", "upload").replace("\x00", "")[:255] or "upload"
        file = File(kept, name=name)
        file.size = size
        return store_upload(project=project, by=caller(request), file=file, name=name)


def _body(request: Request) -> Iterator[bytes]:
    while piece := request.stream.read(_PIECE) if request.stream else b"":
        yield piece


def _fetched(url: str) -> Iterator[bytes]:
    """Off unless the installation says otherwise. Raises ``Invalid`` where it may not be asked, or does not answer."""
    if not settings.IMPORT_FROM_URLS:
        raise Invalid(
            "This installation fetches no files from addresses.", fields={"url": "Send the file as the body instead."}
        )
    try:
        yield from fetched(url, most=settings.IMPORT_MAX_BYTES, private=False, seconds=_FETCH_SECONDS)
    except NotAllowed as error:
        raise Invalid(f"The address may not be asked: {error}.", fields={"url": str(error)}) from error
    except Unanswered as error:
        raise Invalid(f"The address does not answer: {error}.", fields={"url": str(error)}) from error


def _flag(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "false")
    if given not in ("true", "false"):
        raise Invalid(f"{name} is true or false.", fields={name: f"“{given[:20]}” is neither true nor false."})
    return given == "true"
