"""The picture of an evaluation is well-formed and shows what the report says."""

from __future__ import annotations

from xml.etree import ElementTree

from attune.figure import draw


def report(*macros: float) -> dict[str, object]:
    """Each model gains a point with every step; contested pairs are harder."""
    return {
        "models": {
            f"model <{number}>": {
                "shots": {
                    n: {
                        "slices": {
                            "all": {"macro": macro + 0.01 * step, "macro_se": 0.01},
                            "contested": {"macro": macro - 0.1, "macro_se": 0.02},
                        }
                    }
                    for step, n in enumerate(("0", "4", "all"))
                }
            }
            for number, macro in enumerate(macros)
        }
    }


def test_every_model_has_a_line_and_a_band_in_each_panel() -> None:
    svg = ElementTree.fromstring(draw(report(0.7, 0.75, 0.75)))
    name = "{http://www.w3.org/2000/svg}"
    assert len(svg.findall(f"{name}polyline")) == len(svg.findall(f"{name}polygon")) == 6
    texts = [each.text for each in svg.findall(f"{name}text")]
    assert texts.count("model <1>") == 2
    assert {"All pairs", "Contested pairs", "judgments seen", "0", "4", "all"} <= set(texts)
    heights = [float(line.get("points", "").split()[0].split(",")[1]) for line in svg.findall(f"{name}polyline")]
    assert heights[0] > heights[1] == heights[2]  # the better model is drawn higher up


def test_labels_do_not_lie_on_each_other() -> None:
    svg = ElementTree.fromstring(draw(report(0.7, 0.7, 0.7)))
    labels = [each for each in svg.findall("{http://www.w3.org/2000/svg}text") if (each.text or "").startswith("model")]
    places = sorted(float(each.get("y", "0")) for each in labels[:3])
    assert places[1] - places[0] > 13
    assert places[2] - places[1] > 13
