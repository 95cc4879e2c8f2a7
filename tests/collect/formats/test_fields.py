"""From a record to a draft."""

import pytest

from antimatter.collect.drafts import Draft, NoTextField
from antimatter.collect.formats.fields import draft_of, text_of


def test_the_text_field_is_the_text_and_other_scalars_are_metadata():
    record = {"body": "x", "n": 1.5, "ok": False, "none": None, "list": [1], "name": "a"}
    assert draft_of(record, "o", "body") == Draft("o", "x", metadata={"n": "1.5", "ok": "false", "name": "a"})


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}],
        [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}],
        [{"text": "Hi"}, {"text": ""}, {"text": "Hello."}],
        ["Hi", "Hello."],
        [{"role": "user", "content": "Hi"}, {"role": "tool", "content": None}, {"content": "Hello."}],
    ],
)
def test_a_conversation_is_a_line_a_message(messages):
    assert text_of(messages) == "Hi\nHello."


@pytest.mark.parametrize("value", [1, {"a": "b"}, [1], ["a", None], [{"role": "user"}]])
def test_what_is_neither_text_nor_messages_is_no_text(value):
    assert text_of(value) is None
    with pytest.raises(NoTextField):
        draft_of({"text": value}, "o", "text")


def test_an_absent_field_is_told_with_those_that_are_there():
    with pytest.raises(NoTextField, match="'text'; it has body, title"):
        draft_of({"title": "x", "body": "y"}, "o", "text")


def test_metadata_too_large_to_carry_is_left_out_and_named():
    draft = draft_of({"text": "x", "html": "y" * 30_000, "raw": "z" * 5_000, "url": "http://a"}, "o", "text")
    assert draft.metadata == {"url": "http://a", "left_out": "html, raw"}
