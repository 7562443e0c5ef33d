"""An annotator's deletion: nothing of them is left in any table or file, what learnt from them is flagged, and a restored backup
is erased again."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from annotator.errors import Conflict, NotFound
from annotator.exports.dataset_options import DatasetOptions
from annotator.exports.keeping import kept_dataset
from annotator.models import (
    Annotator,
    Assignment,
    AuditEntry,
    Draft,
    Erasure,
    ImportBatch,
    JobState,
    Judgment,
    Pair,
    Role,
    WebhookMessage,
)
from annotator.models.judging import Aspect, AspectComparison, AspectImportance, AspectRating
from annotator.services.answers import Answer
from annotator.services.erasing import delete_project
from annotator.services.judging import record, revise, withdraw
from annotator.services.leaving import scrubbed
from annotator.services.members import pause_annotator, resume_annotator
from annotator.services.standing import drop_annotator, restore_annotator
from annotator.services.tombstones import come_back, tombstones
from annotator.services.webhooks import add_webhook
from attune.data import read_snapshot
from personalization import erasing as erasing_module
from personalization.erasing import carry_out, erase_annotator, reapply, remains, sweep_erasures
from personalization.latents import latent_for
from personalization.models import Latent, TraitStatement
from tests.annotator.api import Program
from tests.factories import ThreePeople, make_people
from tests.training.makers import judge_some, make_tasteful_project, make_version
from training import store
from training.execution import execute_run
from training.lineage import flagged, footprint_of, retrain
from training.models import ModelVersion, PolicyRun, PolicyVersion, Run, Scope, SnapshotPerson, TextVector
from training.policy_runs import continue_policy_run, start_policy_run
from training.registry import promote
from training.runs import start_run
from training.serving import served
from training.snapshots import load_snapshot, take_snapshot

pytestmark = pytest.mark.django_db

SECRET = "Because my grandmother in Forlì said so."
REF = "p-1234abcd"


@pytest.fixture
def people(settings: Any, tmp_path: Path) -> ThreePeople:
    """A project in which one person has left a trace wherever one can be left."""
    settings.ATTUNE_HOME = tmp_path
    places = {
        name: {**settings.STORAGES[name], "OPTIONS": {"location": tmp_path / name}} for name in ("artifacts", "uploads")
    }
    settings.STORAGES = {**settings.STORAGES, **places}
    project = make_tasteful_project(annotators=5, prompts=10, each=10, reward_model="bradley_terry")
    found = make_people(project)
    Annotator.objects.filter(pk=found.judge.pk).update(ref=REF, name="Anna Annotator")
    found.judge.refresh_from_db()
    found.judge.project = project
    return found


@pytest.fixture
def version(people: ThreePeople) -> ModelVersion:
    add_webhook(project=people.project, url="https://example.com/hook", events=["judgment.created"], by=people.owner)
    leave_traces(people)
    made = make_version(people.project)
    promote(version=made)
    latent_for(annotator_id=people.judge.pk, served=served(made))
    return made


def leave_traces(people: ThreePeople) -> None:
    project, who, owner = people.project, people.judge, people.owner
    aspect = Aspect.objects.create(project=project, key="kind", name="Kind")
    pairs = list(Pair.objects.filter(project=project))
    program = Program(people.annotator, project)
    for number, pair in enumerate(pairs[:6]):
        lease = Assignment.objects.create(
            project=project, pair=pair, annotator=who, lease_until=timezone.now() + timedelta(hours=1)
        )
        if number == 5:
            Draft.objects.create(assignment=lease, values={"rationale": SECRET})
            continue
        if number == 4:
            program.ok(
                "POST", "/judgments", {"assignment": str(lease.key), "choice": "a", "rationale": SECRET}, status=201
            )
            continue
        said = record(
            annotator=who,
            assignment_key=lease.key,
            client_key=uuid.uuid4(),
            answer=Answer(choice="left", strength=2, text=SECRET),
        ).judgment
        AspectRating.objects.create(judgment=said, aspect=aspect, response=pair.response_a, value=3)
        AspectComparison.objects.create(judgment=said, aspect=aspect, choice="a")
    first, second = Judgment.objects.filter(annotator=who, current=True)[:2]
    revise(annotator=who, judgment_id=first.pk, client_key=uuid.uuid4(), answer=Answer(choice="tie", text=SECRET))
    withdraw(annotator=who, judgment_id=second.pk, client_key=uuid.uuid4())
    AspectImportance.objects.create(annotator=who, aspect=aspect, place=1)
    TraitStatement.objects.create(annotator=who, trait="length", value=1.0)
    pause_annotator(annotator=who, by=owner)
    resume_annotator(annotator=who, by=owner)
    drop_annotator(annotator=who, by=owner)
    restore_annotator(annotator=who, by=owner)
    batch = ImportBatch.objects.create(
        project=project, by=owner, name="old.jsonl", report={"first_rows": [{"annotator": REF}]}
    )
    batch.path = storages["uploads"].save("old.jsonl", ContentFile(json.dumps({"annotator": REF}).encode()))
    batch.save()
    kept_dataset(project=project, options=DatasetOptions(form="rationales", names="references"))


def own_policy(people: ThreePeople) -> PolicyVersion:
    """A policy of the person alone, with files and checkpoints."""
    snapshot = take_snapshot(project=people.project)
    run = PolicyRun.objects.create(
        project=people.project,
        number=1,
        snapshot=snapshot,
        scope=Scope.ANNOTATOR,
        annotator=people.judge,
        state=JobState.DONE,
    )
    path = f"policies/{people.project.pk}/own"
    with store.work_folder() as work:
        (work / "policy").mkdir()
        (work / "policy" / "policy.json").write_text("{}")
        store.put_folder(work / "policy", path)
    folder = Path(settings.ATTUNE_HOME) / "cache" / "policy-runs" / str(run.pk)
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(str(people.judge.pk))
    return PolicyVersion.objects.create(
        project=people.project,
        number=1,
        scope=Scope.ANNOTATOR,
        annotator=people.judge,
        members=[str(people.judge.pk)],
        base="tiny",
        path=path,
        digest="0" * 64,
        run=run,
    )


def everything_kept() -> str:
    """Every row of every table, but for logins, as one text."""
    said = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if not table.startswith("old_") and table not in (
                "annotator_user",
                "account_emailaddress",
                "django_session",
                "annotator_apitoken",
            ):
                cursor.execute(f'SELECT t::text FROM "{table}" t')
                said += [f"{table}: {row}" for (row,) in cursor.fetchall()]
    return "\n".join(said)


def files_kept() -> bytes:
    """Every file of the installation, unpacked."""
    import gzip

    files = [path for path in Path(settings.ATTUNE_HOME).rglob("*") if path.is_file()]
    return b"\n".join(
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files
    )


def run_all(django_capture_on_commit_callbacks: Any, people: ThreePeople, **how: Any) -> Erasure:
    with django_capture_on_commit_callbacks(execute=True):
        done = erase_annotator(annotator=people.judge, by=people.owner, send=False, **how)
    with django_capture_on_commit_callbacks(execute=True):
        carry_out(done.pk)
    done.refresh_from_db()
    return done


def test_nothing_is_left_in_any_table_or_file(
    people: ThreePeople, version: ModelVersion, django_capture_on_commit_callbacks: Any
) -> None:
    policy = own_policy(people)
    number = people.judge.pk
    traces = (REF, SECRET, "Anna", people.annotator.email)
    before, there = everything_kept(), files_kept()
    assert all(trace in before for trace in (REF, SECRET, "Anna"))
    assert f'"annotator":"{number}"'.encode() in there
    assert SECRET.encode() in there
    others = Judgment.objects.exclude(annotator=number).count()

    done = run_all(django_capture_on_commit_callbacks, people)

    after, left = everything_kept(), files_kept()
    for trace in traces:
        assert not [line[:300] for line in after.splitlines() if trace in line], trace
        assert trace.encode() not in left
    assert f'"annotator":"{number}"'.encode() not in left
    assert done.state == JobState.DONE
    assert (done.number, done.annotator) == (None, None)
    assert Judgment.objects.count() == others
    assert not Latent.objects.filter(annotator=number).exists()
    assert not people.project.memberships.filter(user=people.annotator).exists()
    assert not storages["artifacts"].exists(policy.path)
    assert not WebhookMessage.objects.exists()
    assert done.report["own_policies"] == ["policy@1"]
    taken = {pair.pk: pair.assignments.filter(state__in=("open", "judged")).count() for pair in Pair.objects.all()}
    assert dict(Pair.objects.values_list("pk", "taken")) == taken


def test_every_table_that_hangs_on_an_annotator_is_emptied(
    people: ThreePeople, version: ModelVersion, django_capture_on_commit_callbacks: Any
) -> None:
    """Derived from the models: what refers to an annotator cascades or lets go, so that a new one can't be forgotten."""
    kinds = {}
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, models.ForeignKey) and field.related_model is Annotator:
                kinds[f"{model.__name__}.{field.name}"] = field.remote_field.on_delete
    assert {"Judgment.annotator", "Latent.annotator", "SnapshotPerson.annotator"} <= kinds.keys()
    assert {name for name, rule in kinds.items() if rule is not models.CASCADE} == {"Erasure.annotator"}
    done = run_all(django_capture_on_commit_callbacks, people)
    wanted = (
        *("judgments", "rationales", "drafts", "assignments", "aspect ratings", "aspect comparisons", "latents"),
        *("aspect importances", "trait statements", "quality steps", "annotators", "snapshot persons", "memberships"),
        *("audit entries scrubbed", "kept answers", "uploads", "webhook messages"),
    )
    assert {name: done.report["removed"].get(name, 0) > 0 for name in wanted} == dict.fromkeys(wanted, True)


