"""A file over HTTP with a strong ETag, in whole or in part (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def file_response(request: HttpRequest, path: Path, *, etag: str, content_type: str, name: str) -> HttpResponseBase:
    """The file: 200, 206 for one range, 304 where the client has it, 412 and 416 where what it asks for can't be had.

    More than one range is answered with the whole file, as the RFC allows.
    """
    quoted = f'"{etag}"'
    size = path.stat().st_size
    headers = {"ETag": quoted, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if (wanted := request.headers.get("If-Match")) and not _matches(wanted, quoted):
        return HttpResponse(status=412, headers=headers)
    if (known := request.headers.get("If-None-Match")) and _matches(known, quoted):
        return HttpResponse(status=304, headers=headers)
    headers |= {"Content-Type": content_type, "Content-Disposition": f'attachment; filename="{name}"'}
    first, last, status = 0, size - 1, 200
    asked = request.headers.get("Range", "")
    if asked and request.headers.get("If-Range", quoted) == quoted and (found := _RANGE.fullmatch(asked)):
        part = _part(found[1], found[2], size)
        if part is None:
            return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
        first, last = part
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    headers["Content-Length"] = str(last - first + 1)
    return StreamingHttpResponse(_pieces(path, first, last - first + 1), status=status, headers=headers)


def _matches(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in [each.strip() for each in header.split(",")]


def _part(first: str, last: str, size: int) -> tuple[int, int] | None:
    """First and last byte; None where there are none such. ``-n`` is the last n bytes."""
    if len(first) > 18 or len(last) > 18 or not (first or last):
        return None
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) and size else None
    begin, end = int(first), min(int(last), size - 1) if last else size - 1
    return (begin, end) if begin <= end and begin < size else None


def _pieces(path: Path, first: int, left: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        while left and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
