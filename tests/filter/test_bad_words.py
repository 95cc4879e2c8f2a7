"""A list of bad words: what counts as a match, what cannot be sought, which file is refused."""

import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.filter import bad_words
from antimatter.filter.watched import WrongFile
from antimatter.params.filter import WatchedFile
from antimatter.text.words import fold, segment, words_of


def counts(listed: str, *texts: str) -> list[int]:
    return bad_words.count(bad_words.parse(listed), segment(pa.array(texts, pa.string()))).tolist()


def watched(path, content: bytes) -> WatchedFile:
    path.write_bytes(content)
    return WatchedFile(path=str(path), sha256=hashlib.sha256(content).hexdigest())


def test_entries_match_whole_words_of_any_case():
    assert counts("cat\nhot dog\n", "Cat! (CAT)", "category", "a hot... DOG", "hot, cat dog", "") == [2, 0, 1, 1, 0]


def test_an_entry_inside_another_counts_beside_it():
    assert counts("dog\nhot dog", "hot dog") == [2]


def test_equal_entries_count_once():
    assert counts("dog\nDog\n dog ", "dog") == [1]


def test_letters_of_scripts_without_spaces_are_found_anywhere():
    assert counts("悪い\nเลว", "とても悪い人", "悪 い", "悪", "คนเลวมาก") == [1, 1, 0, 1]


def test_words_with_signs_inside_are_words():
    assert counts("s&m\nwell-known\ndon't", "S&M; Well-known. (don't)") == [3]


def test_entries_that_are_more_than_words_are_named_and_not_sought():
    listed = bad_words.parse("good\n\na$$\n🖕\n#tag\n  \nbad one!\n")
    assert listed.unsought == ("a$$", "🖕", "#tag", "bad one!")
    assert listed.entries == 5
    assert listed.warning == (
        "4 of 5 entries of filter.bad_words are not sought, because they hold more than words: "
        "'a$$', '🖕', '#tag', 'bad one!'"
    )
    assert counts("a$$\n🖕", "a $$ 🖕") == [0]
    assert bad_words.parse("good").warning == ""
    assert bad_words.parse("!\n" * 11).warning.endswith("'!', ...")


def test_an_empty_list_counts_nothing():
    assert counts("", "a", "") == [0, 0]


def test_the_file_is_read_whatever_its_line_ends_and_byte_order_mark(tmp_path):
    listed = bad_words.load(watched(tmp_path / "list.txt", b"\xef\xbb\xbfcat\r\ndog"))
    assert (listed.entries, len(listed.phrases.keys)) == (2, 2)


def test_another_file_than_the_pinned_one_is_refused_with_both_digests(tmp_path):
    file = watched(tmp_path / "list.txt", b"cat")
    (tmp_path / "list.txt").write_bytes(b"dog")
    found = hashlib.sha256(b"dog").hexdigest()
    with pytest.raises(WrongFile, match=rf"filter\.bad_words: .*has sha256 {found}, params.yaml says {file.sha256}"):
        bad_words.load(file)


def test_a_file_that_is_absent_or_no_utf8_is_a_message(tmp_path):
    with pytest.raises(WrongFile, match="cannot be read"):
        bad_words.load(WatchedFile(path=str(tmp_path / "none.txt"), sha256="0" * 64))
    with pytest.raises(WrongFile, match="is not UTF-8"):
        bad_words.load(watched(tmp_path / "list.txt", b"caf\xe9"))


@given(st.lists(st.text(st.sampled_from("abA -'é悪!\n"), max_size=5)), st.text(st.sampled_from("abA -'é悪!\n")))
def test_the_count_equals_its_definition(listed, text):
    entries = {tuple(map(fold, words_of(entry))) for entry in "\n".join(listed).split("\n") if is_whole(entry)}
    words = [fold(word) for word in words_of(text)]
    places = sum(tuple(words[i:j]) in entries for i in range(len(words)) for j in range(i + 1, len(words) + 1))
    assert counts("\n".join(listed), text) == [places]


def is_whole(entry: str) -> bool:
    return bool(entry.strip()) and "".join(words_of(entry)) == "".join(entry.split())
