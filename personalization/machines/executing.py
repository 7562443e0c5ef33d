"""Carrying a machine annotator's batch out. What it says is stored pair by pair, so that a job that dies goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from annotator.models import Judgment, Pair
from annotator.services import jobs
from attune.judging import Unreadable
from attune.policies.examples import conversation_of
from personalization.machines.endpoint import Endpoint
from personalization.machines.managing import queue_machine_run
from personalization.machines.secret import opened
from personalization.models import MachineAnnotator, MachineJudgment, MachineRun
from training import store
from training.endings import beating, ends_on_its_row
from training.models import PolicyVersion
from training.policy_process import speaking_process
from training.reporting import Watch

RATER = "attune.commands.rate_responses"
TICK = 0.5
Kind, Choice = MachineAnnotator.Kind, MachineJudgment.Choice


def execute_machine_run(
    run_id: int, *, lease: timedelta = jobs.LEASE, watch: Watch | None = None, seconds: float | None = None
) -> MachineRun | None:
    """Let it judge. None where the run is over or another worker's. Every end is on the row; what was said stays.

    A judge elsewhere that is at it for more than ``seconds`` makes room for other work: after the pair in hand its run waits again, and
    a message behind those of others takes it up.
    """
    run = jobs.claim(model=MachineRun, job_id=run_id, lease=lease)
    if run is None:
        return None
    with ends_on_its_row(run):
        with beating(run, lease) as beat:
            more = _carry_out(run, beat, watch or (lambda _progress: None), seconds)
        if more:
            jobs.release(job=run, progress=beat.progress, queued_at=None)
            jobs.enqueue_on_commit(send=lambda: queue_machine_run(run.pk), what=str(run))
        else:
            jobs.finish(job=run, progress=beat.progress)
    run.refresh_from_db()
    return run


def waiting_pairs(machine: MachineAnnotator) -> QuerySet[Pair]:
    """What it may judge now: pairs of words that somebody has judged, and it has not. Never before a person."""
    said = Judgment.objects.filter(pair=OuterRef("pk"), current=True, withdrawn=False, occasion=0).exclude(
        choice="skip"
    )
    mine = MachineJudgment.objects.filter(machine=machine, pair=OuterRef("pk"))
    rows = Pair.objects.filter(Exists(said), ~Exists(mine), project=machine.project_id, withdrawn_at=None)
    rows = rows.filter(response_a__picture=None, response_b__picture=None)
    return rows.select_related("prompt", "response_a", "response_b").order_by("shuffle", "pk")


def _carry_out(run: MachineRun, beat: jobs.Beat, watch: Watch, seconds: float | None) -> bool:
    """Whether more is left once the time is over."""
    machine, until = run.machine, time.monotonic() + (seconds or 0)
    pairs = list(waiting_pairs(machine)[: max(0, run.most_pairs - run.judged)])
    steps = run.judged + len(pairs)
    said = _asked(machine, pairs, beat) if machine.kind == Kind.JUDGE else _rated(machine, pairs, beat)
    for judgment in said:
        with transaction.atomic():
            MachineJudgment.objects.bulk_create([judgment], ignore_conflicts=True)
            MachineRun.objects.filter(pk=run.pk).update(judged=F("judged") + 1)
        run.judged += 1
        beat.progress = {"phase": "judging", "step": run.judged, "steps": steps}
        watch(beat.progress)
        jobs.heartbeat(job=run, progress=beat.progress)
        beat.check()
        if seconds is not None and machine.kind == Kind.JUDGE and time.monotonic() >= until and run.judged < steps:
            return True
    return False


def _asked(machine: MachineAnnotator, pairs: Sequence[Pair], beat: jobs.Beat) -> Iterator[MachineJudgment]:
    def pause(seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            beat.check()
            time.sleep(TICK)

    endpoint = Endpoint(machine.url, machine.model, opened(machine.key), machine.project.instructions[:4_000], pause)
    for pair in pairs:
        try:
            outcome, swayed = endpoint.compare(pair.prompt.text, pair.response_a.text, pair.response_b.text)
        except Unreadable as error:
            problem = str(error)[:300].replace("\x00", "\ufffd")
            yield MachineJudgment(machine=machine, pair=pair, choice=Choice.NONE, problem=problem)
        else:
            yield MachineJudgment(machine=machine, pair=pair, choice=outcome, swayed=swayed)


def _rated(machine: MachineAnnotator, pairs: Sequence[Pair], beat: jobs.Beat) -> Iterator[MachineJudgment]:
    """A process rates every response once; a pair is told as soon as both of its own are rated."""
    responses = {
        str(each.pk): {"conversation": conversation_of(pair.prompt.text), "text": each.text}
        for pair in pairs
        for each in (pair.response_a, pair.response_b)
    }
    if not responses:
        return
    plan = {"method": machine.kind, "voices": _voices(machine), "responses": responses}
    found: dict[str, dict[str, Any]] = {}
    open_pairs = list(pairs)
    with store.work_folder() as folder, speaking_process(folder, plan, module=RATER) as process:
        for line in process.lines():
            beat.check()
            if line is None or not ("reward" in line or "error" in line) or "response" not in line:
                continue
            found[line["response"]] = line
            ready = [each for each in open_pairs if {str(each.response_a_id), str(each.response_b_id)} <= found.keys()]
            open_pairs = [each for each in open_pairs if each not in ready]
            for pair in ready:
                yield _compared(machine, pair, found[str(pair.response_a_id)], found[str(pair.response_b_id)])
        process.outcome()


def _compared(machine: MachineAnnotator, pair: Pair, a: dict[str, Any], b: dict[str, Any]) -> MachineJudgment:
    if problem := a.get("error") or b.get("error"):
        return MachineJudgment(machine=machine, pair=pair, choice=Choice.NONE, problem=str(problem)[:300])
    margin = float(a["reward"]) - float(b["reward"])
    choice = Choice.A if margin > 0 else Choice.B if margin < 0 else Choice.TIE
    return MachineJudgment(machine=machine, pair=pair, choice=choice, margin=margin)


def _voices(machine: MachineAnnotator) -> list[dict[str, Any]]:
    asked = [machine.version] if machine.kind == Kind.FOLLOWUP else [machine.version, machine.reference]
    return [_voice(machine, version, str(place)) for place, version in enumerate(asked)]


def _voice(machine: MachineAnnotator, version: PolicyVersion | None, key: str) -> dict[str, Any]:
    chosen = version.run.settings if version else {}
    return {
        "key": key,
        "base": version.base if version else machine.base,
        "revision": str(chosen.get("revision", "")) if version else machine.revision,
        "chat_template": str(chosen.get("chat_template", "")) if version else machine.chat_template,
        "policy": str(store.fetch_folder(version.path)) if version else None,
    }
