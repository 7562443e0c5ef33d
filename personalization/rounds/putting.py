"""Putting a round's pairs to annotators, and teaching the next policy what they said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import JobState, Pair, Prompt, Response, User
from annotator.services import audit
from annotator.services.content import NewResponse, add_responses, pair_up
from attune.data import content_digest
from personalization.models import PolicyRound, RoundCandidate, RoundPair
from personalization.rounds.following import check_may_follow, settings_after, start_run_after
from training.filters import ROUND, SnapshotFilters
from training.models import PolicyRun
from training.snapshots import take_snapshot


def put_round(*, row: PolicyRound, by: User | None = None, without: Collection[int] = ()) -> int:
    """Add the round's responses and pairs to what annotators judge, but for the pairs ``without``. Returns how many pairs.

    A response that its prompt has already, word for word, is that one. Done once: a second call changes nothing and gives the same
    number. Raises ``Conflict`` where the round is not done, ``Invalid`` where there is nothing to put or pairs are not asked for.
    """
    with transaction.atomic():
        locked = (
            PolicyRound.objects.select_for_update(of=("self",))
            .select_related("version", "opponent", "project")
            .get(pk=row.pk)
        )
        if locked.put_at is not None:
            return locked.pairs.filter(pair__isnull=False).count()
        if locked.state != JobState.DONE:
            state = locked.get_state_display().lower()
            known = {"number": locked.number, "state": state}
            raise Conflict(_("Round %(number)s is %(state)s; expected one that is done.") % known)
        if "pair" not in locked.project.kinds:
            raise Invalid(_("This project does not ask for pairs; choose them in its set-up first."))
        chosen = list(locked.pairs.exclude(pk__in=without).select_related("one__prompt", "other__prompt"))
        if not chosen:
            problem = _("No pair is left to be put to annotators.")
            raise Invalid(problem, fields={"without": problem})
        by_prompt: dict[int, list[RoundPair]] = defaultdict(list)
        for each in chosen:
            by_prompt[each.one.prompt_id].append(each)
        for pairs in by_prompt.values():
            _put_prompt(locked, pairs[0].one.prompt, pairs)
        locked.pairs.filter(pk__in=without).delete()
        locked.put_at, locked.put_by, locked.error = timezone.now(), by, ""
        locked.save(update_fields=["put_at", "put_by", "error"])
        audit.record(project=locked.project, by=by, what="policy round put", round=locked.number, pairs=len(chosen))
    row.refresh_from_db()
    return len(chosen)


def leave_out(*, row: PolicyRound, pairs: Collection[int]) -> int:
    """Take pairs out of a round before it is put. Returns how many. Raises ``Conflict`` where it was put already."""
    with transaction.atomic():
        if PolicyRound.objects.select_for_update().get(pk=row.pk).put_at is not None:
            known = {"number": row.number}
            raise Conflict(_("Round %(number)s was put to annotators already; withdraw its pairs there.") % known)
        return row.pairs.filter(pk__in=pairs).delete()[0]


def start_next_run(*, row: PolicyRound, by: User | None = None, only_new: bool = False, send: bool = True) -> PolicyRun:
    """Train the next policy as the round's own was trained, from where that one stands, on what has been judged by now.

    ``only_new`` takes the judgments of this round's pairs alone. Raises ``Conflict`` where a run was started already, the round was
    not put or its policy is retired, and what ``start_policy_run`` and ``take_snapshot`` raise.
    """
    if row.put_at is None:
        known = {"number": row.number}
        raise Conflict(_("Round %(number)s has not been put to annotators, so there is nothing new to learn.") % known)
    check_may_follow(row)
    only = SnapshotFilters(rounds=(str(row.number),))
    snapshot = take_snapshot(project=row.project, by=by, filters=only) if only_new else None
    return start_run_after(row=row, chosen=settings_after(row), snapshot=snapshot, by=by, send=send)


def _put_prompt(row: PolicyRound, prompt: Prompt, pairs: list[RoundPair]) -> None:
    """Responses and pairs of one prompt; what they became is noted on the candidates and on the round's pairs."""
    candidates = {each.pk: each for pair in pairs for each in (pair.one, pair.other)}
    digests = {pk: content_digest(prompt.text, each.text) for pk, each in candidates.items()}
    known = dict(
        Response.objects.filter(prompt=prompt, digest__in=digests.values()).order_by("-pk").values_list("digest", "pk")
    )
    new = [each for pk, each in sorted(candidates.items()) if digests[pk] not in known]
    added = add_responses(prompt=prompt, responses=[_as_response(row, each) for each in new])
    ids = {each.pk: known.get(digests[each.pk]) for each in candidates.values()}
    ids |= {each.pk: response.pk for each, response in zip(new, added, strict=True)}
    responses = Response.objects.in_bulk([pk for pk in ids.values() if pk])
    for pk, candidate in candidates.items():
        candidate.response = responses[ids[pk]]
    RoundCandidate.objects.bulk_update(candidates.values(), ["response"])
    couples = [(candidates[each.one_id].response, candidates[each.other_id].response) for each in pairs]
    pair_up(prompt=prompt, couples=couples)  # type: ignore[arg-type]  # set just now
    sides = [sorted((one.pk, other.pk)) for one, other in couples]  # type: ignore[union-attr]
    rows = Pair.objects.filter(prompt=prompt, response_a__in=[a for a, _ in sides])
    made = {(a, b): pk for a, b, pk in rows.values_list("response_a", "response_b", "pk")}
    for each, (a, b) in zip(pairs, sides, strict=True):
        each.pair_id = made[a, b]
    RoundPair.objects.bulk_update(pairs, ["pair"])


def _as_response(row: PolicyRound, candidate: RoundCandidate) -> NewResponse:
    """With where it is from: which policy, in which round, at which temperature and seed."""
    version = row.version if candidate.mine else row.opponent
    about = {
        ROUND: row.number,
        "policy": version.label if version else None,
        "policy_digest": version.digest if version else None,
        "base": version.base if version else row.base,
        "temperature": candidate.temperature,
        "seed": candidate.seed,
        "most_tokens": row.most_tokens,
    }
    source = version.label if version else row.base
    return NewResponse(candidate.text, ref=f"round-{row.number}-{candidate.place}", source=source[:200], about=about)
