"""Adding what is judged: prompts, responses to them, pairs of responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils.translation import gettext as _

from annotator.errors import Conflict, Invalid
from annotator.models import Pair, Project, Prompt, Response, User
from annotator.models.content import MAX_TEXT
from annotator.services.audit import record
from annotator.services.lineups import make_lineups
from annotator.services.pictures import picture_of
from annotator.services.slots import slots_of
from annotator.services.texts import text_problem
from attune.data import content_digest, flatten_prompt

MAX_REF = 200
"""Code points of an id, a topic, a source."""
SHORT_REF = 16
"""Hex digits of a digest that stand for a text without an id."""
MAX_TURNS = 500
"""Messages that may follow a response."""
ROLES = ("system", "user", "assistant")

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class NewResponse:
    """An answer to be added; without ``ref`` it is known by what it says, or by its picture.

    ``picture`` is the name of a stored one, or an address to fetch it from; ``text`` then says what it shows. ``after`` is
    how the conversation went on, ``consequence`` what came of following it.
    """

    text: str
    ref: str = ""
    source: str = ""
    about: Mapping[str, object] = field(default_factory=dict)
    picture: str = ""
    after: Sequence[Mapping[str, str]] = ()
    consequence: str = ""


def as_messages(prompt: str | Sequence[Mapping[str, str]]) -> list[Message]:
    """A prompt as a conversation; a plain text is one turn of the person."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [{"role": message["role"], "content": message["content"]} for message in prompt]


def prompt_digest(text: str) -> str:
    """What two prompts that read the same share."""
    return content_digest(text, "")


def short_ref(digest: str) -> str:
    """The id of a text that came without one."""
    return digest[:SHORT_REF]


def pair_order(responses: int, limit: int | None = None) -> list[tuple[int, int]]:
    """Which of ``responses`` answers to compare, by index: all pairs, or the first ``limit`` of a round robin.

    In each round of it every response plays once, so that any ``limit`` spreads evenly over the responses.
    """
    places = list(range(responses + responses % 2))  # an odd one out rests against a place nobody has
    pairs: list[tuple[int, int]] = []
    for _round in range(len(places) - 1):
        half = len(places) // 2
        opposite = zip(places[:half], reversed(places[half:]), strict=True)
        pairs += [(min(one, two), max(one, two)) for one, two in opposite if max(one, two) < responses]
        places[1:] = [places[-1], *places[1:-1]]
    return pairs if limit is None else pairs[:limit]


def add_prompt(
    *,
    project: Project,
    prompt: str | Sequence[Mapping[str, str]],
    responses: Sequence[NewResponse] = (),
    ref: str = "",
    topic: str = "",
    about: Mapping[str, object] | None = None,
    pairs: int | None = None,
) -> Prompt:
    """Add a prompt with its responses and ``pairs`` of them (all, unless a number is given).

    Raises ``Invalid`` for a text that can't be stored, ``Conflict`` where the id is taken.
    """
    messages = as_messages(prompt)
    text = flatten_prompt(messages)
    _check(prompt=text, ref=ref, topic=topic)
    digest = prompt_digest(text)
    ref = ref or short_ref(digest)
    with transaction.atomic():
        if Prompt.objects.filter(project=project, ref=ref).exists():
            raise Conflict(_("There is a prompt with the id “%(ref)s” already.") % {"ref": ref})
        row = Prompt.objects.create(
            project=project,
            ref=ref,
            messages=messages,
            text=text,
            digest=digest,
            topic=topic,
            about=dict(about or {}),
        )
        add_pairs(prompt=row, responses=add_responses(prompt=row, responses=responses), limit=pairs)
        make_lineups(project=project, prompt=row)
    return row


def add_responses(*, prompt: Prompt, responses: Sequence[NewResponse]) -> list[Response]:
    """Add answers to a prompt, in order. Raises ``Invalid`` for a text that can't be stored, ``Conflict`` for a taken id."""
    rows = [_new_response(prompt, each) for each in responses]
    refs = [row.ref for row in rows]
    taken = {ref for ref in refs if refs.count(ref) > 1}
    taken |= set(Response.objects.filter(prompt=prompt, ref__in=refs).values_list("ref", flat=True))
    if taken:
        raise Conflict(
            _("The prompt has a response “%(first)s” already; give each response an id of its own.")
            % {"first": min(taken)}
        )
    return Response.objects.bulk_create(rows)


