from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from attune.cli import main
from attune.data import read_judgments, write_snapshot

SHORT, LONG = "Ten minutes ({}).", "It depends, for example, on how soft you like it to be, and on the pot ({})."


def write_judgments(path: Path, annotators: range, seed: int) -> Path:
    """Annotators who like short answers nine times out of ten."""
    draw = random.Random(seed)
    rows = []
    for annotator in annotators:
        for number in draw.sample(range(20), 16):
            short_first, right = draw.random() < 0.5, draw.random() < 0.9
            texts = [SHORT.format(number), LONG.format(number)]
            a, b = texts if short_first else reversed(texts)
            row = {"annotator": f"p{annotator}", "prompt": f"How do I do {number}?", "response_a": a, "response_b": b}
            rows.append(row | {"preference": "a" if short_first == right else "b"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_judgments(tmp_path / "train.jsonl", range(8), 0),
        write_judgments(tmp_path / "eval.jsonl", range(10, 14), 1),
    )


def evaluate(train: Path, evaluation: Path, *more: str) -> Result:
    vectors = ["--encoder", "style", "--vectors", str(train.parent / "vectors"), "--models", "bradley_terry"]
    return CliRunner().invoke(main, ["evaluate", "--train", str(train), "--eval", str(evaluation), *vectors, *more])


def test_the_report_is_json_on_stdout(files: tuple[Path, Path]) -> None:
    ran = evaluate(*files, "--shots", "0,4", "--seeds", "2")

    assert ran.exit_code == 0, ran.output
    report = json.loads(ran.stdout)
    assert report["data"]["train_annotators"] == 8
    assert report["data"]["eval_annotators"] == 4
    assert report["data"]["seeds"] == [0, 1]
    shots = report["models"]["bradley_terry"]["shots"]
    assert list(shots) == ["0", "4"]
    assert shots["0"]["slices"]["all"]["macro"] > 0.75
    assert "bradley_terry, seed 1: 1 of 2" in ran.stderr


def test_with_a_file_the_table_is_shown(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    ran = evaluate(*files, "--seeds", "1", "--json", str(out))

    assert ran.exit_code == 0, ran.output
    macro = json.loads(out.read_text())["models"]["bradley_terry"]["shots"]["all"]["slices"]["all"]["macro"]
    header, line = ran.stdout.splitlines()[:2]
    assert header.split() == ["model", "slice", "0", "shots", "4", "shots", "8", "shots", "16", "shots", "all", "shots"]
    assert line.startswith("bradley_terry  all")
    assert f"{100 * macro:.1f} ± " in line


def test_a_snapshots_folder_does_as_well(files: tuple[Path, Path], tmp_path: Path) -> None:
    flat = read_judgments(files[0])
    write_snapshot(tmp_path / "frozen", flat.responses.values(), flat.judgments, {})

    from_folder, from_file = (evaluate(each, files[1], "--seeds", "1") for each in (tmp_path / "frozen", files[0]))

    assert from_folder.exit_code == 0, from_folder.output
    slices = [json.loads(each.stdout)["models"]["bradley_terry"]["shots"] for each in (from_folder, from_file)]
    assert slices[0] == slices[1]


def test_options_reach_the_model(files: tuple[Path, Path]) -> None:
    strong, named = (
        evaluate(*files, "--seeds", "1", "--shots", "0", "--config", each)
        for each in ("text=1e6", "bradley_terry.text=1e6")
    )
    plain = evaluate(*files, "--seeds", "1", "--shots", "0")
    losses = [
        json.loads(each.stdout)["models"]["bradley_terry"]["shots"]["0"]["slices"]["all"]["log_loss"]
        for each in (plain, strong, named)
    ]
    assert losses[0] < losses[1] == losses[2]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--models", "oracle"), "model 'oracle' is not known; expected one of bradley_terry, hybrid"),
        (("--shots", "0,few"), "shots 'few' is not known; expected numbers and 'all'"),
        (("--config", "text"), "config 'text' does not fit; expected KEY=VALUE"),
        (("--config", "oracle.text=1"), "config 'oracle.text=1' does not fit"),
        (("--config", "sharpness=1"), "does not take these options"),
        (("--encoder", "word2vec"), "'word2vec' is not known"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(files: tuple[Path, Path], more: tuple[str, ...], said: str) -> None:
    ran = evaluate(*files, *more)
    assert ran.exit_code == 1
    assert said in ran.stderr.splitlines()[-1]
    assert ran.stdout == ""


def test_a_broken_row_is_named(files: tuple[Path, Path]) -> None:
    with files[0].open("a") as out:
        out.write('{"annotator": "p1"}\n')
    ran = evaluate(*files)
    assert ran.exit_code == 1
    assert "train.jsonl line 129, field 'prompt'" in ran.stderr


def test_annotators_in_both_are_refused(files: tuple[Path, Path]) -> None:
    ran = evaluate(files[0], files[0])
    assert ran.exit_code == 1
    assert "8 annotators are in both" in ran.stderr
