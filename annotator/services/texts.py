"""What any text from outside must be before it may go into the database."""

from __future__ import annotations

from django.utils.translation import gettext as _


def text_problem(text: object, *, limit: int) -> str:
    """What is wrong with ``text``, in words for its author; empty if nothing is.

    Postgres takes neither NUL characters nor halves of surrogate pairs; ``limit`` is in code points.
    """
    if not isinstance(text, str):
        return _("This must be text, not %(kind)s.") % {"kind": type(text).__name__}
    if "\x00" in text:
        return _("Character %(place)s is NUL (U+0000), which cannot be stored.") % {"place": text.index(chr(0)) + 1}
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return _("Character %(place)s is half of a surrogate pair (U+%(code)s): no valid text.") % {
            "place": error.start + 1,
            "code": f"{ord(text[error.start]):04X}",
        }
    if len(text) > limit:
        return _("This has %(n)s characters; at most %(limit)s are allowed.") % {
            "n": f"{len(text):,}",
            "limit": f"{limit:,}",
        }
    return ""
