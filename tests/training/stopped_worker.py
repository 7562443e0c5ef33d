"""A worker for tests: carries a run out with a lease of two seconds and stops for ever at a given place.

``python stopped_worker.py RUN PLACE`` writes PLACE when it is there and waits to be killed.
"""

from __future__ import annotations

import signal
import sys
from datetime import timedelta
from typing import Any

import django


def main(run_id: int, place: str) -> None:
    django.setup()
    from annotator.services import jobs
    from training.execution import execute_run
    from training.reporting import Reporter

    enter, finish = Reporter.phase, jobs.finish

    def stop_in_phase(self: Reporter, name: str, steps: int = 0) -> None:
        enter(self, name, steps)
        if name == place:
            wait_to_be_killed(place)

    def stop_in_transaction(**fields: Any) -> None:
        finish(**fields)
        if place == "registering":
            wait_to_be_killed(place)

    Reporter.phase, jobs.finish = stop_in_phase, stop_in_transaction  # type: ignore[method-assign,assignment]
    execute_run(run_id, lease=timedelta(seconds=2))


def wait_to_be_killed(place: str) -> None:
    sys.stdout.write(place + "\n")
    sys.stdout.flush()
    while True:
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
