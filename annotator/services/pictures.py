"""Our own store of pictures: by what they say, once for each project, shown to its members only."""

from __future__ import annotations

import hashlib
import re

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.utils.translation import gettext as _

from annotator.errors import Invalid, NotFound
from annotator.models import Picture, Project
from annotator.outbound import NotAllowed, Unanswered, fetch
from annotator.pictures import CONTENT_TYPES, MAX_BYTES, BadPicture, clean

_NAME = re.compile(rf"[0-9a-f]{{64}}\.({'|'.join(CONTENT_TYPES)})")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def is_address(reference: str) -> bool:
    """Whether a reference to a picture is a web address."""
    return bool(_ADDRESS.match(reference))


def is_name(reference: str) -> bool:
    """Whether a reference is the name of a picture that is stored."""
    return bool(_NAME.fullmatch(reference))


def add_picture(*, project: Project, data: bytes) -> Picture:
    """Keep a picture, written anew; the same one again is the one that is there. Raises ``Invalid``."""
    try:
        made = clean(data)
    except BadPicture as bad:
        raise _invalid(str(bad)) from None
    _keep(path_of(project.pk, made.name), made.data)
    with transaction.atomic():
        kept, _made = Picture.objects.get_or_create(
            project=project,
            name=made.name,
            defaults={"width": made.width, "height": made.height, "size": len(made.data)},
        )
    return kept


def fetch_picture(*, project: Project, url: str) -> Picture:
    """Fetch a picture into our store, if the project allows it. Raises ``Invalid``.

    Annotators' browsers never ask the address: they see our copy.
    """
    if not project.picture_urls:
        raise _invalid(_("this project fetches no pictures from addresses; its set-up can allow it"))
    try:
        data = fetch(url, most=MAX_BYTES)
    except (NotAllowed, Unanswered) as why:
        raise _invalid(f"{url[:200]}: {why}") from None
    return add_picture(project=project, data=data)


def stored_as(*, project: Project, data: bytes) -> Picture | None:
    """The stored picture whose very file these bytes are, as an export has them."""
    digest = hashlib.sha256(data).hexdigest()
    return Picture.objects.filter(project=project, name__in=[f"{digest}.{each}" for each in CONTENT_TYPES]).first()


def picture_named(*, project: Project, name: str) -> Picture:
    """One that is stored. Raises ``NotFound``."""
    found = Picture.objects.filter(project=project, name=name).first() if is_name(name) else None
    if found is None:
        raise NotFound(_("There is no picture “%(name)s” in this project.") % {"name": name[:80]})
    return found


def picture_of(*, project: Project, reference: str) -> Picture:
    """The picture that the API's caller names: by its name, or by an address to fetch. Raises ``Invalid``."""
    if is_address(reference):
        return fetch_picture(project=project, url=reference)
    try:
        return picture_named(project=project, name=reference)
    except NotFound as error:
        raise _invalid(str(error)) from None


def remove_pictures(project_id: int) -> None:
    """The files of a project that is gone, and those of imports that came to nothing."""
    folder = f"pictures/{project_id}"
    try:
        parts = media().listdir(folder)[0]
    except FileNotFoundError:  # it never had one
        return
    for part in parts:
        for name in media().listdir(f"{folder}/{part}")[1]:
            media().delete(f"{folder}/{part}/{name}")


def path_of(project_id: int, name: str) -> str:
    """Where a picture lies in the store."""
    return f"pictures/{project_id}/{name[:2]}/{name}"


def media() -> Storage:
    """The store: a folder, or a bucket in production."""
    return storages["media"]


def _keep(path: str, data: bytes) -> None:
    """Write the file once. One that a killed process left unfinished is written again."""
    if media().exists(path):
        if media().size(path) == len(data):
            return
        media().delete(path)
    if (kept := media().save(path, ContentFile(data))) != path:
        media().delete(kept)  # somebody else was faster with the same bytes


def _invalid(problem: str) -> Invalid:
    return Invalid(_("The picture can’t be taken: %(problem)s.") % {"problem": problem}, fields={"picture": problem})
