"""In which language content is marked up, for screen readers."""

from __future__ import annotations

import pytest

from annotator.languages import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", ""),
        ("Boil it for six minutes.", ""),
        ("Faites-le bouillir à feu doux – six minutes.", ""),
        ("كيف أسلق البيض؟", "ar"),
        ("كيف أكتب for في لغة Python؟ هذا مثال بسيط جدا", "ar"),
        ("איך מבשלים ביצה", "he"),
        ("Сколько варить яйцо?", "ru"),
        ("Πόσο βράζω ένα αυγό;", "el"),
        ("अंडा कितनी देर उबालूँ?", "hi"),
        ("ต้มไข่นานเท่าไหร่", "th"),
        ("달걀을 얼마나 삶아야 하나요?", "ko"),
        ("卵は何分ゆでますか", "ja"),
        ("鸡蛋要煮几分钟？", "zh"),
        ("The word яйцо means egg in Russian.", ""),
        ("1 + 1 = 2 …", ""),
    ],
)
def test_the_script_tells_the_language_or_nothing_does(text: str, language: str) -> None:
    assert language_of(text) == language