def set_consequences(*, project: Project, by: User, consequences: Mapping[int, str]) -> int:
    """Say what came of following responses, by their ids; empty takes it away. Returns how many changed.

    Second looks that were given already saw what was there then; their judgments stay. Raises ``Invalid``.
    """
    for text in consequences.values():
        _check(consequence=text)
    rows = Response.objects.filter(prompt__project=project, pk__in=consequences).select_for_update()
    with transaction.atomic():
        changed = [row for row in rows if row.consequence != consequences[row.pk]]
        for row in changed:
            row.consequence = consequences[row.pk]
        Response.objects.bulk_update(changed, ["consequence"])
        if changed:
            record(project=project, by=by, what="consequences written", responses=[row.pk for row in changed][:100])
    return len(changed)


def _new_response(prompt: Prompt, new: NewResponse) -> Response:
    _check(response=new.text, ref=new.ref, source=new.source, consequence=new.consequence)
    if problem := turns_problem(new.after):
        raise Invalid(_("after: %(problem)s") % {"problem": problem}, fields={"after": problem})
    digest = content_digest(prompt.text, new.text)
    picture = picture_of(project=prompt.project, reference=new.picture) if new.picture else None
    return Response(
        prompt=prompt,
        ref=new.ref or short_ref(picture.name if picture else digest),
        text=new.text,
        digest=digest,
        source=new.source,
        picture=picture,
        after=[{"role": turn["role"], "content": turn["content"]} for turn in new.after],
        consequence=new.consequence,
        about=dict(new.about),
    )


def turns_problem(turns: object) -> str:
    """What is wrong with messages that follow a response, in words; empty if nothing is."""
    if not isinstance(turns, list | tuple) or len(turns) > MAX_TURNS:
        return _("expected a list of at most %(most)s messages") % {"most": MAX_TURNS}
    for number, turn in enumerate(turns, start=1):
        if not isinstance(turn, Mapping) or turn.keys() != {"role", "content"} or turn["role"] not in ROLES:
            known = {"number": number, "roles": ", ".join(ROLES)}
            return _("message %(number)s is not a role (%(roles)s) with content") % known
        if problem := text_problem(turn["content"], limit=MAX_TEXT):
            return _("message %(number)s: %(problem)s") % {"number": number, "problem": problem}
        if not turn["content"].strip():
            return _("message %(number)s is empty") % {"number": number}
    total = sum(len(turn["content"]) for turn in turns)
    if total <= MAX_TEXT:
        return ""
    known = {"n": f"{total:,}", "most": f"{MAX_TEXT:,}"}
    return _("the messages have %(n)s characters; at most %(most)s are allowed") % known


def add_pairs(*, prompt: Prompt, responses: Sequence[Response], limit: int | None = None) -> list[Pair]:
    """Pair a prompt's responses, the older first; pairs that are there already are left as they are."""
    ordered = sorted(responses, key=lambda response: response.pk)
    return pair_up(prompt=prompt, couples=[(ordered[a], ordered[b]) for a, b in pair_order(len(ordered), limit)])


def pair_up(*, prompt: Prompt, couples: Sequence[tuple[Response, Response]]) -> list[Pair]:
    """Make pairs of these responses to a prompt, the older first; those that are there already are left as they are."""
    project = prompt.project
    pairs = []
    for couple in couples:
        older, newer = sorted(couple, key=lambda response: response.pk)
        pairs.append(Pair(project=project, prompt=prompt, response_a=older, response_b=newer))
    for pair in pairs:
        pair.target, pair.cap = slots_of(project, pair.shuffle)
    return Pair.objects.bulk_create(pairs, ignore_conflicts=True)


def _check(**texts: str) -> None:
    fields = {}
    for name, text in texts.items():
        long = name in ("prompt", "response")
        problem = text_problem(text, limit=MAX_TEXT if long or name == "consequence" else MAX_REF)
        if long and not problem and not text.strip():
            problem = _("This is empty.")
        if problem:
            fields[name] = problem
    if fields:
        raise Invalid(" ".join(f"{name}: {problem}" for name, problem in fields.items()), fields=fields)
