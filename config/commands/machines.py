"""`attune machine`: programs that judge beside people. Results as JSON on stdout, progress on stderr."""

import os
import sys
from dataclasses import asdict
from typing import Any

import click

from config.commands.training import project_option, project_session, say, show


@click.group(name="machine")
def machine_command() -> None:
    """Machine annotators: they say which response they think better, after people have, and are compared with them."""


@machine_command.command(name="add")
@project_option
@click.argument("name")
@click.option("--kind", type=click.Choice(["followup", "density", "judge"]), required=True)
@click.option(
    "--policy", "version", type=int, metavar="N", help="The model that is asked; the base model unless given."
)
@click.option("--reference", type=int, metavar="N", help="A density ratio's reference; the base model unless given.")
@click.option("--url", default="", help="A judge's address, such as https://…/v1.")
@click.option("--model", default="", help="As the judge's endpoint calls it.")
@click.option("--key-env", default="", metavar="NAME", help="The environment variable that holds the judge's key.")
def add(slug: str, name: str, key_env: str, **options: Any) -> None:
    """Set one up under NAME."""
    if key_env and key_env not in os.environ:
        raise click.UsageError(f"there is no environment variable {key_env}")
    with project_session(slug) as project:
        from personalization.machines.managing import NewMachine, add_machine

        new = NewMachine(name=name, key=os.environ.get(key_env, ""), **options)
        machine = add_machine(project=project, new=new)
        say({"machine": machine.number, "name": machine.name, "kind": machine.kind})


@machine_command.command(name="judge")
@project_option
@click.argument("number", type=int)
@click.option("--most-pairs", default=200, show_default=True)
@click.option("--here", is_flag=True, help="Carry it out from this process, without a worker or a broker.")
def judge(slug: str, number: int, most_pairs: int, here: bool) -> None:
    """Have machine annotator NUMBER judge pairs that people have judged."""
    with project_session(slug) as project:
        from personalization.machines.executing import execute_machine_run
        from personalization.machines.managing import start_machine_run
        from personalization.machines.reading import find_machine

        run = start_machine_run(machine=find_machine(project, number), most_pairs=most_pairs, send=not here)
        if here:
            execute_machine_run(run.pk, watch=show)
            run.refresh_from_db()
        say({"machine": number, "state": run.state, "error": run.error, "progress": run.progress})
        if here and run.state != "done":
            sys.exit(1)


@machine_command.command(name="report")
@project_option
@click.argument("number", type=int)
def report(slug: str, number: int) -> None:
    """Where machine annotator NUMBER and people differ."""
    with project_session(slug) as project:
        from personalization.machines.reading import find_machine, report_on

        found = report_on(find_machine(project, number))
        contested = [
            {"pair": each.judgment.pair_id, "judgments": each.judgments, "against": each.share}
            for each in found.contested
        ]
        parts = ("overall", "people", "simulated", "among_people")
        agreements = {name: asdict(each) if (each := getattr(found, name)) else None for name in parts}
        told: dict[str, object] = {name: getattr(found, name) for name in ("judged", "no_opinion", "ties", "swayed")}
        told |= agreements
        told |= {name: [asdict(each) for each in getattr(found, name)] for name in ("topics", "strengths")}
        say(told | {"contested": contested})
