"""Settings as people write them."""

from __future__ import annotations

import pytest

from annotator.errors import Invalid
from attune.rewards import names
from training.options import options_from_text, settings_shown


def test_lines_become_values() -> None:
    text = 'steps = 300\n\n rate=2e-3 \nscaling = spo\nmembers = ["hybrid", "vpl"]\r\n'
    assert options_from_text(text) == {"steps": 300, "rate": 0.002, "scaling": "spo", "members": ["hybrid", "vpl"]}
    assert options_from_text("") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps", "Line 1 of the settings is “steps”; expected name = value."),
        ("steps = 1\n= 3", "Line 2 of the settings is “= 3”"),
        ("steps = 1\nsteps = 2", "Line 2 of the settings names “steps” a second time."),
        ("\n" * 50 + "a = 1", "The settings have 51 lines"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(Invalid, match=said.replace("(", "\\(")):
        options_from_text(text)


def test_every_model_lists_what_it_takes() -> None:
    shown = settings_shown()
    assert list(shown) == names()
    assert {each.name for each in shown["vpl"]} >= {"beta", "guard", "latent"}
    beta = next(each for each in shown["vpl"] if each.name == "beta")
    assert (beta.takes, bool(beta.about)) == ("a number from 0 to 10", True)
