"""`attune round`: a policy writes responses that people then judge. Results as JSON on stdout, progress on stderr."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from attune.policies.settings import USUAL_ANCHOR, USUAL_BETA, USUAL_REJECTION_BETA
from config.commands.training import project_option, project_session, say, show

if TYPE_CHECKING:
    from personalization.models import PolicyRound
    from training.models import PolicyRun


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
@click.option("--method", default="best_of_n", show_default=True, help="best_of_n, rso, on_policy or nash.")
@click.option("--pairs-each", default=1, show_default=True, help="Pairs of its own responses to a prompt.")
@click.option("--versus-each", default=1, show_default=True, help="Pairs of its own with the opponent's.")
@click.option("--beta", default=USUAL_REJECTION_BETA, show_default=True, help="Of rejection sampling.")
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
@click.option("--opinions", is_flag=True, help="Learn what the preference model said of it, and no judgments.")
@click.option("--method", default="inpo", show_default=True, help="With --opinions: inpo, dno or sppo.")
@click.option("--beta", default=USUAL_BETA, show_default=True, help="With --opinions: η.")
@click.option("--anchor", default=USUAL_ANCHOR, show_default=True, help="With --opinions and inpo: τ/η, 0 to 1.")
@click.option("--here", is_flag=True, help="Train from this process, without a worker or a broker.")
def next_policy(
    slug: str, number: int, only_new: bool, opinions: bool, method: str, beta: float, anchor: float, here: bool
) -> None:
    """Train the next policy from what was said of round NUMBER, from where its policy stands."""
    if only_new and opinions:
        raise click.UsageError("--only-new is of judgments, and --opinions learns none.")
    with project_session(slug) as project:
        from personalization.rounds.playing import Play, start_self_play
        from personalization.rounds.putting import start_next_run
        from personalization.rounds.reading import find_round

        row = find_round(project, number)
        if opinions:
            play = Play(method=method, beta=beta, anchor=anchor)
            run = start_self_play(row=row, play=play, send=not here)
        else:
            run = start_next_run(row=row, only_new=only_new, send=not here)
        _trained(run, here=here)


@round_command.command(name="play")
@project_option
@click.option("--policy", type=int, metavar="N", help="Where self-play begins; the base model unless given.")
@click.option(
    "--iterations",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Rounds, each followed by a policy.",
)
@click.option("--most-prompts", default=50, show_default=True)
@click.option("--count", default=8, show_default=True, help="Responses to a prompt.")
@click.option("--temperature", default=1.0, show_default=True)
@click.option("--most-tokens", default=256, show_default=True)
@click.option("--pairs-each", default=1, show_default=True, help="Pairs learnt of a prompt.")
@click.option("--method", default="inpo", show_default=True, help="inpo, dno or sppo.")
@click.option("--beta", default=USUAL_BETA, show_default=True, help="η.")
@click.option("--anchor", default=USUAL_ANCHOR, show_default=True, help="Of inpo: τ/η, 0 to 1.")
@click.option("--seed", default=0, show_default=True, help="Of the first round; each later one has one more.")
def play_command(
    slug: str,
    policy: int | None,
    iterations: int,
    temperature: float,
    method: str,
    beta: float,
    anchor: float,
    seed: int,
    **options: Any,
) -> None:
    """Self-play from this process: the policy writes, the preference model judges, the next policy learns from its opinions.

    No person judges anything. Each round is measured against the base model. Two lines of JSON an iteration: the round, the run.
    """
    with project_session(slug) as project:
        from personalization.rounds.executing import execute_round
        from personalization.rounds.playing import Play, start_self_play
        from personalization.rounds.starting import Asked, start_round

        for number in range(iterations):
            asked = Asked(
                version=policy,
                method="nash",
                temperatures=(temperature,),
                versus_each=int(policy is not None),
                seed=seed + number,
                **options,
            )
            row = start_round(project=project, asked=asked, send=False)
            execute_round(row.pk, watch=show)
            row.refresh_from_db()
            say(_described(row), line=True)
            if row.state != "done":
                sys.exit(1)
            run = start_self_play(row=row, play=Play(method=method, beta=beta, anchor=anchor), send=False)
            policy = _trained(run, here=True, line=True)


def _trained(run: "PolicyRun", *, here: bool, line: bool = False) -> int | None:
    """Say what came of a run, carried out here where that was asked for; its policy's number. Ends with 1 where it failed."""
    from training.policy_execution import execute_policy_run

    if here:
        execute_policy_run(run.pk, watch=show)
    run.refresh_from_db()
    version = getattr(run, "version", None)
    judge = run.judge.label if run.judge else None
    policy = version.label if version else None
    said = {"run": run.number, "state": run.state, "error": run.error, "policy": policy, "opinions_of": judge}
    say(said, line=line)
    if here and run.state != "done":
        sys.exit(1)
    return version.number if version else None


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
        "judge": row.judge.label if row.judge else None,
        "put_at": row.put_at.isoformat() if row.put_at else None,
        "metrics": row.metrics,
        "wins": {"share": wins.share.estimate, "low": wins.share.low, "high": wins.share.high, "pairs": wins.pairs}
        if wins
        else None,
    }
