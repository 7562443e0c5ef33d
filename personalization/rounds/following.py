"""The run of the policy that comes after a round: as the round's own was trained, from where that one stands."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.models import User
from attune.policies.tiny import TINY, TINY_BETA
from personalization.models import PolicyRound
from training.models import PolicyRun, PolicyVersion, Scope, Snapshot
from training.policy_runs import start_policy_run
from training.runs import lock_project


def check_may_follow(row: PolicyRound) -> None:
    """Raises ``Conflict`` where the round's policy is retired, and where a run learns from the round already, or has learnt."""
    if said := why_none_follows(row):
        raise Conflict(said)
    if (run := row.next_run) and not row.unlearnt:
        both = {"run": run.number, "number": row.number}
        raise Conflict(_("Policy run %(run)s learns from round %(number)s already.") % both)


def why_none_follows(row: PolicyRound) -> str:
    """Why no run can go on from where the round's policy stands; empty where one can."""
    if row.version is None or not PolicyVersion.objects.filter(pk=row.version.pk, retired=True).exists():
        return ""
    return _(
        "%(policy)s is retired, so nothing goes on from where it stands. What people say of round %(number)s counts as any other"
        " judgments do: train a policy from them on the page Policies, or begin a round with a policy that is not retired."
    ) % {"policy": row.version.label, "number": row.number}


def settings_after(row: PolicyRound) -> dict[str, object]:
    """Those of the round's policy; where the base model wrote, those of the first one."""
    if row.version:
        return dict(row.version.run.settings)
    known: dict[str, object] = {"base": row.base, "revision": row.revision, "chat_template": row.chat_template}
    return known | ({"options": {"beta": TINY_BETA}} if row.base == TINY else {})


def start_run_after(
    *,
    row: PolicyRound,
    chosen: dict[str, object],
    snapshot: Snapshot | None = None,
    opinions: str = "",
    by: User | None = None,
    send: bool = True,
) -> PolicyRun:
    """Start it and note it on the round. ``opinions`` is the stored folder of what the round's preference model said.

    Raises what ``start_policy_run`` and ``check_may_follow`` raise: somebody else may have started one, or retired the policy,
    meanwhile.
    """
    version = row.version
    with transaction.atomic():
        lock_project(row.project)
        row.refresh_from_db(fields=["next_run"])
        check_may_follow(row)
        run = start_policy_run(
            project=row.project,
            by=by,
            scope=version.scope if version else Scope.EVERYONE,
            prototype=version.prototype if version else None,
            annotator=version.annotator if version else None,
            groups=version.run.groups if version else 3,
            chosen=chosen,
            snapshot=snapshot,
            start_from=version if chosen.get("adapter", "lora") == "lora" else None,
            judge=row.judge if opinions else None,
            opinions=opinions,
            send=send,
        )
        PolicyRound.objects.filter(pk=row.pk).update(next_run=run)
    row.refresh_from_db()
    return run
