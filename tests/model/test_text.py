"""The tokenizer beside a model: which ids frame a text, which are never written, and what text ids add."""

import pytest

from antimatter.model.text import Stream, Text, load
from antimatter.tokenizer.publish import publish, publish_trained
from antimatter.tokenizer.vocabulary import CONTROL
from tests.tokenizer.small_models import EXACT, lines, small_model, train
from tests.tokenizer.test_huggingface import byte_level


def beside_a_model(folder, content: bytes, kind="sentencepiece", file="antimatter.model") -> Text:
    """What `load` finds in a model's folder that has this tokenizer."""
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / file).write_bytes(content)
    publish(folder / "tokenizer", kind, file, {"lossless": True})
    return load(folder)


def test_of_the_special_tokens_that_we_train_only_eos_may_be_written(tmp_path):
    publish_trained(tmp_path / "tokenizer", small_model("english"))
    text = load(tmp_path)
    assert (text.bos, text.eos, text.suppress) == (1, 2, (0, 1, 3, 4, 5, 6, 7))


def test_without_a_beginning_of_text_its_end_stands_in_front_and_may_still_be_written(tmp_path):
    text = beside_a_model(tmp_path, train(lines("english"), 420, **EXACT, bos_id=-1))
    assert text.bos == text.eos == 2
    assert text.suppress == (0, 1, 3, 4, 5, 6)  # the markers are 1, 4, 5 and 6


def test_one_token_for_both_ends_of_a_text_may_still_be_written(tmp_path):
    file = byte_level(["<|endoftext|>", *CONTROL, "<pad>"]).to_str().encode()
    text = beside_a_model(tmp_path, file, "huggingface", "tokenizer.json")
    assert (text.bos, text.eos, text.suppress) == (0, 0, (1, 2, 3, 4, 5))


@pytest.fixture(params=["english", "dummy prefix", "byte level"])
def text(request, tmp_path) -> Text:
    """Of kinds that treat spaces and bytes differently; each spells the character \u5b57 in several tokens."""
    if request.param == "byte level":
        return beside_a_model(tmp_path, byte_level().to_str().encode(), "huggingface", "tokenizer.json")
    return beside_a_model(tmp_path, small_model(request.param))


def test_a_continuation_keeps_the_space_that_it_begins_with(text):
    prompt, whole = text.encode("the quick"), text.encode("the quick brown fox")
    assert whole[: len(prompt)] == prompt
    assert text.after(prompt, whole[len(prompt) :]) == " brown fox"
    assert text.after([], whole) == "the quick brown fox"
    assert text.after(whole, []) == ""


def test_a_character_that_several_tokens_spell_comes_whole(text):
    prompt, whole = text.encode("the"), text.encode("the \u5b57!")
    assert len(whole) > len(prompt) + 3
    assert text.after(prompt, whole[len(prompt) :]) == " \u5b57!"


def test_ids_that_finish_a_character_add_this_character(text):
    prompt, whole = text.encode("the "), text.encode("the \u5b57!")
    for begun in range(len(prompt) + 1, len(whole) - 1):
        assert text.after(whole[:begun], whole[begun:]) == "\u5b57!"


def test_a_character_is_told_once_all_its_tokens_are_there(text):
    prompt, whole = text.encode("the "), text.encode("the \u5b57\u5b57!")
    told: list[str] = []
    stream = Stream(text, prompt, told.append)
    after_each = []
    for token in whole[len(prompt) :]:
        stream.add(token)
        after_each.append("".join(told))
    assert set(after_each) == {"", "\u5b57", "\u5b57\u5b57", "\u5b57\u5b57!"}
    stream.finish()
    assert "".join(told) == "\u5b57\u5b57!"


def test_a_character_that_is_never_finished_is_told_at_the_end(text):
    prompt, whole = text.encode("the"), text.encode("the quick \u5b57")
    told: list[str] = []
    stream = Stream(text, prompt, told.append)
    for token in whole[len(prompt) : -1]:
        stream.add(token)
    assert "".join(told) == " quick "
    stream.finish()
    assert "".join(told) == text.after(prompt, whole[len(prompt) : -1]) != " quick "
