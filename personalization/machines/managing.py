"""Setting machine annotators up, and having them judge what people have judged before them."""

from __future__ import annotations

from dataclasses import dataclass

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import Project, User
from annotator.outbound import NotAllowed, check_url
from annotator.services import audit, jobs
from annotator.services.texts import text_problem
from attune.policies.tiny import TINY
from personalization.machines.secret import sealed
from personalization.models import MachineAnnotator, MachineRun
from training.policy_selectors import usable_policy
from training.runs import ACTIVE, lock_project

Kind = MachineAnnotator.Kind
MOST = 20
"""Machine annotators of one project."""
MOST_PAIRS = 5_000
MOST_KEY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMachine:
    """``version`` and ``reference`` are numbers of policies; None is the base model as it is. ``key`` is kept encrypted."""

    name: str
    kind: str
    version: int | None = None
    reference: int | None = None
    url: str = ""
    model: str = ""
    key: str = ""


def add_machine(*, project: Project, new: NewMachine, by: User | None = None) -> MachineAnnotator:
    """A new machine annotator, which judges nothing yet.

    Raises ``Invalid`` naming the fields, ``NotFound`` for a policy that is not there, ``Conflict`` for a taken name or too many.
    """
    _check(new)
    version, reference = (usable_policy(project, number) for number in (new.version, new.reference))
    known = version or reference
    chosen = known.run.settings if known else {}
    judge = new.kind == Kind.JUDGE
    with transaction.atomic():
        lock_project(project)
        rows = project.machines.all()
        if rows.filter(retired_at=None).count() >= MOST:
            raise Conflict(_("The project has %(most)d machine annotators already; retire one first.") % {"most": MOST})
        if rows.filter(retired_at=None, name=new.name.strip()).exists():
            raise Conflict(_("There is a machine annotator “%(name)s” already.") % {"name": new.name.strip()})
        last = rows.order_by("-number").values_list("number", flat=True).first()
        machine = MachineAnnotator.objects.create(
            project=project,
            number=(last or 0) + 1,
            name=new.name.strip(),
            kind=new.kind,
            version=None if judge else version,
            reference=reference if new.kind == Kind.DENSITY else None,
            base="" if judge else known.base if known else TINY,
            revision=str(chosen.get("revision", "")),
            chat_template=str(chosen.get("chat_template", "")),
            url=new.url if judge else "",
            model=new.model if judge else "",
            key=sealed(new.key) if judge else "",
            by=by,
        )
        audit.record(
            project=project,
            by=by,
            what="machine annotator added",
            machine=machine.number,
            kind=machine.kind,
            url=machine.url,
        )
    return machine


def renew_key(*, machine: MachineAnnotator, key: str, by: User | None = None) -> None:
    """Another key for a judge; empty takes it away. Raises ``Invalid``."""
    if machine.kind != Kind.JUDGE:
        raise Invalid(_("Only a judge has a key."), fields={"key": _("Only a judge has a key.")})
    if problem := _key_problem(key):
        raise Invalid(problem, fields={"key": problem})
    with transaction.atomic():
        machine.key = sealed(key)
        machine.save(update_fields=["key"])
        audit.record(project=machine.project, by=by, what="machine annotator key renewed", machine=machine.number)


def retire_machine(*, machine: MachineAnnotator, by: User | None = None) -> None:
    """It judges nothing more and its key is forgotten; what it has said stays."""
    with transaction.atomic():
        for run in machine.runs.filter(state__in=ACTIVE):
            jobs.cancel(job=run)
        if MachineAnnotator.objects.filter(pk=machine.pk, retired_at=None).update(retired_at=timezone.now(), key=""):
            audit.record(project=machine.project, by=by, what="machine annotator retired", machine=machine.number)
    machine.refresh_from_db()


def start_machine_run(
    *, machine: MachineAnnotator, most_pairs: int = 200, by: User | None = None, send: bool = True
) -> MachineRun:
    """Have it judge pairs that somebody has judged and it has not. Raises ``Invalid``, and ``Conflict`` while it is at work."""
    if not 1 <= most_pairs <= MOST_PAIRS:
        problem = _("At most %(n)d pairs is out of range; expected 1 to %(most)d.") % {
            "n": most_pairs,
            "most": MOST_PAIRS,
        }
        raise Invalid(problem, fields={"most_pairs": problem})
    with transaction.atomic():
        lock_project(machine.project)
        if machine.retired_at is not None:
            raise Conflict(_("“%(name)s” is retired.") % {"name": machine})
        if machine.runs.filter(state__in=ACTIVE).exists():
            raise Conflict(_("“%(name)s” is at work already.") % {"name": machine})
        run = MachineRun.objects.create(machine=machine, most_pairs=most_pairs, by=by)
        audit.record(project=machine.project, by=by, what="machine annotator started", machine=machine.number)
        if send:
            jobs.enqueue_on_commit(send=lambda: queue_machine_run(run.pk), what=str(run))
    return run


def cancel_machine_run(*, run: MachineRun) -> None:
    """Stop it; what it has said stays."""
    jobs.cancel(job=run)
    run.refresh_from_db()


def queue_machine_run(run_id: int) -> None:
    """Send the job's message; a doubled one is harmless. Raises kombu's ``OperationalError`` without a broker."""
    current_app.send_task("personalization.tasks.run_machine", (run_id,), queue="train")
    MachineRun.objects.filter(pk=run_id).update(queued_at=timezone.now())


def _check(new: NewMachine) -> None:
    wrong = {"name": text_problem(new.name, limit=80) or ("" if new.name.strip() else _("Give it a name."))}
    if new.kind not in Kind.values:
        known = {"kind": new.kind[:40], "known": ", ".join(Kind.values)}
        wrong["kind"] = _("“%(kind)s” is no way to judge; expected %(known)s.") % known
    if new.kind == Kind.DENSITY and new.version == new.reference:
        wrong["reference"] = _("A model and its reference must differ.")
    if new.kind == Kind.JUDGE:
        try:
            check_url(new.url, private=settings.JUDGES_PRIVATE)
        except NotAllowed as error:
            wrong["url"] = f"{error}."
        wrong["model"] = text_problem(new.model, limit=200) or (
            "" if new.model.strip() else _("Say which model the endpoint shall use.")
        )
        wrong["key"] = _key_problem(new.key)
    if fields := {name: why for name, why in wrong.items() if why}:
        raise Invalid(" ".join(fields.values()), fields=fields)


def _key_problem(key: str) -> str:
    plain = key.isascii() and key.isprintable() and " " not in key
    if len(key) <= MOST_KEY and (plain or not key):
        return ""
    return _("A key is at most %(most)d ASCII characters without spaces.") % {"most": MOST_KEY}
