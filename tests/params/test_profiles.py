from pathlib import Path

import pytest
from ruamel.yaml import YAML

from antimatter.model.config import from_settings, parameter_count
from antimatter.params import loader
from antimatter.params.loader import ParameterError
from antimatter.params.profiles import UnknownProfile, compose, is_composed, names, title

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "profiles"
OVERLAYS = [name for name in names(FOLDER) if name != "demo"]

DEMO = """\
# The demo: small enough for a laptop.

collect:                     # where text comes from
  shard_bytes: 8000000       # bytes
  # before the sources
  sources:
    - name: wiki             # a source
      path: "input"
      # after the sources

train:
  learning_rate: 1.0e-3      # highest
  checkpoints_at: []         # steps
  # about epsilon
  epsilon: 1e-8
# the end
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "demo.yaml").write_text(DEMO)
    return tmp_path


def test_the_demo_is_its_file_byte_for_byte(folder):
    assert compose("demo", folder) == DEMO


def test_an_overlay_changes_its_values_and_no_comment_or_other_number(folder):
    (folder / "large.yaml").write_text(
        "# A large one.\ncollect:\n  shard_bytes: 128000000  # more\ntrain:\n  # so high\n  learning_rate: 6.0e-4\n"
        "  checkpoints_at: [1, 2]\n"
    )
    expected = DEMO.replace("8000000       #", "128000000     #").replace("1.0e-3", "6.0e-4")
    assert compose("large", folder) == expected.replace("[]         #", "[1, 2]     #")
    assert title("large", folder) == "A large one."


def test_an_empty_overlay_is_the_demo(folder):
    (folder / "same.yaml").write_text("# Nothing differs.\n")
    assert compose("same", folder) == DEMO


def test_what_the_demo_lacks_is_refused_with_the_nearest_name(folder):
    (folder / "wrong.yaml").write_text("train:\n  learning_rat: 1\n  epsilon: 1\ntrian:\n  steps: 1\ncollect: 3\n")
    with pytest.raises(ParameterError) as caught:
        compose("wrong", folder)
    path = folder / "wrong.yaml"
    assert str(caught.value).splitlines() == [
        f"{path}, line 2: train.learning_rat is not a parameter of demo.yaml. Did you mean train.learning_rate?",
        f"  {path}, line 4: trian is not a group of demo.yaml. Did you mean train?",
        f"  {path}, line 6: collect must hold parameters, found 3",
    ]


def test_an_unknown_profile_names_the_nearest_and_lists_them_otherwise(folder):
    (folder / "large.yaml").write_text("")
    with pytest.raises(UnknownProfile, match=r"there is no profile larg\. Did you mean large\?"):
        compose("larg", folder)
    with pytest.raises(UnknownProfile, match=r"There are demo, large\."):
        compose("qqqq", folder)


def test_only_a_profile_as_it_stands_counts_as_composed(folder):
    (folder / "large.yaml").write_text("train:\n  epsilon: 1e-6\n")
    assert is_composed(DEMO, folder) and is_composed(compose("large", folder), folder)
    assert not is_composed(DEMO.replace("# steps", "# Steps"), folder)


def test_the_demo_comes_first():
    assert set(OVERLAYS) == {"antimatter-300m", "antimatter-500m", "compact-32k", "scratch-16m"}


def groups(name: str) -> dict:
    return loader.check(YAML().load(compose(name, FOLDER)), f"profile {name}")


def test_the_demo_writes_out_every_parameter():
    tree = YAML(typ="safe").load((FOLDER / "demo.yaml").read_text())
    for name in loader.group_names():
        fields = {field for field in loader.group_class(name).__dataclass_fields__ if not field.startswith("_")}
        assert set(tree[name]) == fields, name


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_holds_nothing_but_differences(name):
    overlay = YAML(typ="safe").load((FOLDER / f"{name}.yaml").read_text())
    demo = YAML(typ="safe").load(compose(overlay.pop("extends", "demo"), FOLDER))
    same = [f"{g}.{key}" for g, values in overlay.items() for key, value in values.items() if demo[g][key] == value]
    assert same == []


PARAMETERS = {
    "antimatter-300m": 355_871_744,
    "antimatter-500m": 499_856_640,
    "scratch-16m": 16_287_488,
    "compact-32k": 49_853_440,
}


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_profile_is_right_and_has_the_size_that_its_name_says(name):
    settings = groups(name)
    config = from_settings(settings["model"], settings["tokenizer"].entries)
    assert parameter_count(config).total == PARAMETERS[name]


@pytest.mark.parametrize("name", ["antimatter-300m", "antimatter-500m"])
def test_the_large_profiles_train_as_the_specification_says(name):
    train = groups(name)["train"]
    assert train.batch_tokens == 131_072
    assert 0 <= train.steps * 131_072 - 12_800_000_000 < 131_072
    assert (train.learning_rate, train.final_learning_rate_fraction, train.warmup_steps) == (6e-4, 0.1, 2000)
    assert (train.beta1, train.beta2, train.weight_decay, train.gradient_clip) == (0.9, 0.95, 0.1, 1.0)
    assert (train.precision, train.checkpoints_at) == ("fp16", (10_000, 25_000, 50_000, 75_000, 97_657))


def test_the_small_profiles_train_as_the_specification_says():
    scratch, compact = groups("scratch-16m"), groups("compact-32k")
    train = scratch["train"]
    assert train.batch_tokens == 32_768
    assert (train.steps, train.learning_rate, train.warmup_steps) == (12_207, 6e-4, 469)
    assert train.learning_rate * train.final_learning_rate_fraction == pytest.approx(6e-5)
    assert (scratch["model"].context, scratch["tokenizer"].kind) == (1024, "gpt2")
    assert from_settings(scratch["model"], scratch["tokenizer"].entries).padded_vocabulary == 50_304
    model = compact["model"]
    assert (model.layers, model.width, model.heads, model.feed_forward, model.dropout) == (8, 512, 8, 1024, 0.25)
    assert (compact["train"].learning_rate, compact["train"].warmup_steps, model.tied_embeddings) == (5e-4, 1000, False)


@pytest.mark.parametrize("name", ["antimatter-300m", "antimatter-500m"])
def test_the_large_profiles_compose_45_gb_of_five_kinds_by_weight(name):
    collect = groups(name)["collect"]
    budgets = {source.name: collect.budget(source) for source in collect.sources}
    kinds = {
        "web": ("c4", "refinedweb", "fineweb_edu"),
        "encyclopedia": ("wikipedia",),
        "books": ("gutenberg",),
        "code": ("stack_edu",),
        "conversations": ("stackexchange", "ultrachat"),
    }
    assert {source for sources in kinds.values() for source in sources} | {"input"} == set(budgets)
    assert sum(budgets.values()) == pytest.approx(45e9, rel=1e-6)
    assert all(min(budgets[source] for source in sources) > 5e8 for sources in kinds.values())
    assert {source.kind for source in collect.sources if source.weight} == {"hub"}


def test_a_profile_extends_another_and_a_circle_is_an_error(tmp_path):
    (tmp_path / "demo.yaml").write_text("a:\n  x: 1  # kept\n  y: 2\n  z: 3\n")
    (tmp_path / "one.yaml").write_text("extends: two\na:\n  x: 7\n")
    (tmp_path / "two.yaml").write_text("a:\n  y: 8\n")
    assert compose("one", tmp_path) == "a:\n  x: 7  # kept\n  y: 8\n  z: 3\n"
    (tmp_path / "two.yaml").write_text("extends: one\na:\n  y: 8\n")
    with pytest.raises(ParameterError, match=r"circle \(one -> two -> one"):
        compose("one", tmp_path)
    (tmp_path / "two.yaml").write_text("extends: tow\n")
    with pytest.raises(UnknownProfile, match="Did you mean two"):
        compose("two", tmp_path)
