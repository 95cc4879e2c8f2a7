"""Examples of edits: few, short, and the same however the corpus is cut."""

import json
import random

from antimatter.clean.examples import EACH, EXCERPT, Examples, merged_examples, write_examples
from antimatter.corpus.schema import document_id


def offers(count):
    for number in range(count):
        yield "spaces", "wiki" if number % 3 else "web", document_id("s", str(number)), f"a  {number}", f"a {number}"


def test_five_of_each_step_and_source_are_chosen_whatever_their_order():
    one, other = Examples(), Examples()
    many = list(offers(50))
    for offer in many:
        one.offer(*offer)
    random.Random(1).shuffle(many)
    for offer in many:
        other.offer(*offer)
    assert one.rows() == other.rows()
    assert [row["source"] for row in one.rows()] == ["web"] * EACH + ["wiki"] * EACH


def test_shards_merge_into_what_one_shard_would_have_given(tmp_path):
    whole, parts = Examples(), [Examples(), Examples(), Examples()]
    for number, offer in enumerate(offers(60)):
        whole.offer(*offer)
        parts[number % 3].offer(*offer)
    for number, part in enumerate(parts):
        write_examples(tmp_path / f"examples-{number:05d}.jsonl", part.rows())
    assert merged_examples(tmp_path) == whole.rows()


def test_an_excerpt_is_short_and_shows_the_first_change():
    examples = Examples()
    before, after = "x" * 5000 + "é\u2028" + "y" * 5000, "x" * 5000 + "é\n" + "y" * 5000
    examples.offer("line_ends", "wiki", bytes(16), before, after)
    (row,) = examples.rows()
    assert len(row["before"]) == len(row["after"]) == EXCERPT
    assert "é\u2028y" in row["before"]
    assert "é\ny" in row["after"]


def test_a_line_of_the_file_is_one_example_whatever_it_holds(tmp_path):
    examples = Examples()
    examples.offer("line_ends", "wiki", bytes(16), "a\u2028b\r\n\x85c", "a\nb\n\nc")
    write_examples(tmp_path / "examples-00000.jsonl", examples.rows())
    assert json.loads((tmp_path / "examples-00000.jsonl").read_bytes())["before"] == "a\u2028b\r\n\x85c"
    assert merged_examples(tmp_path) == examples.rows()
