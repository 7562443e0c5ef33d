"""Carrying a round out: a process of its own writes the responses, this one rewards and pairs them.

Rows appear in one transaction at the end, by the holder of the lease alone, so that an attempt that dies leaves nothing and another
adds nothing twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotator.errors import AnnotatorError
from annotator.models import Prompt
from annotator.services import jobs
from attune.policies.examples import conversation_of
from personalization.models import PolicyRound, RoundCandidate, RoundPair
from personalization.rounds.pairing import measured, pair_candidates
from personalization.rounds.putting import put_round
from personalization.rounds.rewarding import rewarded
from training import store
from training.endings import beating, ends_on_its_row
from training.errors import TrainingError
from training.models import PolicyVersion
from training.policy_process import WRITER, speaking_process
from training.reporting import Watch

log = logging.getLogger(__name__)

MINE, THEIRS = "policy", "opponent"
TOLD_EVERY = 1.0
"""Seconds between two steps that the row shows."""


def execute_round(round_id: int, *, lease: timedelta = jobs.LEASE, watch: Watch | None = None) -> PolicyRound | None:
    """Write, reward and pair. None where the round is over or another worker's. Every end is on the row."""
    row = jobs.claim(model=PolicyRound, job_id=round_id, lease=lease)
    if row is None:
        return None
    with ends_on_its_row(row):
        with beating(row, lease) as beat:
            _carry_out(_Work(row, beat, watch or (lambda _progress: None)))
        if row.put_when_done:
            _put(row)
    row.refresh_from_db()
    return row


class _Work:
    """A claimed round with its pulse; progress reaches the row at each phase, and in between once a second at most."""

    def __init__(self, row: PolicyRound, beat: jobs.Beat, watch: Watch) -> None:
        self.row, self.beat, self.watch = row, beat, watch
        self.phase, self.told_at = "", 0.0

    def progress(self, phase: str, **more: object) -> None:
        self.beat.check()
        self.beat.progress = {"phase": phase, **more}
        if phase != self.phase or time.monotonic() - self.told_at >= TOLD_EVERY:
            jobs.heartbeat(job=self.row, progress=self.beat.progress)
            self.phase, self.told_at = phase, time.monotonic()
        self.watch(self.beat.progress)


def _carry_out(work: _Work) -> None:
    row = work.row
    prompts = {each.pk: each for each in Prompt.objects.filter(pk__in=row.prompts, project=row.project_id)}
    work.progress("writing")
    candidates, too_long = _written(work, prompts)
    work.progress("rewarding")
    verdict = rewarded(row, candidates)
    pairs = pair_candidates(row, candidates, verdict)
    metrics = measured(row, candidates, pairs, verdict=verdict, too_long=too_long)
    work.beat.check()
    with transaction.atomic():
        jobs.finish(job=row, metrics=metrics, progress={"phase": "done"})
        if verdict.tables and verdict.served:
            PolicyRound.objects.filter(pk=row.pk).update(judge=verdict.served.id)
        row.candidates.all().delete()
        RoundCandidate.objects.bulk_create(candidates)
        RoundPair.objects.bulk_create(pairs)


def _put(row: PolicyRound) -> None:
    """What keeps it from being put is shown on its page; the responses stay and can be put later."""
    row.refresh_from_db()
    try:
        put_round(row=row, by=row.by)
    except AnnotatorError as error:
        log.warning("%s (row %s) is done and was not put: %s", row, row.pk, error)
        PolicyRound.objects.filter(pk=row.pk).update(error=str(error))


def _written(work: _Work, prompts: dict[int, Prompt]) -> tuple[list[RoundCandidate], int]:
    """The candidates in the order of prompts, the policy's first; and to how many prompts nothing could be written."""
    row = work.row
    voices = [_voice(MINE, row, row.version)] + ([_voice(THEIRS, row, row.opponent)] if row.versus_each else [])
    said: dict[tuple[str, int], Sequence[dict[str, Any]]] = {}
    problems: list[str] = []
    with store.work_folder() as folder, speaking_process(folder, _plan(row, prompts, voices), module=WRITER) as process:
        for line in process.lines():
            if line is not None and "samples" in line:
                said[line["key"], int(line["prompt"])] = line["samples"]
            elif line is not None and "prompt" in line:
                problems.append(line["error"])
            if line is not None and "step" in line:
                work.progress("writing", step=line["step"], steps=line["steps"])
            work.beat.check()
        process.outcome()
    if not any(key == MINE for key, _ in said):
        raise TrainingError(problems[0] if problems else _("The policy wrote nothing."))
    keys = [(key, pk) for pk in sorted(prompts) for key in (MINE, THEIRS) if (key, pk) in said]
    found = [(key, pk, sample) for key, pk in keys for sample in said[key, pk]]
    candidates = [
        RoundCandidate(round=row, place=place, prompt=prompts[pk], mine=key == MINE, **sample)
        for place, (key, pk, sample) in enumerate(found)
    ]
    return candidates, len(prompts) - sum(key == MINE for key, _ in said)


def _plan(row: PolicyRound, prompts: dict[int, Prompt], voices: list[dict[str, Any]]) -> dict[str, Any]:
    order = {
        "count": row.count,
        "temperatures": row.temperatures,
        "most_tokens": row.most_tokens,
        "seed": row.seed,
    }
    asked = {str(pk): conversation_of(each.text) for pk, each in sorted(prompts.items())}
    return {"conversations": asked, "voices": voices, "order": order}


def _voice(key: str, row: PolicyRound, version: PolicyVersion | None) -> dict[str, Any]:
    chosen = version.run.settings if version else {}
    return {
        "key": key,
        "base": version.base if version else row.base,
        "revision": str(chosen.get("revision", "")) if version else row.revision,
        "chat_template": str(chosen.get("chat_template", "")) if version else row.chat_template,
        "policy": str(store.fetch_folder(version.path)) if version else None,
    }
