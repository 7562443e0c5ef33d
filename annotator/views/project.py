"""A new project, and the overview of one: will we finish, can we trust it, who needs me?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from annotator.access import Access, project_for
from annotator.charts import BarChart, bar_chart, on_strip
from annotator.errors import AnnotatorError
from annotator.forms import ProjectForm
from annotator.models import Project, Role
from annotator.models.projects import only_pairs
from annotator.selectors import dashboard
from annotator.selectors.dashboard import A_WEEK, Checks, Day, Habits, People, Progress, kept
from annotator.selectors.hindsight import second_looks
from annotator.selectors.quality import agreement
from annotator.selectors.trust import Report, report_of, steps_lately
from annotator.services.projects import TEMPLATES, create_project
from annotator.views.pages import is_part, part, project_page, signed_in
from attune.quality.agreement import Agreement
from attune.quality.intervals import Interval

MANY_DAYS = 3_650
PEOPLE_SHOWN = 12
LEVELS = (("chance", 0.2), ("taste", 0.4), ("shared", 0.67), ("rule", 2.0))
"""Stretches of α, by their upper ends."""
ENOUGH_PAIRS = 20
"""Shared pairs below which nothing is said of agreement."""
SCALE = 300
"""Width of the drawn scale of α."""
STRIP = 60
"""Width of the strip on which the share of left choices is marked."""


@dataclass(frozen=True, slots=True)
class Person:
    """A row of the table of people."""

    habits: Habits
    mark: int | None
    """Where their share of left choices stands on the strip."""
    flag: str
    """Why somebody should look at their judgments; mostly empty."""


@dataclass(frozen=True, slots=True)
class Table:
    """A page of the people, the counts over all of them, and the median time that rows are held against."""

    people: People
    rows: list[Person]
    usual: float | None
    page: Page[int]


@dataclass(frozen=True, slots=True)
class Agreeing:
    """Whose agreement it is, and where α and its interval stand on the drawn scale."""

    found: Agreement
    alpha: Interval
    simulated: bool
    at: int
    low: int
    high: int
    of: str = ""
    """Of what, if not of pairs."""

    @property
    def level(self) -> str:
        """In which of the scale's four stretches α lies."""
        return next(name for name, end in LEVELS if self.alpha.estimate < end)


@dataclass(frozen=True, slots=True)
class Finish:
    """When the project will be done at the pace of the last week; no ``day`` where nobody judged."""

    a_day: float
    day: date | None


@require_GET
@login_required
def project(request: HttpRequest, slug: str) -> HttpResponse:
    """The overview; as a part only the table of people, which is paged."""
    access = project_for(request.user, slug, Role.OWNER, Role.VIEWER)
    table = _table(access.project, request.GET.get("page", ""))
    if is_part(request, "people"):
        return part(request, access, "annotator/_people_table.html", {"table": table}, target="people")
    return project_page(request, access, "annotator/project.html", _overview(access, table), section="overview")


@require_http_methods(["GET", "POST"])
@login_required
def project_new(request: HttpRequest) -> HttpResponse:
    """Anybody with an account may start a project, and owns it."""
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_project(owner=signed_in(request), **form.cleaned_data)
            messages.success(request, _("“%(name)s” is ready. Import something to judge next.") % {"name": made.name})
            return redirect("project", made.slug)
        except AnnotatorError as error:
            form.take_error(error)
    context = {"form": form, "templates": TEMPLATES}
    return render(request, "annotator/project_new.html", context, status=422 if form.errors else 200)


def _overview(access: Access, table: Table) -> dict[str, object]:
    project = access.project
    progress, splits = kept(project, "pairs", partial(dashboard.pairs, project))
    if project.kinds != only_pairs():
        progress = progress.with_lineups(*kept(project, "lineups", partial(dashboard.lineups, project)))
    report = kept(project, "report", partial(report_of, project))
    days = kept(project, "days", partial(dashboard.per_day, project))
    return {
        "table": table,
        "alerts": [person for person in table.rows if person.flag and not person.habits.simulated][:3],
        "progress": progress,
        "splits": splits,
        "days": days,
        "has_simulated": any(day.simulated for day in days),
        "charts": [_chart(days, width=560, height=200, every=7), _chart(days, width=320, height=180, every=14)],
        "agreements": _agreements(project, report),
        "report": report,
        "fallen": kept(project, "fallen", partial(steps_lately, project)),
        "finish": _finish(progress, table.people),
        "checks": _checks(project, report),
        "hindsight": kept(project, "hindsight", partial(second_looks, project)),
        "models_card": _address_if_any("models_card", project.slug),
    }


