"""What a response says, as every page shows it: its Markdown, or its picture. ``annotator/_content.html`` renders it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotator.markdown import Rendered, render
from annotator.models import Response
from annotator.services.dealing import PictureShown, Shown

Turns = tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Content:
    """One response. Of a picture, ``text`` says in words what it shows; ``after`` is how the conversation went on."""

    slug: str
    """The project's."""
    text: str
    rendered: Rendered | None
    """None of a picture. Made before the page is: where templates stand deep in one another, Python's own stack grows and
    shrinks with every call of the parser, and it takes twice as long."""
    picture: PictureShown | None = None
    after: Turns = ()
    consequence: str = ""

    @classmethod
    def of(cls, slug: str, shown: Shown) -> Content:
        """Of a pair that is dealt."""
        rendered = None if shown.picture else render(shown.text)
        return cls(slug, shown.text, rendered, shown.picture, shown.after, shown.consequence)

    @classmethod
    def of_row(cls, slug: str, row: Response) -> Content:
        """Of a stored response; reads its picture."""
        return cls.of(slug, shown_of(row))

    @property
    def src(self) -> str:
        return reverse("picture", args=[self.slug, self.picture.name]) if self.picture else ""

    @cached_property
    def length(self) -> str:
        """In words, or a picture's size."""
        if self.picture:
            return _("%(width)d × %(height)d") % {"width": self.picture.width, "height": self.picture.height}
        count = len(self.text.split())
        return ngettext("%(n)s word", "%(n)s words", count) % {"n": count}


def shown_of(row: Response) -> Shown:
    """A stored response as dealing gives it; reads its picture."""
    picture = PictureShown(row.picture.name, row.picture.width, row.picture.height) if row.picture else None
    return Shown(row.pk, row.text, row.digest, picture, tuple(row.after), row.consequence)


def shared_after(contents: Sequence[Content]) -> Turns:
    """How the conversation went on, where it went on in the same way after each of them."""
    first, *others = contents
    return first.after if all(each.after == first.after for each in others) else ()
