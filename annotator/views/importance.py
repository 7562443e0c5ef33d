"""Which aspects matter most to an annotator: an order, changed step by step or all at once."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from annotator.errors import Invalid
from annotator.services.aspects import has_order, importance_of, set_importance
from annotator.services.people import judge_of
from annotator.views.pages import is_part, part, project_page, signed_in


@require_http_methods(["GET", "POST"])
@login_required
def importance(request: HttpRequest, slug: str) -> HttpResponse:
    """The caller's order. POST sends it whole; ``up`` or ``down`` names an aspect that moves by one place first."""
    access, annotator = judge_of(user=signed_in(request), slug=slug)
    if request.method == "POST":
        set_importance(annotator=annotator, keys=_moved(request))
        if not is_part(request, "order"):
            messages.success(request, _("Your order is kept."))
            return redirect("importance", slug)
    context = {"aspects": importance_of(annotator), "ordered": has_order(annotator)}
    if is_part(request, "order"):
        return part(request, access, "annotator/_importance.html", context, target="order")
    return project_page(request, access, "annotator/importance.html", context, section="history")


def _moved(request: HttpRequest) -> list[str]:
    keys = request.POST.getlist("order")
    for act, step in (("up", -1), ("down", 1)):
        if key := request.POST.get(act):
            if key not in keys:
                raise Invalid(_("“%(key)s” is not in the order.") % {"key": key}, fields={act: key})
            place = keys.index(key)
            other = min(len(keys) - 1, max(0, place + step))
            keys[place], keys[other] = keys[other], keys[place]
    return keys
