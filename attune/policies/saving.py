"""A trained policy on disk: PEFT's files (or full weights) in safetensors, a model card, what was measured, and hashes.

``adapter_config.json`` and ``adapter_model.safetensors`` are what PEFT and vLLM's multi-LoRA load; ``policy.json`` is
ours. The folder is written aside and renamed, so that one with the final name is always complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

import attune
from attune.errors import ArtifactError
from attune.policies.base import Base
from attune.policies.errors import AdapterMismatch

POLICY_FORMAT = "attune-policy/1"
POLICY_FILE = "policy.json"
MANIFEST_FILE = "manifest.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"

CARD = """---
base_model: {base}
library_name: {library}
pipeline_tag: text-generation
tags: [attune, preference, {method}]
---
# {title}

{whose} Trained by Attune {version} with `{method}` on {pairs} {learnt}.

| | |
|---|---|
{rows}

## How to load it

{loading}

## What it is not

{says}, measured on {held_out} {aside} that were kept aside. It was not
checked for anything else: not for truth, and not for what other people would say.
"""
PEFT_LOADING = """With PEFT: `PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), "THIS FOLDER")`.
With vLLM: `vllm serve {base} --enable-lora --max-lora-rank {rank} --lora-modules name=THIS_FOLDER`."""
FULL_LOADING = """With transformers: `AutoModelForCausalLM.from_pretrained("THIS FOLDER")`."""


def save_policy(model: Any, tokenizer: Any, base: Base, folder: Path, about: Mapping[str, Any]) -> str:
    """Write the policy as a new folder and return its digest. Raises ``ArtifactError`` where the folder exists."""
    if folder.exists():
        raise ArtifactError(f"{folder} already exists; policies are never overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        lora = hasattr(model, "peft_config")
        model.save_pretrained(aside, safe_serialization=True)
        if lora:
            _name_base(aside / ADAPTER_CONFIG, base)
        else:
            tokenizer.save_pretrained(aside)
        described = {
            "format": POLICY_FORMAT,
            "base": {"name": base.name, "revision": base.revision, "fingerprint": base.fingerprint},
            "code_version": attune.__version__,
            **about,
        }
        (aside / POLICY_FILE).write_text(_json(described))
        (aside / "README.md").write_text(card(base, about, lora=lora))
        digest = _seal(aside)
        aside.chmod(0o755)
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return digest


def describe(folder: Path, digest: str | None = None) -> dict[str, Any]:
    """The description of a stored policy, every byte checked. Raises ``ArtifactError`` where a file changed or is missing."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text())
        found = {name: _hash(folder / name) for name in manifest["files"]}
        described: dict[str, Any] = json.loads((folder / POLICY_FILE).read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{folder} is not a stored policy: {error}") from error
    if found != manifest["files"] or digest not in (None, manifest["digest"]) or _digest(found) != manifest["digest"]:
        raise ArtifactError(f"{folder} has changed since it was stored")
    if described.get("format") != POLICY_FORMAT:
        raise ArtifactError(f"{folder} has format {described.get('format')!r}; expected {POLICY_FORMAT!r}")
    return described | {"digest": manifest["digest"]}


def check_base(folder: Path, base: Base) -> None:
    """Raises ``AdapterMismatch`` where the adapter was made for another base model."""
    made_for = describe(folder)["base"]
    if made_for["fingerprint"] != base.fingerprint:
        raise AdapterMismatch(
            f"The adapter was made for the base model {made_for['name']!r}, and this run is of {base.name!r}; choose the"
            " same base, or start without the adapter."
        )


def extrapolate(earlier: Path, model: Any, momentum: float) -> None:
    """θ ← θ + momentum·(θ − θ_earlier) on the adapter's weights (accelerated preference optimisation, He et al. 2024)."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    before = load_file(earlier / ADAPTER_WEIGHTS)
    now = get_peft_model_state_dict(model)
    if before.keys() != now.keys():
        raise AdapterMismatch("The adapter that the run started from has other layers; momentum needs the same ones.")
    moved = {name: value + momentum * (value - before[name].to(value)) for name, value in now.items()}
    set_peft_model_state_dict(model, moved)


def card(base: Base, about: Mapping[str, Any], *, lora: bool) -> str:
    """The model card."""
    metrics = about["metrics"]
    rows = [("Base model", f"{base.name} {base.revision}".strip()), ("Snapshot", about["snapshot"])]
    rows += [(name.replace("_", " "), f"{value:.4g}") for name, value in metrics.items()]
    rows += [("Seed", about["settings"]["seed"]), ("Options", json.dumps(about["settings"]["options"]))]
    name = base_id(base)
    loading = PEFT_LOADING.format(base=name, rank=about["settings"]["rank"]) if lora else FULL_LOADING
    return CARD.format(
        base=name,
        library="peft" if lora else "transformers",
        method=about["settings"]["method"],
        title=about["title"],
        whose=about["whose"],
        version=attune.__version__,
        pairs=about["counts"]["train"],
        **_learnt(about),
        rows="\n".join(f"| {key} | {value} |" for key, value in rows),
        loading=loading,
        held_out=about["counts"]["held_out"],
    )


def _learnt(about: Mapping[str, Any]) -> dict[str, str]:
    """What a card says of where the signal came from: people, programs among them, or a model."""
    if model := about.get("opinions_of"):
        return {
            "learnt": f"pairs of its own responses, judged by the preference model {model} and by no person",
            "says": "It says what a model expects the annotators of one project to prefer",
            "aside": "of the pairs",
        }
    programs = ", some of them by simulated annotators" if about.get("simulated") else ""
    if made := about["counts"].get("made"):
        programs += f", and on {made} pairs that nobody judged (see the notes of policy.json)"
    says = "It says what the annotators of one project preferred"
    return {"learnt": f"judgments{programs}", "says": says, "aside": "of their judgments"}


def base_id(base: Base) -> str:
    """The base model as a card names it; never a path of this machine."""
    return f"attune/{base.name}" if "/" not in base.name else base.name if base.revision else Path(base.name).name


def _name_base(config: Path, base: Base) -> None:
    """PEFT writes the path that the base was loaded from; what others need is its name."""
    values = json.loads(config.read_text())
    values["base_model_name_or_path"], values["revision"] = base_id(base), base.revision or None
    config.write_text(_json(values))


def _seal(folder: Path) -> str:
    files = {each.name: _hash(each) for each in sorted(folder.iterdir()) if each.is_file()}
    digest = _digest(files)
    (folder / MANIFEST_FILE).write_text(_json({"format": POLICY_FORMAT, "digest": digest, "files": files}))
    return digest


def _digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(_json({"format": POLICY_FORMAT, "files": dict(files)}).encode()).hexdigest()


def _hash(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
