"""The run of the policy that comes after a round: as the round's own was trained, from where that one stands."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.models import User
from attune.policies.tiny import TINY, TINY_BETA
from personalization.models import PolicyRound
from training.models import PolicyRun, Scope, Snapshot
from training.policy_runs import start_policy_run
from training.runs import lock_project


def check_unlearnt(row: PolicyRound) -> None:
    """Raises ``Conflict`` where a run learns from the round already, or has learnt."""
    if (run := row.next_run) and not row.unlearnt:
        both = {"run": run.number, "number": row.number}
        raise Conflict(_("Policy run %(run)s learns from round %(number)s already.") % both)


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

    Raises what ``start_policy_run`` raises, and ``Conflict`` where somebody else has started one meanwhile.
    """
    version = row.version
    with transaction.atomic():
        lock_project(row.project)
        row.refresh_from_db(fields=["next_run"])
        check_unlearnt(row)
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
