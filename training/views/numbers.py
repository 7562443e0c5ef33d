"""Numbers as forms send them."""

from __future__ import annotations

from django.utils.translation import gettext as _

from annotator.errors import Invalid

MOST_DIGITS = 9
LARGEST = 1e9


def whole_of(text: str, name: str) -> int:
    """A whole number, 0 or more. Raises ``Invalid`` naming the field."""
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        problem = _("%(name)s is “%(text)s”; expected a whole number.") % {"name": name, "text": text[:40]}
        raise Invalid(problem, fields={name: problem})
    return int(text)


def number_of(text: str, name: str) -> float:
    """A finite number below ``LARGEST``. Raises ``Invalid`` naming the field."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < LARGEST:
        problem = _("%(name)s is “%(text)s”; expected a number.") % {"name": name, "text": text.strip()[:40]}
        raise Invalid(problem, fields={name: problem})
    return value
