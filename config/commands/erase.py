"""`attune erase`: an annotator's deletion, and its repetition after a restore. JSON on stdout."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from config.commands.training import project_session, say
from config.local.errors import LocalError
from config.local.session import local_django

if TYPE_CHECKING:
    from annotator.models import Annotator, Erasure, Project


@click.command()
@click.option("--project", "slug", metavar="SLUG", help="The project, by its short name.")
@click.option("--annotator", "ref", metavar="REF", help="Whom, by their reference in the project.")
@click.option(
    "--login", "email", metavar="EMAIL", help="In place of these: a login, with all that it is in every project."
)
@click.option("--dry-run", is_flag=True, help="Say where their judgments are, and change nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--reapply", "again", is_flag=True, help="Erase again whom a restored backup has brought back.")
def erase(slug: str | None, ref: str | None, email: str | None, dry_run: bool, yes: bool, again: bool) -> None:
    """Delete an annotator for good: judgments, rationales, latents, policies of their own, from snapshots too; or a login.

    Models that learnt from them are flagged; `attune train --snapshot` or their pages learn again without them.
    """
    if again:
        if slug or ref or email or dry_run:
            raise click.UsageError("--reapply takes nothing else.")
        _reapply()
        return
    if email is not None:
        if slug or ref:
            raise click.UsageError("--login goes with neither --project nor --annotator.")
        _erase_login(email, dry_run=dry_run, yes=yes)
        return
    if not slug or ref is None:
        raise click.UsageError("Say whom: --project SLUG --annotator REF; or --login EMAIL; or --reapply.")
    with project_session(slug) as project:
        from personalization.erasing import carry_out, erase_annotator, remains

        annotator = _annotator(project, ref)
        if dry_run:
            say(_footprint(annotator))
            return
        if not yes:
            click.confirm(
                f"Erase {ref} of {slug} with {annotator.judgments.count()} judgments for good?", abort=True, err=True
            )
        erasure = erase_annotator(annotator=annotator, by=None, send=False)
        carry_out(erasure.pk)
        erasure.refresh_from_db()
        say({**described(erasure), "remains": remains(erasure)})


def described(erasure: "Erasure") -> dict[str, Any]:
    """An erasure for a program."""
    return {"erasure": str(erasure.key), "state": erasure.state, "judgments": erasure.judgments, **erasure.report}


def _reapply() -> None:
    with _attune():
        from personalization.erasing import reapply
        from personalization.logins import reapply_logins

        annotators, logins = reapply(), reapply_logins()
        again = [*annotators, *(each for login in logins for each in login.erasures)]
        said = {"erased_again": [described(each) for each in again], "logins_deleted_again": len(logins)}
        click.echo(json.dumps(said, indent=2))


def _erase_login(email: str, *, dry_run: bool, yes: bool) -> None:
    with _attune():
        from annotator.errors import NotFound
        from annotator.models import User
        from personalization.erasing import carry_out
        from personalization.logins import delete_login, holdings_of

        user = User.objects.filter(email=email.lower()).first()
        if user is None:
            raise NotFound(f"There is no login {email}.")
        held = holdings_of(user)
        if dry_run:
            say(
                {
                    "login": user.email,
                    "annotators": [{"project": each.project.slug, **_footprint(each)} for each in held.annotators],
                    "roles": {each.project.slug: each.role for each in held.memberships},
                    "only_owner_of": [each.slug for each in held.alone],
                    "only_administrator": held.only_admin,
                }
            )
            return
        if not yes:
            click.confirm(f"Delete {user.email} with {len(held.annotators)} annotators for good?", abort=True, err=True)
        done = delete_login(user=user, by=None, send=False)
        for each in done.erasures:
            carry_out(each.pk)
            each.refresh_from_db()
        erasures = [described(each) for each in done.erasures]
        say({"erasures": erasures, "removed": done.removed, "remains": done.remains})


def _annotator(project: "Project", ref: str) -> "Annotator":
    from annotator.errors import NotFound

    found = project.annotators.select_related("project", "user").filter(ref=ref.replace("\x00", "\ufffd")).first()
    if found is None:
        raise NotFound(f"There is no annotator “{ref}” in {project.slug}.")
    return found


def _footprint(annotator: "Annotator") -> dict[str, Any]:
    from training.lineage import footprint_of

    found = footprint_of(annotator)
    return {
        "annotator": annotator.ref,
        "judgments": annotator.judgments.count(),
        "snapshots": [
            {"snapshot": each.digest, "name": each.name, "judgments": count} for each, count in found.snapshots
        ],
        "models": [each.label for each in found.versions],
        "policies": [each.label for each in found.policies],
        "own_policies": [each.label for each in found.personal],
    }


@contextmanager
def _attune() -> Iterator[None]:
    try:
        with local_django():
            from annotator.errors import AnnotatorError

            try:
                yield
            except AnnotatorError as error:
                raise click.ClickException(str(error)) from error
    except LocalError as error:
        raise click.ClickException(str(error)) from error