def _agreements(project: Project, report: Report | None) -> list[Agreeing]:
    """People's agreement, and simulated annotators' where the project has some; the report's, or until there is one our own."""
    known = {group.simulated: group.nominal for group in report.groups} if report else {}
    agreeing = []
    for simulated in (False, True) if project.simulated else (False,):
        found = known.get(simulated)
        if found is None:
            found = kept(project, f"agreement:{simulated}", partial(agreement, project, simulated=simulated))
        agreeing += _agreeing(found, simulated)
    for group in report.groups if report else ():
        agreeing += _agreeing(group.ranking, group.simulated, _("places in rankings"))
        for each in group.ratings:
            scale = each.name.replace("-", "–")
            agreeing += _agreeing(each.ordinal, group.simulated, _("ratings from %(scale)s") % {"scale": scale})
    return agreeing


def _agreeing(found: Agreement | None, simulated: bool, of: str = "") -> list[Agreeing]:
    """One to show, or none where too little is shared."""
    if found is None or not (alpha := found.alpha) or found.units < ENOUGH_PAIRS:
        return []
    at, low, high = (on_strip(share, SCALE) for share in (alpha.estimate, alpha.low, alpha.high))
    return [Agreeing(found, alpha, simulated, at, low, high, of)]


def _checks(project: Project, report: Report | None) -> Checks:
    """People's, of pairs, rankings and ratings, from the report; until there is one, counted now, of pairs."""
    found = next((group.figures for group in report.groups if not group.simulated), None) if report else None
    if found is None:
        return kept(project, "checks", partial(dashboard.checks, project))
    counts = [(round(each.estimate * each.of), each.of) if each else (0, 0) for each in (found["gold"], found["same"])]
    return Checks(*counts[0], *counts[1])


def _table(project: Project, page: str) -> Table:
    number = int(page) if page.isdecimal() and len(page) < 6 else 1
    people = _people(project, number)
    if not people.rows and number > 1:
        number, people = 1, _people(project, 1)
    usual = kept(project, "usual", partial(dashboard.usual_seconds, project))
    rows = [Person(habits, _mark(habits), _flag(habits, usual)) for habits in people.rows]
    return Table(people, rows, usual, Paginator(range(people.annotators), PEOPLE_SHOWN).get_page(number))


def _people(project: Project, number: int) -> People:
    count = partial(dashboard.people, project, offset=(max(number, 1) - 1) * PEOPLE_SHOWN, limit=PEOPLE_SHOWN)
    return kept(project, f"people:{number}", count)


def _mark(habits: Habits) -> int | None:
    return None if habits.left_share is None else on_strip(habits.left_share, STRIP)


def _flag(habits: Habits, usual: float | None) -> str:
    if habits.lopsided:
        return _("one side")
    return _("very fast") if habits.too_fast(usual) else ""


def _finish(progress: Progress, people: People) -> Finish:
    a_day = people.this_week / A_WEEK.days
    if not a_day or not progress.left:
        return Finish(a_day, None)
    days_left = math.ceil(progress.left / a_day)
    return Finish(a_day, timezone.localdate() + timedelta(days=days_left) if days_left < MANY_DAYS else None)


def _chart(days: list[Day], *, width: int, height: int, every: int) -> BarChart:
    labels = [date_format(day.day, "j M") for day in days]
    people, simulated = [day.people for day in days], [day.simulated for day in days]
    return bar_chart(people, simulated, labels, width=width, height=height, every=every)


def _address_if_any(name: str, slug: str) -> str:
    """The address of a part that an app above this one may offer."""
    try:
        return reverse(name, args=[slug])
    except NoReverseMatch:
        return ""
