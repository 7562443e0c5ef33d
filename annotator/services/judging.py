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
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from annotator.errors import AnnotatorError, Conflict, LeaseLost, NotFound
from annotator.models import Annotator, Assignment, Judgment, Rationale, Span
from annotator.selectors.progress import start_of_today
from annotator.services.answers import Answer, Side, check_answer, in_pair_terms, tags_in_pair_terms
from annotator.services.dealing import Dealt, show

_State = Assignment.State
_HELD = (_State.OPEN, _State.JUDGED, _State.SKIPPED)
_WITHDRAWN = "The owner withdrew this pair while it was open, so it can’t be judged any more. Nothing else changed."
_TAKEN = "The time for this pair ran out, and others have taken it since."


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
        assignment = _lock(annotator, assignment_key)
        check_answer(answer, annotator.project, _texts(assignment) if answer.marks else None)
        _use(assignment, answer)
        if assignment.last_revision:
            _said_of(assignment.pair_id, annotator, assignment.occasion).update(current=False)
        judgment = Judgment(
            project_id=assignment.project_id,
            annotator=annotator,
            pair_id=assignment.pair_id,
            assignment=assignment,
            occasion=assignment.occasion,
            revision=(assignment.last_revision or 0) + 1,
            guess=assignment.guess,
            client_key=client_key,
            source=source,
            **_said(answer, assignment.swapped),
        )
        return _insert(judgment, answer)

    recorded = _once(annotator, client_key, write)
    if recorded.judgment.assignment is None or recorded.judgment.assignment.key != assignment_key:
        raise Conflict("This key was used for another judgment before; every judgment needs a new one.")
    return recorded


def undo_last(*, annotator: Annotator, client_key: UUID) -> Dealt | None:
    """Take back the latest judgment that the annotator made on the page today, and open its pair again.

    Returns the pair with what had been said; None if there is nothing of today, or if the same client key undid it
    before and it has been judged again since.
    Raises ``LeaseLost`` where a skipped pair has gone to others since.
    """

    def write() -> Judgment:
        Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)  # two clicks, one after the other
        last = (
            Judgment.objects.filter(annotator=annotator, current=True, withdrawn=False, source=Judgment.Source.PAGE)
            .filter(judged_at__gte=start_of_today(), assignment__isnull=False, pair__withdrawn_at=None)
            .order_by("-id")
            .first()
        )
        if last is None:
            raise NotFound("There is nothing of today to undo.")
        _reopen(last.assignment_id, annotator)
        return _append(last, client_key=client_key, withdrawn=True)

    try:
        undone = _once(annotator, client_key, write).judgment
    except NotFound:
        return None
    return show(assignment_id=undone.assignment_id, project=annotator.project) if undone.assignment_id else None


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
        check_answer(
            answer, annotator.project, _texts(before.assignment) if answer.marks and before.assignment else None
        )
        if before.assignment:
            if before.assignment.state == _State.OPEN:
                raise Conflict("This pair is open again: judge it there.")
            _set_state(before.assignment, _state_after(answer))
        said = _said(answer, before.swapped)
        return _insert(_next_revision(before, client_key=client_key, withdrawn=False, source=source, **said), answer)

    return _once(annotator, client_key, write)


def withdraw(*, annotator: Annotator, judgment_id: int, client_key: UUID) -> Recorded:
    """Take a judgment back for good: it no longer counts, its slot is free for others, its history stays.

    ``judgment_id`` may be any revision. Withdrawing twice changes nothing.
    """

    def write() -> Judgment:
        before = _lock_current(annotator, judgment_id)
        if before.withdrawn:
            return before
        if before.assignment:
            _set_state(before.assignment, _State.RELEASED)
        return _append(before, client_key=client_key, withdrawn=True)

    return _once(annotator, client_key, write)


# --- once per client key --------------------------------------------------------------------------------------------


def _once(annotator: Annotator, client_key: UUID, write: Callable[[], Judgment]) -> Recorded:
    """Run ``write`` in a transaction. Where it fails, a judgment that the key has already made is the answer."""
    try:
        with transaction.atomic():
            judgment = write()
    except (AnnotatorError, IntegrityError) as error:
        stored = Judgment.objects.filter(client_key=client_key).select_related("assignment").first()
        if stored is None:
            raise _translated(error) from error
        if stored.annotator_id != annotator.pk:
            raise Conflict("This key belongs to another judgment; make a new one for each.") from None
        return Recorded(stored, replayed=True)
    return Recorded(judgment, replayed=False)


def _translated(error: AnnotatorError | IntegrityError) -> Exception:
    """What the database refused, in words. Anything unexpected stays what it is."""
    if isinstance(error, AnnotatorError):
        return error
    constraint = error.__cause__.diag.constraint_name if error.__cause__ else ""  # type: ignore[attr-defined]
    if constraint == "pair_taken_within_cap":
        return LeaseLost(_TAKEN)
    if constraint in ("judgment_one_current", "judgment_revision_once", "assignment_once_per_annotator_and_pair"):
        return Conflict("This pair was judged a moment ago in another window.")
    return error


