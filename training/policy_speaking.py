"""Carrying a trial out: a process of its own loads the models and answers, this one writes down what it says."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from annotator.services import jobs
from attune.policies.examples import conversation_of
from training import store
from training.endings import beating, ends_on_its_row
from training.errors import StoreError
from training.models import PolicyReply, PolicyTrial
from training.policy_process import speaking_process
from training.policy_shots import shots_of_annotator
from training.policy_trials import replies_of

log = logging.getLogger(__name__)


def execute_trial(trial_id: int, *, lease: timedelta = jobs.LEASE) -> PolicyTrial | None:
    """Let the trial's policies answer. None where it is over or another worker's.

    Every end is on the row; a policy that cannot answer says so on its reply and does not keep the others from it.
    """
    trial = jobs.claim(model=PolicyTrial, job_id=trial_id, lease=lease)
    if trial is None:
        return None
    with ends_on_its_row(trial):
        with beating(trial, lease) as beat:
            _carry_out(trial, beat)
        jobs.finish(job=trial)
    trial.refresh_from_db()
    return trial


def _carry_out(trial: PolicyTrial, beat: jobs.Beat) -> None:
    replies = {str(reply.pk): reply for reply in replies_of(trial)}
    # An attempt that died may have left half a text.
    trial.replies.update(text="", reader_words="", begun=False, over=False, error="")
    with store.work_folder() as work, speaking_process(work, _plan(trial, list(replies.values()))) as process:
        for line in process.lines():
            if line is not None and "key" in line:
                _write(replies[line["key"]], line)
                jobs.heartbeat(job=trial)  # a text is told a few times a second, so that a stop is seen at once
            beat.check()
        process.outcome()


def _write(reply: PolicyReply, line: dict[str, Any]) -> None:
    """What a line says of a reply."""
    reply.begun = True
    if "error" in line:
        reply.error, reply.over = line["error"], True
    elif "reader" in line:
        reply.reader_words = line["reader"]
    else:
        reply.text = line["text"]
    if "finished" in line:
        reply.cut_off, reply.over = not line["finished"], True
        reply.tokens, reply.seconds = line["tokens"], line["seconds"]
    reply.save(update_fields=["begun", "over", "text", "reader_words", "error", "cut_off", "tokens", "seconds"])


def _plan(trial: PolicyTrial, replies: list[PolicyReply]) -> dict[str, Any]:
    """What the process is told."""
    voices = [voice for voice in map(_voice, replies) if voice]
    manner = {"temperature": trial.temperature, "seed": trial.seed, "most_tokens": trial.most_tokens}
    plan = {"conversation": conversation_of(trial.prompt), "voices": voices, "manner": manner}
    if trial.reader and (most := max(each["shots"] for each in voices)):
        shots = [asdict(each) for each in shots_of_annotator(trial.reader, most)]
        plan["reader"] = {"shots": shots, "words": trial.reader_words}
    return plan


def _voice(reply: PolicyReply) -> dict[str, Any] | None:
    """Who answers; None where the policy's files are not to be had, which its reply then says."""
    try:
        folder = str(store.fetch_folder(reply.version.path)) if reply.version else None
    except StoreError as error:
        _write(reply, {"error": str(error)})
        return None
    chosen = reply.version.run.settings if reply.version else {}
    return {
        "key": str(reply.pk),
        "base": reply.base,
        "revision": reply.revision,
        "chat_template": reply.chat_template,
        "policy": folder,
        "direction": reply.trial.direction if reply.directed else [],
        "describe": chosen.get("describe", "off"),
        "shots": chosen.get("shots", 0),
    }
