"""The processes that train policies or let them answer: started, read line by line, stopped, killed if they must be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from training.errors import TrainingError

POLL_SECONDS = 0.5
GRACE_SECONDS = 60.0
"""How long a checkpoint may take after SIGTERM."""
MODULE = "attune.commands.fit_policy"
SPEAKER = "attune.commands.say"
WRITER = "attune.commands.write_responses"
LAST_WORDS = 2_000


class PolicyProcess:
    """A running ``attune fit-policy`` or ``attune say``. ``lines`` yields its progress until it ends; ``outcome`` says how.

    ``crowded`` is what to change where there was too little memory.
    """

    def __init__(self, command: Sequence[str], progress: Path, log: Path, crowded: str) -> None:
        self.progress, self.log, self.crowded = progress, log, crowded
        self.last: dict[str, Any] = {}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=os.environ | {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"},
            )

    def lines(self) -> Iterator[dict[str, Any] | None]:
        """Each line of progress once; None when there is no news, so that the caller can look after its lease."""
        with self.progress.open("rb") as file:
            rest = b""
            while True:
                over = self.process.poll() is not None
                rest += file.read()
                *whole, rest = rest.split(b"\n")
                for line in whole:
                    self.last = json.loads(line)
                    yield self.last
                if over:
                    return
                yield None
                time.sleep(POLL_SECONDS)

    def outcome(self) -> dict[str, Any]:
        """The last line, once it ended well. Raises ``TrainingError`` with the reason where it did not."""
        code = self.process.wait()
        if code == 0 and ("digest" in self.last or "done" in self.last):
            return self.last
        if "error" in self.last:
            raise TrainingError(str(self.last["error"]))
        if "stopped" in self.last:
            known = {"stopped": self.last["stopped"]}
            raise TrainingError(_("%(stopped)s Nobody asked for it here; continue the run when you like.") % known)
        if code == -signal.SIGKILL:
            killed = _("It was killed by the system, most likely because the machine ran out of memory.")
            raise TrainingError(f"{killed} {self.crowded}")
        known = {"code": code, "words": self._last_words()}
        raise TrainingError(_("It ended with code %(code)s. Its last words: %(words)s") % known)

    def stop(self) -> None:
        """SIGTERM, so that it writes a checkpoint; SIGKILL to the whole group where that takes too long."""
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self.process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def _last_words(self) -> str:
        return self.log.read_bytes()[-LAST_WORDS:].decode(errors="replace").strip() or "none"


@contextmanager
def policy_process(folder: Path, learnt: Mapping[str, Path], plan: Mapping[str, Any]) -> Iterator[PolicyProcess]:
    """Start the training in ``folder``, which keeps its checkpoints; on the way out it is stopped in any case.

    ``learnt`` is what it reads, by the name of its option.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    options = {**learnt, "--out": folder / "out", "--work": folder / "work"}
    crowded = _("Choose a smaller batch, a shorter max_length or a smaller base model, and continue the run.")
    with _process(folder, launcher(*processes()), options, plan, crowded) as process:
        yield process


@contextmanager
def speaking_process(folder: Path, plan: Mapping[str, Any], *, module: str = SPEAKER) -> Iterator[PolicyProcess]:
    """Let policies answer as ``plan`` says, or do what another ``module`` of ``attune.commands`` does with them.

    ``folder`` holds what passes between the processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    crowded = _("Let fewer tokens be written, or try policies of a smaller base model.")
    with _process(folder, [sys.executable, "-m", module], {}, plan, crowded) as process:
        yield process


@contextmanager
def _process(
    folder: Path, head: Sequence[str], options: Mapping[str, Path], plan: Mapping[str, Any], crowded: str
) -> Iterator[PolicyProcess]:
    (folder / "plan.json").write_text(json.dumps(plan))
    progress = folder / "progress.jsonl"
    progress.write_bytes(b"")
    told = {**options, "--plan": folder / "plan.json", "--progress": progress, "--parent": os.getpid()}
    command = [*head, *(str(part) for pair in told.items() for part in pair)]
    process = PolicyProcess(command, progress, folder / "log.txt", crowded)
    try:
        yield process
    finally:
        process.stop()


def launcher(count: int, gpus: int) -> list[str]:
    """The command's head: plain for one process, accelerate's launcher for several GPUs, torch's for several on the CPU."""
    if count == 1:
        return [sys.executable, "-m", MODULE]
    if not gpus:
        return [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node",
            str(count),
            "-m",
            MODULE,
        ]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(count)]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    return [*launch, "-m", MODULE]


def processes() -> tuple[int, int]:
    """How many processes train, and GPUs: one each, or one process where there is none. ATTUNE_POLICY_PROCESSES says otherwise."""
    gpus = _gpus()
    return int(settings.ATTUNE_POLICY_PROCESSES) or max(1, gpus), gpus


def _gpus() -> int:
    """GPUs that this worker may use."""
    if not shutil.which("nvidia-smi"):
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([each for each in visible.split(",") if each.strip()])
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return len([line for line in listed.stdout.splitlines() if line.startswith("GPU ")])
