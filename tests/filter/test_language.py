"""Language identification: right on plain cases, equal on every run, silent where nobody can tell."""

import subprocess
import sys
from pathlib import Path

import pytest

from antimatter.filter import language
from antimatter.filter.language import detect

TEXTS = {
    "en": "The house stood at the end of the street, and nobody had lived in it for many years.",
    "fr": "La maison se trouvait au bout de la rue, et personne n'y avait habité depuis des années.",
    "es": "La casa estaba al final de la calle y nadie había vivido en ella desde hacía muchos años.",
    "de": "Das Haus stand am Ende der Straße, und seit vielen Jahren hatte niemand darin gewohnt.",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_sentence_is_recognised(language):
    verdict = detect(TEXTS[language], 1000, 0)
    assert verdict.language == language
    assert verdict.score > 0.9


@pytest.mark.parametrize("text", ["", "12345 67890 12345 67890 12345", "😀" * 40, "ok", "https://"])
def test_a_text_with_too_few_letters_is_undetermined(text):
    assert detect(text, 1000, 0) == (None, 0.0)


def test_the_verdict_depends_on_the_text_alone():
    ambiguous = "Taxi Hotel Restaurant Park Bus Auto Radio Museum"
    first = detect(ambiguous, 1000, 0)
    detect(TEXTS["fr"], 1000, 0)  # draws random numbers in between
    assert detect(ambiguous, 1000, 0) == first
    code = f"from antimatter.filter.language import detect; print(tuple(detect({ambiguous!r}, 1000, 0)))"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert fresh.strip() == str(tuple(first))


def test_the_order_in_which_the_file_system_lists_profiles_changes_nothing(monkeypatch):
    expected = detect(TEXTS["en"], 1000, 0)
    listed = language._profiles()
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([listed[3], *listed[:3], *reversed(listed[4:])]))
    assert language._profiles() == listed
    language._factory.cache_clear()
    assert detect(TEXTS["en"], 1000, 0) == expected
