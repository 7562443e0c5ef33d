"""What the workers do. Each is a shell around a function that can be called without a broker."""

from __future__ import annotations

from celery import shared_task

RUN_HOURS = 6
POLICY_HOURS = 11
"""Less than the broker's visibility timeout, after which it would hand the message out again."""
TRIAL_SECONDS = 600


@shared_task(
    name="training.tasks.fit",
    soft_time_limit=RUN_HOURS * 3_600,
    time_limit=RUN_HOURS * 3_600 + 300,
)
def fit(run_id: int) -> None:
    """Carry one run out, then see how well models fit people. Harmless where it is over or in another worker's hands."""
    from training.execution import execute_run
    from training.fits import measure_fits

    measure_fits(execute_run(run_id))


@shared_task(
    name="training.tasks.fit_policy",
    soft_time_limit=POLICY_HOURS * 3_600,
    time_limit=POLICY_HOURS * 3_600 + 300,
)
def fit_policy(run_id: int) -> None:
    """Carry one policy run out. Harmless where it is over or in another worker's hands."""
    from training.policy_execution import execute_policy_run

    execute_policy_run(run_id)


@shared_task(
    name="training.tasks.try_policies", soft_time_limit=TRIAL_SECONDS, time_limit=TRIAL_SECONDS + 60, expires=3_600
)
def try_policies(trial_id: int) -> None:
    """Let policies answer one prompt. Harmless where it is over or in another worker's hands."""
    from training.policy_speaking import execute_trial

    execute_trial(trial_id)


@shared_task(name="training.tasks.clean", expires=3_600)
def clean() -> None:
    """Remove stored files that no row names, and what policies answered long ago."""
    from training.cleaning import remove_old_trials, remove_unreferenced

    remove_unreferenced()
    remove_old_trials()


@shared_task(name="training.tasks.sweep", expires=30)
def sweep() -> None:
    """Send what has no message, take back what has no worker, start what is due."""
    from training.sweeping import sweep_runs

    sweep_runs()