# --- assignments ----------------------------------------------------------------------------------------------------


def _lock(annotator: Annotator, key: UUID) -> Any:
    """The assignment, locked until the end of the transaction, with ``last_revision`` of what was said on it."""
    said = Judgment.objects.filter(
        annotator=OuterRef("annotator"), pair=OuterRef("pair"), occasion=OuterRef("occasion"), current=True
    )
    held = Assignment.objects.filter(key=key, annotator=annotator).select_related("pair")
    held = held.select_for_update(of=("self",), no_key=True)
    assignment = held.annotate(last_revision=Subquery(said.values("revision"))).first()
    if assignment is None:
        raise NotFound("This pair was not given to you.")
    return assignment


def _use(assignment: Assignment, answer: Answer) -> None:
    """Turn the lease into a judged (or skipped) one, taking the slot again if the lease had run out."""
    if assignment.state in (_State.JUDGED, _State.SKIPPED):
        raise Conflict("You have judged this pair already. To change it, undo it or edit it in your history.")
    if assignment.pair.withdrawn_at:
        raise LeaseLost(_WITHDRAWN)
    if assignment.state != _State.OPEN:  # the same pair may have been lent to the same annotator again since
        newer = Assignment.objects.filter(annotator=assignment.annotator_id, pair=assignment.pair_id, state=_State.OPEN)
        newer.filter(occasion=assignment.occasion).update(state=_State.RELEASED)
    _set_state(assignment, _state_after(answer))


def _state_after(answer: Answer) -> Assignment.State:
    return _State.SKIPPED if answer.choice == "skip" else _State.JUDGED


def _set_state(assignment: Assignment, state: Assignment.State) -> None:
    """The database counts the slot, and refuses where the cap is reached."""
    Assignment.objects.filter(pk=assignment.pk).update(state=state)


def _reopen(assignment_id: int | None, annotator: Annotator) -> None:
    now = timezone.now()
    lease = timedelta(minutes=annotator.project.lease_minutes)
    reopened = Assignment.objects.filter(pk=assignment_id)
    reopened.update(state=_State.OPEN, lease_until=now + lease, dealt_at=now)


def _texts(assignment: Assignment) -> dict[Side, str]:
    pair = assignment.pair
    texts = pair.response_a.text, pair.response_b.text
    left, right = reversed(texts) if assignment.swapped else texts
    return {"left": left, "right": right}


# --- judgments ------------------------------------------------------------------------------------------------------


def _said_of(pair_id: int | None, annotator: Annotator, occasion: int) -> Any:
    return Judgment.objects.filter(annotator=annotator, pair=pair_id, occasion=occasion, current=True)


def _said(answer: Answer, swapped: bool) -> dict[str, Any]:
    """The columns of a judgment that hold the answer."""
    return {
        "choice": in_pair_terms(answer.choice, swapped=swapped),
        "strength": answer.strength,
        "skip_reason": answer.skip_reason,
        "swapped": swapped,
        "seconds": answer.seconds,
        "page_version": answer.page_version,
    }


def _insert(judgment: Judgment, answer: Answer) -> Judgment:
    judgment.save(force_insert=True)
    if answer.gives_reason:
        tags = tags_in_pair_terms(answer.tags, swapped=judgment.swapped)
        Rationale.objects.create(judgment=judgment, text=answer.text, tags=tags)
    if answer.marks and (pair := judgment.pair):
        a_is_on = "right" if judgment.swapped else "left"
        Span.objects.bulk_create(
            Span(
                judgment=judgment,
                response_id=pair.response_a_id if mark.side == a_is_on else pair.response_b_id,
                start=mark.start,
                end=mark.end,
                quote=mark.quote,
                good=mark.good,
                tag=mark.tag,
                comment=mark.comment,
            )
            for mark in dict.fromkeys(answer.marks)
        )
    return judgment


def _lock_current(annotator: Annotator, judgment_id: int) -> Judgment:
    """The current revision of what this judgment is about, locked."""
    Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)
    about = Judgment.objects.filter(pk=judgment_id, annotator=annotator).first()
    if about is None:
        raise NotFound(f"There is no judgment {judgment_id} of yours.")
    current = _said_of(about.pair_id, annotator, about.occasion).select_related("assignment__pair", "pair")
    return current.get()  # type: ignore[no-any-return]


def _next_revision(before: Judgment, **changes: Any) -> Judgment:
    """The next revision, not yet stored; the one before is no longer current."""
    Judgment.objects.filter(pk=before.pk).update(current=False)
    kept = (
        "project_id annotator_id kind pair_id assignment_id occasion choice strength skip_reason swapped seconds"
        " page_version source guess"
    )
    values = {name: getattr(before, name) for name in kept.split()}
    return Judgment(**values | changes, revision=before.revision + 1)


def _append(before: Judgment, **changes: Any) -> Judgment:
    judgment = _next_revision(before, **changes)
    judgment.save(force_insert=True)
    return judgment