def test_the_door_opens_for_nobody_else(people: ThreePeople, version: ModelVersion) -> None:
    other = Judgment.objects.exclude(annotator=people.judge).first()
    own = Judgment.objects.filter(annotator=people.judge).first()
    assert other is not None
    assert own is not None
    erasure = Erasure.objects.create(number=people.judge.pk, project=people.project)

    def attempt(statement: str, setting: str) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('attune.erasure', %s, true)", [setting])
            cursor.execute("SET LOCAL attune.erase = 'on'")
            cursor.execute(statement)

    for statement, setting in (
        (f"DELETE FROM annotator_judgment WHERE id = {other.pk}", str(erasure.pk)),
        (f"DELETE FROM annotator_judgment WHERE id = {own.pk}", ""),
        (f"DELETE FROM annotator_judgment WHERE id = {own.pk}", "on"),
        (f"UPDATE annotator_judgment SET choice = 'b' WHERE id = {own.pk}", str(erasure.pk)),
        ("DELETE FROM annotator_qualitystep", ""),
    ):
        with pytest.raises(IntegrityError, match="append-only"):
            attempt(statement, setting)
    Erasure.objects.filter(pk=erasure.pk).update(state=JobState.DONE, number=None)
    with pytest.raises(IntegrityError, match="append-only"):
        attempt(f"DELETE FROM annotator_judgment WHERE id = {own.pk}", str(erasure.pk))


