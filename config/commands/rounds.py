"""`attune round`: a policy writes responses that people then judge. Results as JSON on stdout, progress on stderr."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from config.commands.training import project_option, project_session, say, show

if TYPE_CHECKING:
    from personalization.models import PolicyRound


@click.group(name="round")
def round_command() -> None:
    """Rounds: a policy writes, people judge what it wrote, the next policy learns from that."""


@round_command.command(name="start")
@project_option
@click.option("--policy", type=int, metavar="N", help="The policy that writes; the base model unless given.")
@click.option("--opponent", type=int, metavar="N", help="What it is measured against; the base model unless given.")
@click.option("--prompt", "prompts", multiple=True, metavar="REF", help="Only this prompt; can be repeated.")
@click.option("--topic", "topics", multiple=True, metavar="TOPIC", help="Only prompts of this topic; can be repeated.")
@click.option("--most-prompts", default=50, show_default=True)
@click.option("--count", default=4, show_default=True, help="Responses to a prompt at each temperature.")
@click.option("--temperature", "temperatures", multiple=True, type=float, default=(0.7, 1.0), show_default=True)
@click.option("--most-tokens", default=256, show_default=True)
@click.option("--method", default="best_of_n", show_default=True, help="best_of_n, rso or on_policy.")
@click.option("--pairs-each", default=1, show_default=True, help="Pairs of its own responses to a prompt.")
@click.option("--versus-each", default=1, show_default=True, help="Pairs of its own with the opponent's.")
@click.option("--beta", default=0.5, show_default=True, help="Of rejection sampling.")
@click.option("--seed", type=int)
@click.option("--put", is_flag=True, help="Put the pairs to annotators at once.")
@click.option("--wait", is_flag=True, help="Stay until a worker has carried it out.")
@click.option("--here", is_flag=True, help="Carry it out from this process, without a worker or a broker.")
def start(slug: str, policy: int | None, put: bool, wait: bool, here: bool, **options: Any) -> None:
    """Let a policy write responses, reward and pair them. Ends with 1 where that fails or is stopped."""
    with project_session(slug) as project:
        from personalization.rounds.executing import execute_round
        from personalization.rounds.starting import Asked, start_round

        asked = Asked(version=policy, **options)
        row = start_round(project=project, asked=asked, put_when_done=put, send=not here)
        click.echo(f"round {row.number} of {slug}: {row.writer} against {row.rival}", err=True)
        if here:
            execute_round(row.pk, watch=show)
        elif wait:
            _wait_for(row)
        row.refresh_from_db()
        say(_described(row))
        if (here or wait) and row.state != "done":
            sys.exit(1)


@round_command.command(name="put")
@project_option
@click.argument("number", type=int)
def put(slug: str, number: int) -> None:
    """Put the pairs of round NUMBER to annotators. A second time it changes nothing."""
    with project_session(slug) as project:
        from personalization.rounds.putting import put_round
        from personalization.rounds.reading import find_round

        row = find_round(project, number)
        count = put_round(row=row)
        say(_described(row) | {"put": count})


@round_command.command(name="show")
@project_option
@click.argument("number", type=int)
def show_round(slug: str, number: int) -> None:
    """How far round NUMBER is, what it measured, and who wins by people's judgments."""
    with project_session(slug) as project:
        from personalization.rounds.reading import find_round

        say(_described(find_round(project, number)))


@round_command.command(name="next")
@project_option
@click.argument("number", type=int)
@click.option("--only-new", is_flag=True, help="Learn from the judgments of this round's pairs alone.")
@click.option("--here", is_flag=True, help="Train from this process, without a worker or a broker.")
def next_policy(slug: str, number: int, only_new: bool, here: bool) -> None:
    """Train the next policy from what was said of round NUMBER, from where its policy stands."""
    with project_session(slug) as project:
        from personalization.rounds.putting import start_next_run
        from personalization.rounds.reading import find_round
        from training.policy_execution import execute_policy_run

        run = start_next_run(row=find_round(project, number), only_new=only_new, send=not here)
        if here:
            execute_policy_run(run.pk, watch=show)
        run.refresh_from_db()
        version = getattr(run, "version", None)
        policy = version.label if version else None
        say({"run": run.number, "state": run.state, "error": run.error, "policy": policy})
        if here and run.state != "done":
            sys.exit(1)


def _wait_for(row: "PolicyRound") -> None:
    while not row.over:
        show(row.progress or {"phase": row.state})
        time.sleep(1)
        row.refresh_from_db()


def _described(row: "PolicyRound") -> dict[str, object]:
    from personalization.rounds.reading import wins_of

    wins = wins_of([row]).get(row.pk)
    return {
        "round": row.number,
        "state": row.state,
        "error": row.error,
        "policy": row.writer,
        "opponent": row.rival,
        "put_at": row.put_at.isoformat() if row.put_at else None,
        "metrics": row.metrics,
        "wins": {"share": wins.share.estimate, "low": wins.share.low, "high": wins.share.high, "pairs": wins.pairs}
        if wins
        else None,
    }
