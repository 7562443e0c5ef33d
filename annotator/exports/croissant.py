"""Croissant 1.1 metadata of a dataset's folder, with the fields for responsible use (RAI 1.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from annotator.exports.card import DECISIONS, Facts

if TYPE_CHECKING:
    from annotator.exports.datasets import DataFile

PARQUET = "application/x-parquet"
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "arrayShape": "cr:arrayShape",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    "text": "sc:Text",
    "json": "sc:Text",
    "texts": "sc:Text",
    "flag": "sc:Boolean",
    "whole": "sc:Integer",
    "wholes": "sc:Integer",
    "real": "sc:Float",
    "reals": "sc:Float",
}
_LISTS = ("texts", "wholes", "reals", "messages")


def croissant_of(facts: Facts, files: Sequence[DataFile]) -> dict[str, Any]:
    """The JSON-LD document; addresses are relative to the folder."""
    project = facts.project
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": facts.name,
        "description": project.description.strip() or f"Preferences collected in the project {project.name}.",
        "license": project.source_note.strip() or "Not stated",
        "url": f"urn:attune:{project.slug}:{facts.options.form}",
        "version": facts.version,
        "datePublished": facts.published,
        "citeAs": f"{project.name}, collected with Attune",
        **_responsible(facts),
        "distribution": [_file(each) for each in files],
        "recordSet": [_records(facts, each) for each in files],
    }


def _responsible(facts: Facts) -> dict[str, Any]:
    project, chosen = facts.project, facts.options.chosen
    decided = "; ".join(f"{words}: {chosen[name]}" for name, words in DECISIONS.items())
    kinds = ["Human judgments"] if facts.people else []
    kinds += ["Judgments of simulated annotators"] if facts.simulated else []
    return {
        "rai:dataCollection": "Annotators compared two responses to a prompt, sides at random, sources hidden.",
        "rai:dataCollectionType": kinds or ["None yet"],
        "rai:dataAnnotationProtocol": project.instructions.strip() or "No instructions beyond the page itself.",
        "rai:dataAnnotationPlatform": ["Attune"],
        "rai:annotationsPerItem": f"up to {project.overlap}",
        "rai:annotatorDemographics": ["Not collected"],
        "rai:machineAnnotationTools": ["Simulated annotators of Attune"] if facts.simulated else ["None"],
        "rai:dataPreprocessingProtocol": [decided],
        "rai:dataBiases": ["Pairs were chosen in part by a model, not drawn at random from all responses."],
        "rai:dataLimitations": ["Preferences are tastes: a preferred response need not be right."],
        "rai:personalSensitiveInformation": [
            "Texts are as their authors wrote them and were not searched for personal data."
        ],
        "rai:dataUseCases": ["Training and evaluating reward models and policies that follow personal preferences."],
    }


def _file(each: DataFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": each.path,
        "name": each.path,
        "contentUrl": each.path,
        "contentSize": f"{each.size} B",
        "encodingFormat": PARQUET,
        "sha256": each.sha256,
    }


def _records(facts: Facts, each: DataFile) -> dict[str, Any]:
    own = f"{each.split}"
    return {
        "@type": "cr:RecordSet",
        "@id": own,
        "name": own,
        "description": f"{each.rows} rows.",
        "field": [_field(own, each.path, column.name, column.type, column.about) for column in facts.columns],
    }


def _field(records: str, path: str, name: str, kind: str, about: str) -> dict[str, Any]:
    identity = f"{records}/{name}"
    source = {"fileObject": {"@id": path}, "extract": {"column": name}}
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": identity,
        "name": identity,
        "description": about,
        "source": source,
    }
    if kind == "messages":
        parts = [
            {
                "@type": "cr:Field",
                "@id": f"{identity}/{part}",
                "name": f"{identity}/{part}",
                "dataType": "sc:Text",
                "source": {**source, "transform": {"jsonPath": part}},
            }
            for part in ("role", "content")
        ]
        field["subField"] = parts
    else:
        field["dataType"] = _TYPES[kind]
    if kind in _LISTS:
        field["isArray"] = True
        field["arrayShape"] = "-1"
    return field
