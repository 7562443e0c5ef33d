"""Pictures from outside: looked at before they are unpacked, then written anew without what else the file held.

What is stored was made here, from pixels alone: no metadata, no second stream in the same file, the first frame only.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 40_000_000
"""So many are unpacked at most: 160 MB in memory."""
MAX_SIDE = 16_000
FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "png"}
"""Formats that are read, and the suffix of what is written for each; of a GIF, its first frame as PNG."""
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
_SAVE: dict[str, tuple[str, dict[str, object]]] = {
    "png": ("PNG", {"optimize": False}),
    "jpg": ("JPEG", {"quality": 92, "subsampling": 0}),
    "webp": ("WEBP", {"quality": 92, "method": 4}),
}


class BadPicture(Exception):
    """These bytes are no picture that is taken; ``str`` says why."""


@dataclass(frozen=True, slots=True)
class Clean:
    """A picture as it is stored; ``name`` is the SHA-256 of ``data`` with the suffix of its format."""

    data: bytes
    name: str
    width: int
    height: int


def clean(data: bytes) -> Clean:
    """The picture written anew, upright, in sRGB. Raises ``BadPicture``."""
    from PIL import Image, ImageOps

    check(data)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=list(FORMATS)) as opened:
            suffix = FORMATS[opened.format or ""]
            opened.seek(0)
            picture = _plain(_in_srgb(ImageOps.exif_transpose(opened)), suffix)
            out = io.BytesIO()
            name, options = _SAVE[suffix]
            picture.save(out, name, **options)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise BadPicture(_("it is damaged: %(error)s") % {"error": error}) from None
    stored = out.getvalue()
    return Clean(stored, f"{hashlib.sha256(stored).hexdigest()}.{suffix}", picture.width, picture.height)


def _expected() -> str:
    known = {"mb": MAX_BYTES // 1024**2, "millions": MAX_PIXELS // 10**6}
    return _("a PNG, JPEG, WebP or GIF of at most %(mb)s MB and %(millions)s million pixels") % known


def check(data: bytes) -> None:
    """Raises ``BadPicture`` for what its first bytes say is no picture that is taken. Unpacks nothing."""
    from PIL import Image

    if len(data) > MAX_BYTES:
        known = {"n": f"{len(data):,}", "most": f"{MAX_BYTES:,}"}
        raise BadPicture(_("it has %(n)s bytes; expected at most %(most)s") % known)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=list(FORMATS)) as opened:
            width, height = opened.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise BadPicture(_("it is none; expected %(expected)s") % {"expected": _expected()}) from None
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        known = {"width": f"{width:,}", "height": f"{height:,}", "most": f"{MAX_PIXELS:,}", "side": f"{MAX_SIDE:,}"}
        raise BadPicture(_("it has %(width)s × %(height)s pixels; expected at most %(most)s, %(side)s a side") % known)


def _in_srgb(picture: Image) -> Image:
    """Colours as a browser shows them once the profile is gone; a profile that can't be read is passed over."""
    from PIL import ImageCms

    if not (profile := picture.info.get("icc_profile")):
        return picture
    try:
        mode = picture.mode if picture.mode in ("RGB", "RGBA", "L") else "RGB"
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turned = ImageCms.profileToProfile(picture, given, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return turned or picture


def _plain(picture: Image, suffix: str) -> Image:
    """Pixels and nothing else, in a mode that the format has."""
    from PIL import Image

    clear = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    mode = "L" if picture.mode == "L" and not clear else "RGBA" if clear and suffix != "jpg" else "RGB"
    turned = picture.convert(mode)
    plain = Image.new(mode, turned.size)
    plain.paste(turned)
    return plain