def test_a_deleted_project_goes_through_the_door_too(people: ThreePeople, version: ModelVersion) -> None:
    delete_project(project=people.project, by=people.owner, typed=people.project.name)
    assert not Judgment.objects.exists()
    done = Erasure.objects.get()
    assert (done.whole_project, done.state) == (people.project.pk or done.whole_project, JobState.DONE)


def test_frozen_snapshots_lose_them_and_nothing_else(
    people: ThreePeople, version: ModelVersion, django_capture_on_commit_callbacks: Any
) -> None:
    snapshot = version.run.snapshot
    assert snapshot is not None
    before = load_snapshot(snapshot)
    path, digest, who = snapshot.path, snapshot.digest, str(people.judge.pk)
    named = take_snapshot(project=people.project, name="release")
    assert named.pk == snapshot.pk

    run_all(django_capture_on_commit_callbacks, people)

    snapshot.refresh_from_db()
    after = load_snapshot(snapshot)
    assert after.judgments == tuple(each for each in before.judgments if each.annotator != who)
    assert (snapshot.name, snapshot.digest != digest) == ("release", True)
    assert snapshot.counts["judgments"] == len(after.judgments) == 50
    assert snapshot.counts["annotators"] == 5
    assert [(each["was"], each["judgments"]) for each in snapshot.erased] == [(digest, 4)]
    with pytest.raises(store.StoreError):
        store.fetch_folder(path)
    fresh = take_snapshot(project=people.project)
    assert load_snapshot(fresh).judgments == after.judgments
    assert fresh.digest == snapshot.digest
    assert fresh.pk != snapshot.pk
    assert read_snapshot(store.fetch_folder(fresh.path)).digest == fresh.digest


def test_models_are_flagged_and_learn_again_without_them(
    people: ThreePeople, version: ModelVersion, django_capture_on_commit_callbacks: Any
) -> None:
    found = footprint_of(people.judge)
    assert ([each.label for each in found.versions], found.live) == ([version.label], version)
    assert [count for _, count in found.snapshots] == [4]

    done = run_all(django_capture_on_commit_callbacks, people)

    version.refresh_from_db()
    assert version.erased == 1
    assert flagged(people.project) == ([version], [])
    assert done.report["models"] == [version.label]
    assert version.label in remains(done)[0]
    run = retrain(version=version, by=people.owner, send=False)
    assert isinstance(run, Run)
    assert (run.snapshot, run.promote_when_done) == (version.run.snapshot, True)
    execute_run(run.pk)
    run.refresh_from_db()
    assert run.state == JobState.DONE, run.error
    assert run.version.erased == 0
    assert run.version.state == ModelVersion.State.LIVE


