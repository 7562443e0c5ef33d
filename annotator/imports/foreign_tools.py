"""Exports of annotation tools: Label Studio, Argilla."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from annotator.imports.errors import BadRow
from annotator.imports.foreign_parts import Message, objects
from annotator.imports.reading import Row


def label_studio(row: Row, who: str) -> list[Row]:
    data = row["data"]
    if not isinstance(data, Mapping) or not all(isinstance(data.get(name), str) for name in ("text1", "text2")):
        raise BadRow("wrong_value", "data", data, _("an object with prompt, text1 and text2"))
    made = []
    for number, each in enumerate(objects(row["annotations"], "annotations")):
        if each.get("was_cancelled") is True:
            continue
        said = _label_studio_said(each, f"annotations[{number}]")
        by = each.get("completed_by")
        name = by.get("email") or by.get("id") if isinstance(by, Mapping) else by
        made.append(
            {
                "annotator": str(name if name is not None else who),
                "prompt": data.get("prompt"),
                "prompt_id": data.get("prompt_id"),
                "topic": data.get("topic"),
                "response_a": data["text1"],
                "response_b": data["text2"],
                "response_a_id": data.get("text1_id"),
                "response_b_id": data.get("text2_id"),
                "judged_at": each.get("created_at"),
                "seconds": each.get("lead_time"),
                **said,
            }
        )
    return made


def _label_studio_said(annotation: Message, where: str) -> Row:
    said: Row = {}
    for result in objects(annotation.get("result"), f"{where}.result"):
        value = result.get("value")
        if not isinstance(value, Mapping):
            continue
        if result.get("type") == "pairwise":
            said["preference"] = {"left": "a", "right": "b"}.get(str(value.get("selected")))
        elif result.get("type") == "choices" and (choices := value.get("choices")):
            said.setdefault("preference", choices[0] if choices[0] in ("tie", "both_good", "both_bad") else None)
        elif result.get("type") == "rating" and result.get("from_name") == "strength":
            said["strength"] = value.get("rating")
        elif result.get("type") == "textarea":
            texts = value.get("text")
            said["rationale"] = "\n".join(texts) if isinstance(texts, list) else texts
    if not said.get("preference"):
        raise BadRow("missing", f"{where}.result", None, _("a pairwise result with left or right selected"))
    return said


def argilla(row: Row, who: str) -> list[Row]:
    fields = row["fields"]
    names = [name for name in fields if name.startswith("response")] if isinstance(fields, Mapping) else []
    if not isinstance(fields, Mapping) or len(names) != 2 or "prompt" not in fields:
        raise BadRow(
            "wrong_value", "fields", fields, _("an object with prompt and two fields that begin with response")
        )
    answers = row.get("responses")
    if not isinstance(answers, Mapping):
        raise BadRow("wrong_type", "responses", answers, _("an object of lists of answers"))
    asked = next((name for name in ("preference", "choice", "label") if name in answers), None)
    if asked is None:
        raise BadRow("missing", "responses.preference", None, _("answers to the question preference"))
    about = {
        name: {
            str(each.get("user_id")): each.get("value") for each in objects(answers.get(name, []), f"responses.{name}")
        }
        for name in ("strength", "rationale")
    }
    values = {names[0]: "a", names[1]: "b", "a": "a", "b": "b", "left": "a", "right": "b"}
    metadata = row.get("metadata")
    known = metadata if isinstance(metadata, Mapping) else {}
    ids = str(row.get("id") or "").split("/")
    made = []
    for each in objects(answers[asked], f"responses.{asked}"):
        user = str(each.get("user_id") or who)
        said = str(each.get("value"))
        made.append(
            {
                "annotator": user,
                "prompt": fields["prompt"],
                "prompt_id": known.get("prompt_id"),
                "topic": known.get("topic"),
                "response_a": fields[names[0]],
                "response_b": fields[names[1]],
                "response_a_id": ids[1] if len(ids) == 3 else None,
                "response_b_id": ids[2] if len(ids) == 3 else None,
                "model_a": known.get("model_a"),
                "model_b": known.get("model_b"),
                "preference": values.get(said, said),
                "strength": about["strength"].get(user),
                "rationale": about["rationale"].get(user),
            }
        )
    return made
