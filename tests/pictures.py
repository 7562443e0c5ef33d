"""Pictures for tests, made on the spot."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw

from annotator.models import Picture, Project, Response
from annotator.services.pictures import add_picture


def picture(colour: str = "red", *, size: tuple[int, int] = (60, 40), format: str = "PNG", **save: Any) -> bytes:  # noqa: A002
    """A plain field of one colour with a diagonal."""
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).line((0, 0, *size), fill="white", width=3)
    out = io.BytesIO()
    image.save(out, format, **save)
    return out.getvalue()


def pictured(response: Response, colour: str, size: tuple[int, int] = (600, 400)) -> Picture:
    """The response as a picture of its own."""
    project: Project = response.prompt.project
    kept = add_picture(project=project, data=picture(colour, size=size))
    Response.objects.filter(pk=response.pk).update(picture=kept)
    return kept
