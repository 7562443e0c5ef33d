"""`attune train-policy`: the result as JSON on stdout, progress on stderr."""

import sys
import time
from typing import TYPE_CHECKING

import click

from config.commands.training import option_of, project_option, project_session, say, show

if TYPE_CHECKING:
    from training.models import PolicyRun


@click.command(name="train-policy")
@project_option
@click.option("--annotator", "ref", metavar="REF", help="A personal policy for this annotator.")
@click.option("--prototype", type=int, metavar="K", help="For the K-th group of like-minded annotators, from 1.")
@click.option("--groups", default=3, show_default=True, help="Into how many groups annotators are parted.")
@click.option(
    "--snapshot",
    "frozen",
    metavar="NAME",
    help="What to train on: a name or digest; the judgments as they are when it begins unless given.",
)
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="A setting, as method=rdpo or epochs=2.")
@click.option("--wait", is_flag=True, help="Stay until a worker has carried it out.")
@click.option("--here", is_flag=True, help="Carry it out from this process, without a worker or a broker.")
def train_policy(
    slug: str,
    ref: str | None,
    prototype: int | None,
    groups: int,
    frozen: str | None,
    changes: tuple[str, ...],
    wait: bool,
    here: bool,
) -> None:
    """Train a policy for everyone, a group or one annotator. Ends with 1 where the run fails or is stopped."""
    if ref is not None and prototype is not None:
        raise click.UsageError("--annotator and --prototype do not go together")
    with project_session(slug) as project:
        from training.models import Scope
        from training.policy_execution import execute_policy_run
        from training.policy_runs import start_policy_run
        from training.policy_selectors import annotator_named
        from training.snapshot_selectors import find_snapshot

        scope = Scope.ANNOTATOR if ref is not None else Scope.PROTOTYPE if prototype is not None else Scope.EVERYONE
        run = start_policy_run(
            project=project,
            scope=scope,
            prototype=prototype,
            annotator=annotator_named(project, ref) if ref is not None else None,
            groups=groups,
            snapshot=find_snapshot(project, frozen) if frozen else None,
            chosen=dict(option_of(each) for each in changes),
            send=not here,
        )
        click.echo(f"policy run {run.number} of {slug}: {run.settings['method']} for {run.whose}", err=True)
        if here:
            execute_policy_run(run.pk, watch=show)
        elif wait:
            _wait_for(run)
        run.refresh_from_db()
        say(_described(run))
        if (here or wait) and run.state != "done":
            sys.exit(1)


def _wait_for(run: "PolicyRun") -> None:
    while not run.over:
        show(run.progress or {"phase": run.state})
        time.sleep(1)
        run.refresh_from_db()


def _described(run: "PolicyRun") -> dict[str, object]:
    version = getattr(run, "version", None)
    return {
        "run": run.number,
        "snapshot": run.snapshot.digest if run.snapshot else None,
        "opinions_of": run.judge.label if run.judge else None,
        "state": run.state,
        "error": run.error,
        "policy": version.label if version else None,
        "notes": version.notes if version else [],
        "metrics": run.metrics,
    }