def test_who_is_erased_while_a_model_learns_is_not_in_it(
    people: ThreePeople, version: ModelVersion, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = start_run(project=people.project, snapshot=version.run.snapshot, send=False)
    working = Run.objects.create(
        project=people.project, number=9, model_name="bradley_terry", encoder="style", snapshot=version.run.snapshot
    )
    kept = store.put_folder

    def erase_meanwhile(folder: Path, path: str) -> None:
        kept(folder, path)
        if path.startswith("models/"):
            erase_annotator(annotator=people.judge, by=None, send=False)

    monkeypatch.setattr(store, "put_folder", erase_meanwhile)
    ended = execute_run(working.pk)
    assert ended is not None
    assert ended.state in (JobState.FAILED, JobState.CANCELLED)
    assert not ModelVersion.objects.filter(run=working).exists()
    waiting.refresh_from_db()
    assert waiting.state == JobState.CANCELLED


def test_policies_that_went_on_from_one_that_knew_them_are_flagged_too(
    people: ThreePeople, version: ModelVersion
) -> None:
    def policy(**learnt: Any) -> PolicyVersion:
        number = people.project.policies.count() + 1
        run = PolicyRun.objects.create(project=people.project, number=number, state=JobState.DONE, **learnt)
        return PolicyVersion.objects.create(project=people.project, number=number, base="tiny", run=run)

    knew = policy(snapshot=version.run.snapshot)
    heir = policy(start_from=knew)
    its_heir = policy(start_from=heir)
    aside = policy()
    done = erase_annotator(annotator=people.judge, by=None, send=False)
    flags = dict(people.project.policies.values_list("pk", "erased"))
    assert flags == {knew.pk: 1, heir.pk: 1, its_heir.pk: 1, aside.pk: 0}
    assert done.report["policies"] == ["policy@3", "policy@2", "policy@1"]


def test_opinions_of_a_model_that_knew_them_are_not_learnt_later(people: ThreePeople, version: ModelVersion) -> None:
    run = start_policy_run(
        project=people.project, judge=version, opinions="opinions/1/digest", chosen={"method": "inpo"}, send=False
    )
    erase_annotator(annotator=people.judge, by=None, send=False)
    run.refresh_from_db()
    assert run.state == JobState.CANCELLED
    with pytest.raises(Conflict, match=f"judgments {version.label} learnt from was erased since"):
        continue_policy_run(run=run, send=False)
    run.refresh_from_db()
    assert run.state == JobState.CANCELLED


def test_a_snapshot_that_is_being_rewritten_is_not_read(people: ThreePeople, version: ModelVersion) -> None:
    erase_annotator(annotator=people.judge, by=None, send=False)
    snapshot = version.run.snapshot
    assert snapshot is not None
    snapshot.refresh_from_db()
    with pytest.raises(Conflict, match="being erased from"):
        load_snapshot(snapshot)


def test_snapshots_of_before_people_were_counted_are_searched(people: ThreePeople, version: ModelVersion) -> None:
    SnapshotPerson.objects.all().delete()
    assert [count for _, count in footprint_of(people.judge).snapshots] == [4]
    assert SnapshotPerson.objects.count() == 6


def test_a_restored_backup_is_erased_again(
    people: ThreePeople, version: ModelVersion, django_capture_on_commit_callbacks: Any
) -> None:
    """The rows of before are really put back: the annotator, what they said, and the snapshot as it was."""
    snapshot = version.run.snapshot
    assert snapshot is not None
    saved = {
        "annotator_annotator": f"id = {people.judge.pk}",
        "annotator_assignment": f"annotator_id = {people.judge.pk}",
        "annotator_judgment": f"annotator_id = {people.judge.pk}",
        "annotator_rationale": f"judgment_id IN (SELECT id FROM annotator_judgment WHERE annotator_id = {people.judge.pk})",
        "training_snapshotperson": f"annotator_id = {people.judge.pk}",
    }
    with connection.cursor() as cursor:
        for table, where in saved.items():
            cursor.execute(f"CREATE TEMP TABLE old_{table} ON COMMIT DROP AS SELECT * FROM {table} WHERE {where}")
    run_all(django_capture_on_commit_callbacks, people)
    assert SECRET not in everything_kept()
    assert come_back() == []
    assert reapply() == []

    Erasure.objects.all().delete()  # the backup is older than the erasure
    with connection.cursor() as cursor:
        for table in saved:
            cursor.execute(f"INSERT INTO {table} SELECT * FROM old_{table}")
    snapshot.save()
    assert SECRET in everything_kept()
    other = Annotator.objects.exclude(ref=REF)[0]
    assert [each.ref for each in come_back()] == [REF]
    with django_capture_on_commit_callbacks(execute=True):
        (again,) = reapply()

    assert (again.reapplied, again.state) == (True, JobState.DONE)
    assert SECRET not in everything_kept()
    assert REF not in everything_kept()
    assert Annotator.objects.filter(pk=other.pk).exists()
    assert len(list(tombstones())) == 2


def test_tombstones_say_nothing_of_anybody(
    people: ThreePeople, version: ModelVersion, django_capture_on_commit_callbacks: Any
) -> None:
    number = people.judge.pk
    run_all(django_capture_on_commit_callbacks, people)
    (name,) = storages["artifacts"].listdir("tombstones")[1]
    with storages["artifacts"].open(f"tombstones/{name}") as file:
        body = json.loads(file.read())
    assert set(body) == {"project", "salt", "mark"}
    assert number not in body.values()
    newcomer = Annotator.objects.create(project=people.project, ref=REF)
    assert come_back() == []  # somebody new under an old reference is somebody new
    assert newcomer.pk != number


def test_without_a_tombstone_nothing_is_erased(
    people: ThreePeople, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(erasure: Erasure) -> None:
        raise OSError("no space")

    monkeypatch.setattr(erasing_module, "put_tombstone", full)
    with pytest.raises(Conflict, match="Nothing was erased"):
        erase_annotator(annotator=people.judge, by=None, send=False)
    assert Judgment.objects.filter(annotator=people.judge).exists()
    monkeypatch.undo()
    Annotator.objects.filter(pk=people.judge.pk).update(ref="elsewhere")
    gone = Annotator(pk=10**9, project=people.project, ref="x", created_at=timezone.now())
    with pytest.raises(NotFound):
        erase_annotator(annotator=gone, by=None, send=False)
    assert list(tombstones()) == []


def test_a_lost_worker_is_found_again(
    people: ThreePeople, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(erasing_module, "queue_erasure", sent.append)
    done = erase_annotator(annotator=people.judge, by=None, send=False)
    sweep_erasures()
    Erasure.objects.filter(pk=done.pk).update(state=JobState.FAILED)
    sweep_erasures()
    assert sent == [done.pk, done.pk]
    carry_out(done.pk)
    carry_out(done.pk)
    sweep_erasures()
    assert sent == [done.pk, done.pk]


def test_vectors_of_texts_that_went_with_them_go(people: ThreePeople, version: ModelVersion) -> None:
    """No text of an annotator's is encoded as yet; of those that are, only responses that nobody has any more would go."""
    from training.lineage import forget_vectors

    kept = TextVector.objects.count()
    digests = set(TextVector.objects.values_list("digest", flat=True))
    assert kept > 0
    assert forget_vectors(digests) == 0
    TextVector.objects.create(encoder="style", digest="f" * 64, vector=b"\0" * 4)
    assert forget_vectors({"f" * 64}) == 1


def test_names_are_scrubbed_wherever_they_stand() -> None:
    about = {"annotator": "abc", "choice": "abc", "deep": [{"people": ["abc", "xyz"]}, "a long name"], "n": 3}
    assert scrubbed(about, {"abc", "a long name"}) == {
        "annotator": "(erased)",
        "choice": "abc",
        "deep": [{"people": ["(erased)", "xyz"]}, "(erased)"],
        "n": 3,
    }


def test_an_owner_who_judges_stays_an_owner(people: ThreePeople, version: ModelVersion) -> None:
    mine = Annotator.objects.create(project=people.project, user=people.owner, ref="p-owner-x")
    judge_some(mine, list(Pair.objects.filter(project=people.project))[:3])
    erase_annotator(annotator=mine, by=people.owner, by_themselves=True, send=False)
    assert people.project.memberships.get(user=people.owner).role == Role.OWNER
    entry = AuditEntry.objects.filter(what="annotator erased").get()
    assert entry.by is None  # who erased themselves is not named
