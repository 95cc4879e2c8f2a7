from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest

from antimatter import params
from antimatter.params import loader, together
from antimatter.params.loader import MissingParameters, ParameterError
from antimatter.params.ranges import Matches, Range


@dataclass(frozen=True, kw_only=True)
class Hub:
    name: Annotated[str, Matches(r"[a-z]+")]
    share: Annotated[float, Range(0, 1)] = 1.0


@dataclass(frozen=True, kw_only=True)
class Gather:
    bytes: Annotated[int, Range(1, 100)] = 8
    rate: float = 1.0
    mode: Literal["skip", "fail"] = "skip"
    loud: bool = False
    note: str | None = None
    steps: tuple[Annotated[int, Range(1, 10)], ...] = ()
    hub: Hub = Hub(name="main")
    hubs: tuple[Hub, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)

    def problems(self) -> Iterator[str]:
        if self.bytes == 13:
            yield "bytes 13 is unlucky"
        if self.loud and self.mode == "fail":
            yield "cannot be loud and fail"


@dataclass(frozen=True, kw_only=True)
class Needy:
    size: int


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Load a text as params.yaml with the two groups above."""
    monkeypatch.setattr(loader, "group_names", lambda: ["gather", "needy"])
    monkeypatch.setattr(loader, "group_class", lambda name: {"gather": Gather, "needy": Needy}[name])
    monkeypatch.setattr(together, "contradictions", lambda groups: [])
    monkeypatch.chdir(tmp_path)

    def load(text: str, group: type = Gather):
        Path("params.yaml").write_text(text)
        return params.load(group)

    return load


NEEDED = "needy:\n  size: 1\n"


def problem(load, text: str) -> str:
    with pytest.raises(ParameterError) as caught:
        load(text)
    return str(caught.value)


def test_values_arrive_with_their_types_and_absent_ones_have_their_defaults(load):
    gather = load(NEEDED + "gather:\n  rate: 3e-4\n  steps: [1, 2]\n  shares: {a: 1}\n  mode: 'fail'\n  note: \"x\"\n")
    assert gather == Gather(rate=0.0003, steps=(1, 2), shares={"a": 1.0}, mode="fail", note="x")
    values = (gather.rate, gather.mode, gather.note, gather.shares["a"])
    assert [type(value) for value in values] == [float, str, str, float]  # none of ruamel's own types


@pytest.mark.parametrize("number", ["3e-4", "3E-4", "0.0003", "3.0e-4", "+3e-4"])
def test_every_way_to_write_a_small_number_is_a_number(load, number):
    assert load(NEEDED + f"gather:\n  rate: {number}\n").rate == 0.0003


def test_whole_numbers_may_stand_for_fractions_but_not_the_other_way_round(load):
    assert load(NEEDED + "gather:\n  rate: 2\n").rate == 2.0
    assert "gather.bytes is 2.0: must be a whole number" in problem(load, NEEDED + "gather:\n  bytes: 2.0\n")


def test_nested_settings_and_lists_of_them_are_built(load):
    gather = load(NEEDED + "gather:\n  hub:\n    name: a\n  hubs:\n    - name: b\n      share: 0\n    - {name: c}\n")
    assert gather.hub == Hub(name="a")
    assert gather.hubs == (Hub(name="b", share=0.0), Hub(name="c"))


@pytest.mark.parametrize("text", ["gather:\n", "gather: {}\n", ""])
def test_an_empty_or_absent_group_has_its_defaults(load, text):
    assert load(NEEDED + text) == Gather()


@pytest.mark.parametrize(
    "line, message",
    [
        ("rat: 1", "gather.rat is not a parameter. Did you mean gather.rate?"),
        ("zzzzz: 1", "gather.zzzzz is not a parameter."),
        ("bytes: 0", "gather.bytes is 0: must lie in [1, 100]"),
        ("bytes: true", "gather.bytes is True: must be a whole number"),
        ("bytes: '8'", "gather.bytes is '8': must be a whole number"),
        ("bytes:", "gather.bytes is nothing: must be a whole number"),
        ("rate: fast", "gather.rate is 'fast': must be a number"),
        ("loud: 1", "gather.loud is 1: must be true or false"),
        ("note: 12", "gather.note is 12: must be a text (put it in quotes)"),
        ("mode: skipp", "gather.mode is 'skipp': must be one of skip, fail. Did you mean skip?"),
        ("mode: true", "gather.mode is True: must be one of skip, fail."),
        ("mode: [skip]", "gather.mode is a list: must be one of skip, fail."),
        ("steps: 3", "gather.steps is 3: must be a list"),
        ("steps: [1, 99]", "gather.steps[1] is 99: must lie in [1, 10]"),
        ("hub: main", "gather.hub must be a group of parameters, found 'main'"),
        ("hub: {share: 1}", "gather.hub.name is missing and has no default"),
        ("hubs: [{name: UP}]", "gather.hubs[0].name is 'UP': must match [a-z]+"),
        ("hubs: [{name: up, shar: 1}]", "gather.hubs[0].shar is not a parameter. Did you mean gather.hubs[0].share?"),
        ("shares: 3", "gather.shares is 3: must map names to values"),
        ("shares: {a: b}", "gather.shares.a is 'b': must be a number"),
        ("rate: {a: 1}", "gather.rate is a group (a): must be a number"),
        ("bytes: 13", "gather.bytes 13 is unlucky"),
    ],
)
def test_a_mistake_is_named_with_its_line(load, line, message):
    found = problem(load, NEEDED + f"gather:\n  # a comment\n  {line}\n")
    assert found.startswith("params.yaml, line 5: ") and message in found


def test_nan_lies_in_no_range(load):
    assert "share is nan: must lie in [0, 1]" in problem(load, NEEDED + "gather:\n  hub: {name: a, share: .nan}\n")


def test_a_contradiction_without_a_field_stands_at_its_group(load):
    text = NEEDED + "gather:\n  loud: true\n  mode: fail\n"
    assert problem(load, text) == "params.yaml, line 3: gather cannot be loud and fail"


def test_items_of_a_list_are_found_on_their_own_lines(load):
    text = NEEDED + "gather:\n  hubs:\n    - name: a\n    - name: b\n      share: 7\n"
    assert problem(load, text) == "params.yaml, line 7: gather.hubs[1].share is 7: must lie in [0, 1]"


def test_all_mistakes_come_at_once_in_the_order_of_the_lines(load):
    text = "gather:\n  rate: fast\n  byte: 3\n  mode: stop\nneedy: {}\nextra: 1\n"
    assert problem(load, text).splitlines() == [
        "params.yaml has 5 mistakes",
        "  params.yaml, line 2: gather.rate is 'fast': must be a number",
        "  params.yaml, line 3: gather.byte is not a parameter. Did you mean gather.bytes?",
        "  params.yaml, line 4: gather.mode is 'stop': must be one of skip, fail.",
        "  params.yaml, line 5: needy.size is missing and has no default",
        "  params.yaml, line 6: extra is not a group of parameters.",
    ]


def test_a_mistake_in_another_group_stops_the_caller_too(load):
    with pytest.raises(ParameterError, match=r"gather\.bytes is 0"):
        load(NEEDED + "gather:\n  bytes: 0\n", group=Needy)


def test_a_mistyped_group_is_recognised(load):
    assert "gathr is not a group of parameters. Did you mean gather?" in problem(load, NEEDED + "gathr: {}\n")


@pytest.mark.parametrize("value", ["0", "false", "''", "[]", "words"])
def test_a_group_that_is_no_group_is_no_empty_group(load, value):
    assert problem(load, NEEDED + f"gather: {value}\n").startswith("params.yaml, line 3: gather must be a group")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n"])
def test_a_file_without_groups_says_what_is_expected(load, text):
    assert "expected groups of parameters (gather, needy), found" in problem(load, text)


def test_a_slip_in_the_yaml_is_one_line_with_its_place(load):
    unclosed = "gather:\n  rate: 1\n  steps: [1, 2\nneedy: {}\n"
    assert problem(load, unclosed).startswith("params.yaml, line 4: not valid YAML: ")
    assert "\n" not in problem(load, "gather:\n\trate: 1\n")


def test_a_key_given_twice_is_a_mistake(load):
    message = problem(load, NEEDED + "gather:\n  rate: 1\n  rate: 2\n")
    assert message.startswith("params.yaml, line 5: not valid YAML: found duplicate key")


def test_bytes_that_are_no_text_are_a_mistake(load):
    Path("params.yaml").write_bytes(b"gather: \xff\xfe")
    with pytest.raises(ParameterError, match="not valid YAML"):
        params.load(Gather)


def test_no_file_says_where_to_find_one(load):
    with pytest.raises(MissingParameters, match=r"params\.yaml: no parameter file here.*antimatter profile demo"):
        params.load(Gather)


def test_settings_as_plain_values():
    assert loader.to_plain([Hub(name="a"), {"x": (1, None)}]) == [{"name": "a", "share": 1.0}, {"x": [1, None]}]


def test_the_real_groups_load_with_their_defaults_and_contradict_each_other_with_a_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("model:\n  context: 128\ntrain:\n  steps: 200\n  sequence_length: 256\n")
    with pytest.raises(ParameterError, match=r"params\.yaml, line 5: train\.sequence_length is 256, but model"):
        loader.load_all(path)
    path.write_text("model:\n  width: 100\n  heads: 3\n")
    with pytest.raises(ParameterError, match=r"line 2: model\.width 100 does not divide by heads 3"):
        loader.load_all(path)


@pytest.mark.parametrize("name", loader.group_names())
def test_every_group_is_a_frozen_dataclass_whose_defaults_are_right(name):
    group = loader.group_class(name)
    assert group.__dataclass_params__.frozen and group.__doc__
    problems: list[loader.Problem] = []
    loader._build(group, {}, name, None, problems)
    assert problems == []
