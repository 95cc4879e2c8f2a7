"""Training words in plain Python: the definition that antimatter.tokenizer.words is compared with."""

import re

import pyarrow as pa

from antimatter.tokenizer.counts import tsv
from antimatter.tokenizer.words import COMMON, LONGEST, SCRIPTS, STAND_INS, TAB, UNSURE, WordCounts

SPACES = " \u2581"
WHITE = SPACES + "\n\t"
MARKER = re.compile(r"\[(PAD|BOS|EOS|UNK)\]|<\|(system|user|assistant|end)\|>|<0x[0-9A-F]{2}>")


def plain_words(text, split_digits, whitespace_pieces):
    """The words of a text in their order, and how many unusable ones there are beside them."""
    words, unusable = [], 0
    while text:
        word, taken, usable = first_word(text, split_digits, whitespace_pieces)
        if not usable:
            unusable += 1
        elif word:
            words.append(word)
        text = text[taken:]
    return words, unusable


def first_word(text, split_digits, whitespace_pieces):
    """(word, the characters of the text that it takes, whether SentencePiece can take it)"""
    run = white_run(text)
    if whitespace_pieces:
        if run and not (len(run) == 1 and run in SPACES and len(text) > 1):
            return stand_ins(run[:LONGEST]), min(len(run), LONGEST), True
        word = " " if run else ""
    else:
        if text[0] in "\n\t":
            return (TAB if text[0] == "\t" else ""), 1, True
        word = " " * min(LONGEST, len(run) - len(run.lstrip(SPACES)))
    position, before, usable = len(word), UNSURE, True
    while position < len(text) and text[position] not in WHITE:
        character = text[position]
        if marker := MARKER.match(text, position):
            return (word, position, usable) if word else (marker[0], len(marker[0]), True)
        if split_digits and character in "0123456789":
            return (word, position, usable) if word else (character, 1, True)
        is_usable = character not in unusable_characters(whitespace_pieces)
        script = script_of(character) if is_usable else UNSURE
        is_cut = UNSURE not in (script, before) and script != before
        if is_cut or len((word + character).encode()) > LONGEST:
            return word, position, usable
        usable &= is_usable
        word, position, before = word + character, position + 1, script
    run = white_run(text[position:])
    if whitespace_pieces and run and run[0] not in SPACES and before in (UNSURE, COMMON):
        run = run[: LONGEST - len(word.encode())]
        word, position = word + stand_ins(run), position + len(run)
    return word, position, usable


def white_run(text):
    return text[: len(text) - len(text.lstrip(WHITE))]


def stand_ins(run):
    return "".join(STAND_INS[character] for character in run.replace("\u2581", " "))


def unusable_characters(whitespace_pieces):
    return ["\0", "\u2585", *(STAND_INS.values() if whitespace_pieces else [])]


def script_of(character):
    found = [script for script, ranges in SCRIPTS.items() if any(low <= ord(character) <= high for low, high in ranges)]
    return found[0] if found else UNSURE


def words_file(path, texts, settings):
    """The file that train.train reads, of these texts, without a workspace."""
    counts = WordCounts(settings.split_digits, settings.whitespace_pieces)
    counts.add(pa.array(texts, pa.large_string()))
    table = pa.table({"word": counts.words, "count": pa.array(counts.counts)}).sort_by("word")
    path.write_bytes(tsv(table))
    return path
