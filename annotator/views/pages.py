"""What the owner's pages share: their frame, parts for htmx, pages of long lists, rows of one project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from annotator.access import Access
from annotator.errors import NotFound
from annotator.models import User

PAGE_SIZE = 25
Context = Mapping[str, object]
Row = TypeVar("Row", bound=Model)


def project_page(
    request: HttpRequest, access: Access, template: str, context: Context, *, section: str, status: int = 200
) -> HttpResponse:
    """A page of the project, with the section that the navigation marks."""
    frame = {"access": access, "project": access.project, "section": section}
    return render(request, template, {**context, **frame}, status=status)


def part(
    request: HttpRequest, access: Access, template: str, context: Context, *, target: str, status: int = 200
) -> HttpResponse:
    """The part with the id ``target``, for htmx. Errors in a form go to the same place, not among the notes."""
    frame = {"access": access, "project": access.project}
    response = render(request, template, {**context, **frame}, status=status)
    response["HX-Retarget"] = f"#{target}"
    response["HX-Reswap"] = "outerHTML"
    return response


def is_part(request: HttpRequest, target: str) -> bool:
    """Whether htmx asks for the part with this id (and not for the whole page out of the browser's history)."""
    headers = request.headers
    return headers.get("HX-Target") == target and headers.get("HX-History-Restore-Request") != "true"


def signed_in(request: HttpRequest) -> User:
    """The caller; for views behind ``login_required``."""
    return cast(User, request.user)


def paged(rows: QuerySet[Row], request: HttpRequest, size: int = PAGE_SIZE) -> Page[Row]:
    """The page of ``rows`` that the address asks for; the nearest one where it asks for nonsense."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def row_of(rows: QuerySet[Row], pk: int) -> Row:
    """The row with this id among ``rows``, which are those of a project the caller may see. Raises ``NotFound``."""
    if row := rows.filter(pk=pk).first():
        return row
    raise NotFound(_("There is no %(kind)s %(pk)s in this project.") % {"kind": rows.model.__name__.lower(), "pk": pk})
