"""docs/filter.md says what the code does: every rule with its bounds and note, every signal."""

import re
from pathlib import Path

import pytest

from antimatter.filter.rule_sets import RULE_SETS
from antimatter.filter.signals import TEXT_SIGNALS

DOCS = (Path(__file__).parents[2] / "docs" / "filter.md").read_text(encoding="utf-8")
SIGNS = {"at_least": ">=", "at_most": "<=", "more_than": ">", "less_than": "<"}


@pytest.mark.parametrize("rule", [rule for rules in RULE_SETS.values() for rule in rules], ids=lambda rule: rule.reason)
def test_every_rule_stands_in_the_docs_with_its_bounds_and_its_note(rule):
    (row,) = [line for line in DOCS.splitlines() if line.startswith(f"| `{rule.reason}` |")]
    _, signal, keep, *_, note = row.strip("| ").split(" | ")
    assert signal == f"`{rule.signal}`"
    bounds = ", ".join(f"{SIGNS[kind]} {bound:,g}" for kind, bound in rule.bounds.items())
    is_flag = rule.signal.endswith((".lorem_ipsum", ".curly_brace"))
    assert keep == ("false" if is_flag else bounds)
    assert note.startswith(rule.note)
    assert rule.needs in note


def test_every_signal_stands_in_the_docs():
    named = set(re.findall(r"`([a-z0-9_]+)`", DOCS))
    short = {name.replace("character_share", "share") for name in named}
    missing = [
        name
        for name in TEXT_SIGNALS
        if name not in named
        and name.replace("_character_share", "_share") not in short
        and not re.fullmatch(r"(top|duplicate)_\d+gram_share(_datatrove)?", name)  # told by their first and last
    ]
    assert missing == []
    assert {"top_2gram_share", "top_4gram_share", "duplicate_5gram_share", "duplicate_10gram_share"} <= named
