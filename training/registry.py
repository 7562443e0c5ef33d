"""Which version of a project's models is live: promote, roll back, retire."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from annotator.errors import Conflict
from annotator.models import Project, User, Webhook
from annotator.services import audit
from annotator.services.webhooks import tell
from attune.errors import AttuneError
from training.errors import StoreError
from training.models import ModelVersion, Promotion
from training.serving import load_model, served

State = ModelVersion.State


def promote(*, version: ModelVersion, by: User | None = None, reason: str = "") -> Promotion | None:
    """Make a version live in place of the one that is. None where it is live already.

    Readers see the old version or the new one, never none. Raises ``Conflict`` for a retired version and for one whose
    files can't be loaded.
    """
    _check_loadable(version)
    with transaction.atomic():
        version = _locked(version)
        if version.state == State.RETIRED:
            raise Conflict(_("%(model)s is retired; expected a candidate.") % {"model": version.label})
        if version.state == State.LIVE:
            return None
        return _go_live(version, by, reason)


def roll_back(*, project: Project, by: User | None = None, reason: str = "") -> Promotion:
    """Make the version live that the present one replaced. Raises ``Conflict`` where there is none to go back to."""
    with transaction.atomic():
        live = _lock(project).versions.filter(state=State.LIVE).first()
        earlier = _replaced_by(live) if live else None
        if earlier is None:
            raise Conflict(_("There is no earlier version to go back to."))
        return _go_live(earlier, by, reason, rolled_back=True)


def retire(*, version: ModelVersion, by: User | None = None, reason: str = "") -> None:
    """Withdraw a version for good. A live one leaves the project without a model. Retired ones stay as they are."""
    with transaction.atomic():
        version = _locked(version)
        if version.state == State.RETIRED:
            return
        if version.state == State.LIVE:
            Promotion.objects.create(project=version.project, version=None, previous=version, reason=reason, by=by)
        _set(version, State.RETIRED)
        audit.record(project=version.project, by=by, what="model retired", version=version.label, reason=reason)


def earlier_version(project: Project) -> ModelVersion | None:
    """What ``roll_back`` would make live."""
    live = project.versions.filter(state=State.LIVE).first()
    return _replaced_by(live) if live else None


def _check_loadable(version: ModelVersion) -> None:
    """What goes live must work: its files are there, unchanged, and of the encoder that it is registered with."""
    try:
        load_model(served(version))
    except (AttuneError, StoreError) as error:
        why = {"model": version.label, "error": error}
        raise Conflict(_("%(model)s can't be served: %(error)s") % why) from error


def _go_live(version: ModelVersion, by: User | None, reason: str, *, rolled_back: bool = False) -> Promotion:
    project = version.project
    previous = project.versions.filter(state=State.LIVE).first()
    if previous:
        _set(previous, State.CANDIDATE)
    _set(version, State.LIVE)
    what = "model rolled back" if rolled_back else "model promoted"
    replaced = previous.label if previous else None
    audit.record(project=project, by=by, what=what, version=version.label, replaced=replaced, reason=reason)
    data = {"version": version.label, "replaced": replaced, "rolled_back": rolled_back, "reason": reason}
    tell(project=project, event=Webhook.Event.MODEL_PROMOTED, data=data)
    return Promotion.objects.create(
        project=project, version=version, previous=previous, rolled_back=rolled_back, reason=reason, by=by
    )


def _replaced_by(version: ModelVersion) -> ModelVersion | None:
    """The version before this one in the history, past those that are retired now. Going back is not a step forward."""
    seen = {version.pk}
    while True:
        forward = version.promotions.filter(rolled_back=False).select_related("previous").first()
        earlier = forward.previous if forward else None
        if earlier is None or earlier.pk in seen:
            return None
        if earlier.state != State.RETIRED:
            return earlier
        seen.add(earlier.pk)
        version = earlier


def _lock(project: Project) -> Project:
    """One promotion at a time per project. Judgments, which only refer to the row, do not wait for it."""
    return Project.objects.select_for_update(no_key=True).get(pk=project.pk)


def _locked(version: ModelVersion) -> ModelVersion:
    _lock(version.project)
    return ModelVersion.objects.select_related("project").get(pk=version.pk)


def _set(version: ModelVersion, state: ModelVersion.State) -> None:
    version.state = state
    version.save(update_fields=["state"])
