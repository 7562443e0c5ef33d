"""Recording what an annotator said: once per client key, append-only, in one transaction. Nothing here needs a broker.

A lost connection is repaired by sending the same client key again. Whoever holds an assignment's row lock writes; all
others then find the stored judgment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotator.errors import AnnotatorError, Conflict, LeaseLost, NotFound
from annotator.models import HINDSIGHT, Annotator, Assignment, Judgment, Project
from annotator.selectors.progress import start_of_today
from annotator.services.answers import Answer, checked, in_pair_terms, ranking_in_own_terms
from annotator.services.asking import Task, show
from annotator.services.hindsight import ask_again, take_back
from annotator.services.layouts import layout_of
from annotator.services.storing import Held, Said, lock_assignment, store

_State = Assignment.State
_WITHDRAWN = gettext_noop(
    "The owner withdrew this pair while it was open, so it can’t be judged any more. Nothing else changed."
)
_TAKEN = gettext_noop("The time for this pair ran out, and others have taken it since.")
_JUDGED_MEANWHILE = (
    *("judgment_one_current", "judgment_revision_once", "assignment_once_per_annotator_and_pair"),
    *("judgment_one_current_of_a_lineup", "judgment_lineup_revision_once", "assignment_once_per_annotator_and_lineup"),
)
_FOLLOWS_NOTHING = gettext_noop("The judgment that this second look belongs to was taken back. Nothing else changed.")
_KEPT = (
    *("project_id", "annotator_id", "kind", "pair_id", "lineup_id", "assignment_id", "occasion", "choice", "strength"),
    *("ranking", "rating", "scale", "skip_reason", "swapped", "shown", "seconds", "page_version", "source", "guess"),
    "guesses",
)
"""What the next revision has from the one before, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The stored judgment; ``replayed`` where its client key had been used before, and nothing was written now."""

    judgment: Judgment
    replayed: bool


def record(
    *,
    annotator: Annotator,
    assignment_key: UUID,
    client_key: UUID,
    answer: Answer,
    source: Judgment.Source = Judgment.Source.PAGE,
) -> Recorded:
    """Store the answer to an assignment.

    The same client key gives the stored judgment, whatever has changed since. A lease that ran out is good for as long
    as the pair has a slot. Raises ``Invalid`` for the answer, ``NotFound`` for an assignment that is not the
    annotator's, ``LeaseLost`` where the pair was withdrawn or taken by others, ``Conflict`` where it was judged already
    or the key belongs to another assignment.
    """

    def write() -> Judgment:
        held = lock_assignment(annotator, assignment_key)
        if held is None:
            raise NotFound(_("This pair was not given to you."))
        said = Said(checked(answer, annotator.project, held.layout), held.layout)
        _make_usable(held, annotator)
        judgment = Judgment(
            project=annotator.project,
            annotator=annotator,
            kind=held.layout.kind,
            pair_id=held.pair_id,
            lineup_id=held.lineup_id,
            assignment_id=held.assignment_id,
            occasion=held.occasion,
            revision=(held.revision or 0) + 1,
            guess=held.guess,
            guesses=held.guesses,
            client_key=client_key,
            source=source,
            swapped=held.swapped,
            shown=held.shown,
            **_columns(said, annotator.project),
        )
        stored = store(judgment, said, _state_after(answer))
        if annotator.project.hindsight_rate:
            ask_again(judgment=stored, lease_key=assignment_key)
        return stored

    recorded = _once(annotator, client_key, write)
    if recorded.replayed and (used := recorded.judgment.assignment) and used.key == assignment_key:
        return recorded
    if recorded.replayed:
        raise Conflict(_("This key was used for another judgment before; every judgment needs a new one."))
    return recorded


def undo_last(*, annotator: Annotator, client_key: UUID) -> Task | None:
    """Take back the latest judgment that the annotator made on the page today, and open its pair again.

    Returns the pair with what had been said; None if there is nothing of today, or if the same client key undid it
    before and it has been judged again since. Raises ``LeaseLost`` where a skipped pair has gone to others.
    """

    def write() -> Judgment:
        _lock(annotator)  # two clicks, one after the other
        said = Judgment.objects.filter(annotator=annotator, current=True, withdrawn=False, source=Judgment.Source.PAGE)
        today = said.filter(judged_at__gte=start_of_today(), assignment__isnull=False)
        today = today.filter(pair__withdrawn_at=None, lineup__withdrawn_at=None)
        last = today.order_by("-id").first()
        if last is None:
            raise NotFound(_("There is nothing of today to undo."))
        lease = {"lease_until": timezone.now() + timedelta(minutes=annotator.project.lease_minutes)}
        Assignment.objects.filter(pk=last.assignment_id or 0).update(dealt_at=timezone.now(), **lease)
        if annotator.project.hindsight_rate:
            take_back(judgment=last)
        return store(_next_revision(last, client_key=client_key, withdrawn=True), None, _State.OPEN)

    try:
        undone = _once(annotator, client_key, write).judgment
    except NotFound:
        return None
    return show(assignment_id=undone.assignment_id, annotator=annotator) if undone.assignment_id else None


def revise(
    *,
    annotator: Annotator,
    judgment_id: int,
    client_key: UUID,
    answer: Answer,
    source: Judgment.Source = Judgment.Source.PAGE,
) -> Recorded:
    """Replace what was said by a new revision; ``answer`` is on the sides as they were shown then.

    ``judgment_id`` may be any revision. Raises ``Conflict`` while the pair is open again after an undo, and as
    ``record`` does.
    """

    def write() -> Judgment:
        before = _lock_current(annotator, judgment_id)
        if before.assignment and before.assignment.state == _State.OPEN:
            raise Conflict(_("This pair is open again: judge it there."))
        layout = layout_of(before)
        said = Said(checked(answer, annotator.project, layout), layout)
        columns = _columns(said, annotator.project)
        revised = _next_revision(before, client_key=client_key, withdrawn=False, source=source, **columns)
        return store(revised, said, _state_after(said.answer))

    return _once(annotator, client_key, write)


def withdraw(*, annotator: Annotator, judgment_id: int, client_key: UUID) -> Recorded:
    """Take a judgment back for good: it no longer counts, its slot is free for others, its history stays.

    ``judgment_id`` may be any revision. Withdrawing twice changes nothing.
    """

    def write() -> Judgment:
        before = _lock_current(annotator, judgment_id)
        if before.withdrawn:
            return before
        if annotator.project.hindsight_rate:
            take_back(judgment=before)
        return store(_next_revision(before, client_key=client_key, withdrawn=True), None, _State.RELEASED)

    return _once(annotator, client_key, write)


def last_said(judgment: Judgment) -> Judgment:
    """The latest revision of the same that said something."""
    said = Judgment.objects.filter(annotator=judgment.annotator_id, pair=judgment.pair_id, lineup=judgment.lineup_id)
    said = said.filter(occasion=judgment.occasion, withdrawn=False).select_related(
        "pair", "lineup", "rationale", "flag"
    )
    last = said.order_by("-revision").first()
    assert last is not None  # the first revision of a judgment is never a withdrawal
    return last


# --- once per client key --------------------------------------------------------------------------------------------


def _once(annotator: Annotator, client_key: UUID, write: Callable[[], Judgment]) -> Recorded:
    """Run ``write`` in a transaction. Where it fails, a judgment that the key has already made is the answer."""
    try:
        with transaction.atomic():
            return Recorded(write(), replayed=False)
    except (AnnotatorError, IntegrityError) as error:
        stored = Judgment.objects.filter(client_key=client_key).select_related("assignment").first()
        if stored is None:
            raise _translated(error) from error
        if stored.annotator_id != annotator.pk:
            raise Conflict(_("This key belongs to another judgment; make a new one for each.")) from None
        return Recorded(stored, replayed=True)


def _translated(error: AnnotatorError | IntegrityError) -> Exception:
    """What the database refused, in words. Anything unexpected stays what it is."""
    if isinstance(error, AnnotatorError):
        return error
    constraint = error.__cause__.diag.constraint_name if error.__cause__ else ""  # type: ignore[attr-defined]
    if constraint in ("pair_taken_within_cap", "lineup_taken_within_cap"):
        return LeaseLost(_(_TAKEN))
    if constraint in _JUDGED_MEANWHILE:
        return Conflict(_("This pair was judged a moment ago in another window."))
    return error


# --- assignments ----------------------------------------------------------------------------------------------------


def _make_usable(held: Held, annotator: Annotator) -> None:
    """Raise unless the lease may be judged; clear away what stands in the way of one that had ended or was undone."""
    if held.state in (_State.JUDGED, _State.SKIPPED):
        raise Conflict(_("You have judged this pair already. To change it, undo it or edit it in your history."))
    if held.withdrawn:
        raise LeaseLost(_(_WITHDRAWN))
    if held.occasion == HINDSIGHT and held.state == _State.RELEASED:
        raise LeaseLost(_(_FOLLOWS_NOTHING))
    if held.state != _State.OPEN:  # the same pair may have been lent to the same annotator again since
        again = Assignment.objects.filter(annotator=annotator, pair=held.pair_id, lineup=held.lineup_id)
        again = again.filter(occasion=held.occasion)
        again.filter(state=_State.OPEN).update(state=_State.RELEASED)
    if held.revision:
        _said_of(annotator, held).update(current=False)


def _state_after(answer: Answer) -> Assignment.State:
    return _State.SKIPPED if answer.choice == "skip" else _State.JUDGED


# --- judgments ------------------------------------------------------------------------------------------------------


def _columns(said: Said, project: Project) -> dict[str, Any]:
    """The columns of a judgment that hold the answer."""
    answer, layout = said.answer, said.layout
    return {
        "choice": in_pair_terms(answer.choice, swapped=layout.own[0] == "b"),
        "strength": answer.strength,
        "ranking": ranking_in_own_terms(answer.ranking, layout),
        "rating": answer.rating,
        "scale": project.scale if layout.kind == Judgment.Kind.RATING else "",
        "skip_reason": answer.skip_reason,
        "seconds": answer.seconds,
        "page_version": answer.page_version,
    }


def _said_of(annotator: Annotator, about: Held | Judgment) -> QuerySet[Judgment]:
    same = Judgment.objects.filter(annotator=annotator, pair=about.pair_id, lineup=about.lineup_id)
    return same.filter(occasion=about.occasion, current=True)


def _lock(annotator: Annotator) -> None:
    Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)


def _lock_current(annotator: Annotator, judgment_id: int) -> Judgment:
    """The current revision of what this judgment is about; nobody else changes it meanwhile."""
    _lock(annotator)
    about = Judgment.objects.filter(pk=judgment_id, annotator=annotator).first()
    if about is None:
        raise NotFound(_("There is no judgment %(judgment_id)s of yours.") % {"judgment_id": judgment_id})
    return _said_of(annotator, about).select_related("assignment", "pair", "lineup").get()


def _next_revision(before: Judgment, **changes: Any) -> Judgment:
    """The next revision, not yet stored; the one before is no longer current."""
    Judgment.objects.filter(pk=before.pk).update(current=False)
    kept = {column: getattr(before, column) for column in _KEPT}
    return Judgment(**kept | changes, revision=before.revision + 1)
