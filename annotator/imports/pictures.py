"""Pictures that rows name: in the zip they came with, in the project already, or at an address."""

from __future__ import annotations

from django.utils.translation import gettext as _

from annotator.errors import Invalid
from annotator.imports.archives import Archive
from annotator.imports.errors import BadRow
from annotator.imports.rows import ResponseText
from annotator.models import Picture, Project
from annotator.pictures import BadPicture, check
from annotator.services.content import short_ref
from annotator.services.pictures import add_picture, fetch_picture, is_address, is_name, stored_as

Placed = tuple[int | None, str]
"""A picture's row and name; no row where nothing is written."""


class Pictures:
    """Puts the pictures of a file into the project's store, each once. A dry run only looks at them, and fetches none."""

    def __init__(self, project: Project, archive: Archive | None = None, *, dry_run: bool = False) -> None:
        self._project, self._archive, self._dry_run = project, archive, dry_run
        self._known: dict[str, Placed | str] = {}

    def place(self, response: ResponseText, field: str) -> None:
        """Give a response its stored picture, and an id where it has none. Raises ``BadRow``."""
        reference = response.picture
        if reference not in self._known:
            try:
                self._known[reference] = self._found(reference)
            except Invalid as error:
                self._known[reference] = error.fields.get("picture", str(error))
        found = self._known[reference]
        if isinstance(found, str):
            raise BadRow("wrong_picture", field, reference, _("another: %(found)s") % {"found": found})
        response.picture_id, name = found
        response.ref = response.ref or short_ref(name)

    def _found(self, reference: str) -> Placed:
        if is_address(reference):
            return self._at_address(reference)
        if self._archive and (data := self._archive.picture(reference)) is not None:
            return self._added(data)
        named = Picture.objects.filter(project=self._project, name=reference) if is_name(reference) else None
        if named and (row := named.first()):
            return row.pk, row.name
        where = _("no file in the zip is called so") if self._archive else _("this file is no zip that could hold it")
        raise _refused(_("%(where)s, and no stored picture is") % {"where": where})

    def _at_address(self, url: str) -> Placed:
        if not self._dry_run:
            row = fetch_picture(project=self._project, url=url)
            return row.pk, row.name
        if not self._project.picture_urls:
            raise _refused(_("this project fetches no pictures from addresses; its set-up can allow it"))
        return None, url

    def _added(self, data: bytes) -> Placed:
        if kept := stored_as(project=self._project, data=data):  # one that we wrote is not written anew
            return kept.pk, kept.name
        if not self._dry_run:
            row = add_picture(project=self._project, data=data)
            return row.pk, row.name
        try:
            check(data)
        except BadPicture as bad:
            raise _refused(str(bad)) from None
        return None, f"{hash(data) & 0xFFFFFFFFFFFFFFFF:016x}"


def _refused(problem: str) -> Invalid:
    return Invalid(problem, fields={"picture": problem})
