"""Self-play: the next policy learns what the preference model said of a round's pairs, and no person's judgment.

The last iterate is the round's own policy, from which the run starts; INPO is drawn as well to the policy with which self-play began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import JobState, User
from attune.policies.selfplay import Opinion, write_opinions
from attune.policies.settings import NASH_METHODS, USUAL_ANCHOR, USUAL_BETA
from personalization.models import PolicyRound, RoundPair
from personalization.rounds.following import check_may_follow, settings_after, start_run_after
from training import store
from training.models import PolicyRun

UNUSED: Mapping[str, object] = {
    "rationales": "off",
    "profiles": "off",
    "foretold": 0.0,
    "order": "random",
    "shots": 0,
    "describe": "off",
    "directions": 0,
    "maxmin": 0.0,
}
"""Settings of a policy that learnt from people, and that opinions of a model have no use for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """How the next policy learns: a method of ``NASH_METHODS``, β = η, and INPO's τ/η."""

    method: str = "inpo"
    beta: float = USUAL_BETA
    anchor: float = USUAL_ANCHOR


def start_self_play(
    *, row: PolicyRound, play: Play | None = None, by: User | None = None, send: bool = True
) -> PolicyRun:
    """Store the round's opinions and train the next policy from them, from where this one stands.

    Raises ``Conflict`` where it is no round of self-play that is done, where its policy is retired or a run learns from it already, or where somebody was
    erased whose judgments its preference model knew; ``Invalid`` for the method, and what ``start_policy_run`` raises.
    """
    play = play or Play()
    _check(play)
    check_may_follow(row)
    pairs = _judged(row)
    assert row.judge is not None, "judged rounds have one"
    if row.judge.erased:
        raise Conflict(
            _("Somebody whose judgments %(model)s learnt from was erased since. Train it again and start a new round.")
            % {"model": row.judge.label}
        )
    chosen = {**settings_after(row), **UNUSED}
    chosen |= {"method": play.method, "options": {"beta": play.beta, "anchor": play.anchor}}
    if row.version and chosen["adapter"] != "lora":
        raise Conflict(
            _("%(policy)s has full weights, and self-play goes on from an adapter.") % {"policy": row.version.label}
        )
    return start_run_after(row=row, chosen=chosen, opinions=_stored(row, pairs), by=by, send=send)


def _check(play: Play) -> None:
    wrong = {}
    if play.method not in NASH_METHODS:
        known = {"value": repr(play.method), "known": ", ".join(NASH_METHODS)}
        wrong["method"] = _("is %(value)s; expected %(known)s") % known
    if not 0.001 <= play.beta <= 100:
        wrong["beta"] = _("is %(value)s; expected %(low)s to %(high)s") % {
            "value": f"{play.beta:g}",
            "low": 0.001,
            "high": 100,
        }
    if not 0 <= play.anchor <= 1:
        wrong["anchor"] = _("is %(value)s; expected %(low)s to %(high)s") % {
            "value": f"{play.anchor:g}",
            "low": 0,
            "high": 1,
        }
    if wrong:
        raise Invalid("; ".join(f"{name} {why}" for name, why in wrong.items()) + ".", fields=wrong)


def _judged(row: PolicyRound) -> Sequence[RoundPair]:
    """Pairs of the policy's own responses with what the model said of them."""
    if row.state != JobState.DONE:
        found = {"number": row.number, "state": row.get_state_display().lower()}
        raise Conflict(_("Round %(number)s is %(state)s; expected one that is done.") % found)
    known = row.pairs.filter(versus=False, chance__isnull=False, one__win__isnull=False, other__win__isnull=False)
    pairs = list(known.select_related("one__prompt", "other"))
    if row.judge is None or not pairs:
        raise Conflict(
            _("No pair of round %(number)s was judged by a preference model; start one with method nash.")
            % {"number": row.number}
        )
    return pairs


def _stored(row: PolicyRound, pairs: Sequence[RoundPair]) -> str:
    """The opinions as a folder in the artifacts storage; its path."""
    rows = [
        Opinion(
            prompt=each.one.prompt.text,
            one=each.one.text,
            other=each.other.text,
            chance=float(each.chance or 0.0),
            one_wins=float(each.one.win or 0.0),
            other_wins=float(each.other.win or 0.0),
        )
        for each in pairs
    ]
    with store.work_folder() as work:
        digest = write_opinions(work / "opinions", rows)
        path = f"opinions/{row.project_id}/{digest}"
        store.put_folder(work / "opinions", path)
    return path
