"""Starting and stopping rounds. What a round's job does is in ``personalization.rounds.executing``."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from celery import current_app
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import Project, Prompt, User
from annotator.services import audit, jobs
from attune.policies.pairing import NEED_REWARDS
from attune.policies.settings import USUAL_REJECTION_BETA
from attune.policies.tiny import TINY
from personalization.models import PolicyRound
from training.models import PolicyVersion
from training.policy_selectors import usable_policy
from training.runs import ACTIVE, lock_project
from training.serving import live_version

MOST_PROMPTS = 1_000
MOST_EACH = 32
"""Responses that one policy writes to a prompt."""
MOST_TOKENS = 1_024
MOST_PAIRS = 8
WARMEST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a round is to do. ``version`` and ``opponent`` are numbers of policies; None is the base model as it is.

    ``prompts`` are references, ``topics`` their topics; of those that fit ``most_prompts`` are drawn by the seed. None given: all.
    """

    version: int | None
    opponent: int | None = None
    prompts: Sequence[str] = ()
    topics: Sequence[str] = ()
    most_prompts: int = 50
    count: int = 4
    temperatures: Sequence[float] = field(default=(0.7, 1.0))
    most_tokens: int = 256
    method: str = PolicyRound.Method.BEST_OF_N
    pairs_each: int = 1
    versus_each: int = 1
    beta: float = USUAL_REJECTION_BETA
    seed: int | None = None


def start_round(
    *, project: Project, asked: Asked, by: User | None = None, put_when_done: bool = False, send: bool = True
) -> PolicyRound:
    """Write the round's row, then tell a worker; where the broker is away the sweep tells one later.

    Raises ``Invalid`` naming the fields, ``NotFound`` for a policy that is not there, ``Conflict`` while one is in work.
    """
    _check(project, asked)
    version, opponent = (usable_policy(project, number) for number in (asked.version, asked.opponent))
    ground = _ground(version, opponent)
    seed = secrets.randbelow(2**31) if asked.seed is None else asked.seed
    prompts = _prompts(project, asked, seed)
    with transaction.atomic():
        lock_project(project)
        earlier = project.policy_rounds.all()
        if busy := earlier.filter(state__in=ACTIVE).first():
            known = {"number": busy.number, "state": busy.get_state_display().lower()}
            raise Conflict(_("Round %(number)s is %(state)s; wait for it, or stop it.") % known)
        row = PolicyRound.objects.create(
            project=project,
            number=(earlier.values_list("number", flat=True).first() or 0) + 1,
            version=version,
            opponent=opponent,
            base=ground[0],
            revision=ground[1],
            chat_template=ground[2],
            prompts=prompts,
            count=asked.count,
            temperatures=list(asked.temperatures),
            most_tokens=asked.most_tokens,
            seed=seed,
            method=asked.method,
            pairs_each=asked.pairs_each,
            versus_each=asked.versus_each,
            beta=asked.beta,
            put_when_done=put_when_done,
            by=by,
        )
        audit.record(project=project, by=by, what="policy round started", round=row.number, policy=row.writer)
        if send:
            jobs.enqueue_on_commit(send=lambda: queue_round(row.pk), what=str(row))
    return row


def cancel_round(*, row: PolicyRound, by: User | None = None) -> None:
    """Stop it; nothing of it is kept but its row. One that is over stays as it is."""
    with transaction.atomic():
        jobs.cancel(job=row)
        audit.record(project=row.project, by=by, what="policy round cancelled", round=row.number)
    row.refresh_from_db()


def queue_round(round_id: int) -> None:
    """Send the job's message; a doubled one is harmless. Raises kombu's ``OperationalError`` without a broker."""
    current_app.send_task("personalization.tasks.write_round", (round_id,), queue="train")
    PolicyRound.objects.filter(pk=round_id).update(queued_at=timezone.now())


def _check(project: Project, asked: Asked) -> None:
    ranges = {
        "most_prompts": (asked.most_prompts, 1, MOST_PROMPTS),
        "count": (asked.count, 1, MOST_EACH),
        "most_tokens": (asked.most_tokens, 1, MOST_TOKENS),
        "pairs_each": (asked.pairs_each, 0, MOST_PAIRS),
        "versus_each": (asked.versus_each, 0, MOST_PAIRS),
        "seed": (asked.seed or 0, 0, 2**31 - 1),
    }
    wrong = {
        name: _("is %(value)s; expected %(low)s to %(high)s") % {"value": value, "low": low, "high": high}
        for name, (value, low, high) in ranges.items()
        if not low <= value <= high
    }
    warm = asked.temperatures
    if not warm or len(warm) > 4 or not all(0 <= each <= WARMEST for each in warm):
        wrong["temperatures"] = _("expected 1 to 4 temperatures from 0 to %(most)g") % {"most": WARMEST}
    elif asked.count * len(warm) > MOST_EACH:
        wrong["count"] = _("with %(n)d temperatures is more than %(most)d responses to a prompt") % {
            "n": len(warm),
            "most": MOST_EACH,
        }
    if asked.method not in PolicyRound.Method.values:
        known = {"value": asked.method[:40], "known": ", ".join(PolicyRound.Method.values)}
        wrong["method"] = _("is “%(value)s”; expected %(known)s") % known
    elif asked.method in NEED_REWARDS and asked.pairs_each and live_version(project.pk) is None:
        wrong["method"] = _("is %(method)s, which needs a reward model, and none is live yet; on_policy needs none") % {
            "method": asked.method
        }
    if not 0.01 <= asked.beta <= 100:
        wrong["beta"] = _("is %(value)s; expected %(low)s to %(high)s") % {
            "value": asked.beta,
            "low": 0.01,
            "high": 100,
        }
    if not asked.pairs_each and not asked.versus_each:
        wrong["pairs_each"] = _("and versus_each are both 0, so that there would be nothing to judge")
    if asked.versus_each and asked.version == asked.opponent:
        wrong["opponent"] = _("is the policy itself; choose another, or no pairs against it")
    if wrong:
        raise Invalid("; ".join(f"{name} {why}" for name, why in wrong.items()) + ".", fields=wrong)


def _ground(version: PolicyVersion | None, opponent: PolicyVersion | None) -> tuple[str, str, str]:
    """The base model that writes where there is no policy: that of the policy, of the opponent, or the tiny one."""
    known = version or opponent
    if known is None:
        return TINY, "", ""
    chosen = known.run.settings
    return known.base, str(chosen.get("revision", "")), str(chosen.get("chat_template", ""))


def _prompts(project: Project, asked: Asked, seed: int) -> list[int]:
    rows = Prompt.objects.filter(project=project).exclude(responses__picture__isnull=False).order_by("pk")
    if asked.prompts:
        rows = rows.filter(ref__in=asked.prompts)
        known = set(rows.values_list("ref", flat=True))
        if missing := next((ref for ref in asked.prompts if ref not in known), None):
            problem = _("There is no prompt “%(ref)s” in this project that asks for text.") % {"ref": missing}
            raise Invalid(problem, fields={"prompts": problem})
    if asked.topics:
        rows = rows.filter(topic__in=asked.topics)
    ids = list(rows.values_list("pk", flat=True))
    if not ids:
        problem = _("No prompt of this project fits.")
        raise Invalid(problem, fields={"topics": problem})
    return sorted(random.Random(seed).sample(ids, min(len(ids), asked.most_prompts)))  # noqa: S311 (a draw, not a secret)
