"""Putting one prompt to several policies: checked and written here, answered by ``training.policy_speaking``."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from celery import current_app
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotator.errors import Invalid, NotFound
from annotator.models import Annotator, Project, User
from annotator.services import jobs
from annotator.services.texts import text_problem
from attune.direction import ASPECTS
from training.models import PolicyReply, PolicyTrial, PolicyVersion
from training.policy_selectors import find_usable_policy
from training.runs import ACTIVE

MOST_POLICIES = 4
MOST_CHARACTERS = 8_000
MOST_TOKENS = 1_024
WARMEST = 2.0
MOST_WEIGHT = 100
"""Of an aspect in a direction: a slider goes from −100 to 100."""


def start_trial(
    *,
    project: Project,
    by: User | None = None,
    prompt: str,
    policies: Sequence[int],
    people: Sequence[str] = (),
    reader: Annotator | None = None,
    reader_words: str = "",
    temperature: float = 1.0,
    most_tokens: int = 256,
    seed: int | None = None,
    direction: Sequence[int] = (),
    send: bool = True,
) -> PolicyTrial:
    """Write the trial's row with a reply for each base model and each of ``policies`` (numbers), then tell a worker.

    ``direction`` stands in the prompt of those policies that learnt to read one: a weight for each aspect, −100 to 100. ``reader`` is
    whose judgments stand in the prompts of policies that read some, ``reader_words`` what is known of them in words. A person has one
    trial in work: an earlier one that is not over is stopped. Without a ``seed`` one is drawn.
    Raises ``Invalid`` naming the fields, and ``NotFound`` for a policy that is not there.
    """
    _check(prompt, policies, temperature, most_tokens)
    versions = [find_usable_policy(project, number) for number in dict.fromkeys(policies)]
    _check_direction(direction, versions)
    with transaction.atomic():
        for earlier in project.policy_trials.filter(by=by, state__in=ACTIVE):
            jobs.cancel(job=earlier)
        trial = PolicyTrial.objects.create(
            project=project,
            prompt=prompt,
            temperature=temperature,
            most_tokens=most_tokens,
            seed=secrets.randbelow(2**31) if seed is None else seed,
            people=list(dict.fromkeys(people)),
            direction=list(direction),
            reader=reader,
            reader_words=reader_words,
            by=by,
        )
        PolicyReply.objects.bulk_create(_replies(trial, versions))
        if send:
            jobs.enqueue_on_commit(send=lambda: queue_trial(trial.pk), what=str(trial))
    return trial


def repeat_trial(
    *, trial: PolicyTrial, direction: Sequence[int], by: User | None = None, send: bool = True
) -> PolicyTrial:
    """Put the same prompt to the same policies once more, in a direction and with all else as it was. Raises as ``start_trial`` does."""
    return start_trial(
        project=trial.project,
        by=by,
        prompt=trial.prompt,
        policies=[reply.version.number for reply in replies_of(trial) if reply.version],
        people=trial.people,
        reader=trial.reader,
        reader_words=trial.reader_words,
        temperature=trial.temperature,
        most_tokens=trial.most_tokens,
        seed=trial.seed,
        direction=direction,
        send=send,
    )


def cancel_trial(*, trial: PolicyTrial) -> None:
    """Stop it; what has been answered stays."""
    jobs.cancel(job=trial)
    trial.refresh_from_db()


def queue_trial(trial_id: int) -> None:
    """Send the trial's message; a doubled one is harmless. Raises kombu's ``OperationalError`` without a broker."""
    current_app.send_task("training.tasks.try_policies", (trial_id,))
    PolicyTrial.objects.filter(pk=trial_id).update(queued_at=timezone.now())


def find_trial(project: Project, trial_id: int) -> PolicyTrial:
    """A trial of the project. Raises ``NotFound``."""
    found = project.policy_trials.select_related("by", "reader__user", "reader__project").filter(pk=trial_id).first()
    if found is None:
        raise NotFound(_("There is no such trial in this project; those older than 30 days are removed."))
    return found


def replies_of(trial: PolicyTrial) -> list[PolicyReply]:
    """From left to right."""
    return list(trial.replies.select_related("version__annotator__user", "version__project", "version__run"))


def _check(prompt: str, policies: Sequence[int], temperature: float, most_tokens: int) -> None:
    problems = {
        "prompt": text_problem(prompt, limit=MOST_CHARACTERS) or ("" if prompt.strip() else _("Write a prompt."))
    }
    if not 1 <= len(dict.fromkeys(policies)) <= MOST_POLICIES:
        problems["policies"] = _("Choose 1 to %(most)s policies.") % {"most": MOST_POLICIES}
    if not 0 <= temperature <= WARMEST:
        problems["temperature"] = _("The temperature is %(value)g; expected 0 to %(most)g.") % {
            "value": temperature,
            "most": WARMEST,
        }
    if not 1 <= most_tokens <= MOST_TOKENS:
        problems["most_tokens"] = _("The longest response is %(value)s tokens; expected 1 to %(most)s.") % {
            "value": most_tokens,
            "most": MOST_TOKENS,
        }
    if fields := {name: problem for name, problem in problems.items() if problem}:
        raise Invalid(" ".join(fields.values()), fields=fields)


def _check_direction(direction: Sequence[int], versions: Sequence[PolicyVersion]) -> None:
    if not direction:
        return
    problem = ""
    if len(direction) != len(ASPECTS) or not all(-MOST_WEIGHT <= each <= MOST_WEIGHT for each in direction):
        known = {"given": list(direction), "n": len(ASPECTS), "most": MOST_WEIGHT}
        problem = _("The direction is %(given)s; expected %(n)s weights from −%(most)s to %(most)s.") % known
    elif not any(direction):
        problem = _("All weights of the direction are 0, which is none.")
    elif not any(each.reads_directions for each in versions):
        problem = _("None of the policies reads a direction; train one with directions.")
    if problem:
        raise Invalid(problem, fields={"direction": problem})


def _replies(trial: PolicyTrial, versions: Sequence[PolicyVersion]) -> list[PolicyReply]:
    """One for each base model, as a trial tells it apart, then one for each policy."""
    grounds = [
        (each.base, str(each.run.settings.get("revision", "")), str(each.run.settings.get("chat_template", "")))
        for each in versions
    ]
    voices = [*((None, ground) for ground in dict.fromkeys(grounds)), *zip(versions, grounds, strict=True)]
    return [
        PolicyReply(trial=trial, place=place, version=version, base=base, revision=revision, chat_template=template)
        for place, (version, (base, revision, template)) in enumerate(voices)
    ]
