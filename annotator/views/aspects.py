"""Set-up: what the owner asks about beside the choice."""

from __future__ import annotations

from itertools import zip_longest

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotator.access import project_for
from annotator.errors import Invalid
from annotator.models import Aspect, Role
from annotator.services.aspects import MAX_ASPECTS, AspectAsked, aspects_of, set_aspects
from annotator.views.pages import project_page, signed_in

SPARE_ROWS = 3


@require_http_methods(["GET", "POST"])
@login_required
def setup_aspects(request: HttpRequest, slug: str) -> HttpResponse:
    """The aspects in their order; an empty name drops its row, and what was said of it stays."""
    access = project_for(request.user, slug, Role.OWNER)
    error: Invalid | None = None
    rows = [AspectAsked(each.name, each.way, each.steps, each.key) for each in aspects_of(access.project)]
    if request.method == "POST":
        rows = _asked(request.POST)
        try:
            set_aspects(project=access.project, by=signed_in(request), asked=rows)
            messages.success(request, _("The aspects are saved."))
            return redirect("setup_aspects", slug)
        except Invalid as refused:
            error = refused
    spare = [AspectAsked("", Aspect.Way.COMPARE)] * min(SPARE_ROWS, MAX_ASPECTS - len(rows))
    problems = error.fields if error else {}
    context = {
        "rows": [(row, problems.get(str(n), "")) for n, row in enumerate([*rows, *spare])],
        "ways": Aspect.Way.choices,
        "error": error,
    }
    status = error.status if error else 200
    return project_page(request, access, "annotator/setup_aspects.html", context, section="setup", status=status)


def _asked(form: QueryDict) -> list[AspectAsked]:
    columns = (form.getlist(name) for name in ("name", "way", "steps", "key"))
    return [
        AspectAsked(name, way, int(steps) if steps.isdecimal() and len(steps) < 4 else 0, key)
        for name, way, steps, key in zip_longest(*columns, fillvalue="")
        if name.strip()
    ]
