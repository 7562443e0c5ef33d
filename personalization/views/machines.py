"""Machine annotators of a project: set up, put to work on what people have judged, compared with them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.access import Access, project_for
from annotator.errors import AnnotatorError
from annotator.models import Role
from personalization.machines.executing import waiting_pairs
from personalization.machines.managing import (
    MOST_PAIRS,
    NewMachine,
    add_machine,
    cancel_machine_run,
    renew_key,
    retire_machine,
    start_machine_run,
)
from personalization.machines.reading import find_machine, last_run, machines_of, report_on
from personalization.models import MachineAnnotator
from training.policy_selectors import policies_of
from training.views.numbers import whole_of
from training.views.people import person
from training.views.run import STOP_POLLING


@require_http_methods(["GET", "POST"])
@login_required
def machines(request: HttpRequest, slug: str) -> HttpResponse:
    """All of them, for owners and viewers. A POST by an owner sets one up and goes to its page."""
    if request.method == "GET":
        access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
        return render(request, "personalization/machines.html", _list_context(request, access))
    access = project_for(request.user, slug, Role.OWNER)
    try:
        machine = add_machine(project=access.project, new=_new(request), by=person(request))
    except AnnotatorError as error:
        context = _list_context(request, access) | {"error": error}
        return render(request, "personalization/machines.html", context, status=error.status)
    return redirect("machine", slug, machine.number)


@require_GET
@login_required
def machine(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """What it is, how far it is, and where it and people differ."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    found = find_machine(access.project, number)
    context = _context(access, found) | {"report": report_on(found)}
    return render(request, "personalization/machine.html", context)


@require_GET
@login_required
def machine_live(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The part that moves. When its batch is over, the whole page is asked for once more."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    context = _context(access, find_machine(access.project, number))
    over = context["run"] is None or context["run"].over
    response = render(request, "personalization/_machine_live.html", context, status=STOP_POLLING if over else 200)
    if over:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@login_required
def machine_act(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Judge more pairs, stop, another key, retire."""
    found = find_machine(project_for(request.user, slug, Role.OWNER).project, number)
    try:
        _act(request, found)
    except AnnotatorError as error:
        messages.error(request, str(error))
    return redirect("machine", slug, number)


def _act(request: HttpRequest, found: MachineAnnotator) -> None:
    act, by = request.POST.get("act"), person(request)
    if act == "judge":
        start_machine_run(
            machine=found, most_pairs=whole_of(request.POST.get("most_pairs", "200"), "most_pairs"), by=by
        )
    elif act == "stop" and (run := last_run(found)):
        cancel_machine_run(run=run)
    elif act == "key":
        renew_key(machine=found, key=request.POST.get("key", "").strip(), by=by)
        messages.success(request, _("The key is kept, and nobody is shown it again."))
    elif act == "retire":
        retire_machine(machine=found, by=by)
        messages.success(request, _("“%(name)s” judges nothing more; what it has said stays.") % {"name": found.name})


def _list_context(request: HttpRequest, access: Access) -> dict[str, Any]:
    return {
        "access": access,
        "project": access.project,
        "section": "quality",
        "machines": list(machines_of(access.project)),
        "versions": list(policies_of(access.project).filter(retired=False)),
        "kinds": MachineAnnotator.Kind.choices,
        "entered": request.POST,
    }


def _context(access: Access, found: MachineAnnotator) -> dict[str, Any]:
    return {
        "access": access,
        "project": access.project,
        "section": "quality",
        "machine": found,
        "run": last_run(found),
        "waiting": waiting_pairs(found).count(),
        "most_pairs": MOST_PAIRS,
    }


def _new(request: HttpRequest) -> NewMachine:
    """The form. Raises ``Invalid``."""
    given = request.POST
    policy = {name: whole_of(given[name], name) if given.get(name) else None for name in ("version", "reference")}
    return NewMachine(
        name=given.get("name", ""),
        kind=given.get("kind", ""),
        url=given.get("url", "").strip(),
        model=given.get("model", "").strip(),
        key=given.get("key", "").strip(),
        **policy,
    )
