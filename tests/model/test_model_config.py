import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.model import AntiMatter, ModelConfig
from antimatter.model.config import flops_per_token, from_json, from_settings, parameter_count, to_json
from antimatter.params.model import Model

SPECIFIED = ModelConfig(vocabulary_size=50257, layers=24, width=1024, heads=16, feed_forward=4096, context=2048)
LARGER = ModelConfig(vocabulary_size=50257, layers=22, width=1280, heads=20, feed_forward=5120, context=2048)
SMALL = ModelConfig(vocabulary_size=50304, layers=4, width=256, heads=8, feed_forward=1024, context=1024)


@pytest.mark.parametrize(("config", "total"), [(SPECIFIED, 355_871_744), (LARGER, 499_856_640), (SMALL, 16_299_520)])
def test_the_formula_gives_the_published_parameter_counts(config, total):
    assert parameter_count(config).total == total


def test_the_specified_model_is_300m_without_its_embeddings():
    assert parameter_count(SPECIFIED).blocks == 302_311_424
    assert parameter_count(SPECIFIED).embeddings == 50257 * 1024 + 2048 * 1024


@given(
    head=st.sampled_from(
        [{}, {"tied_embeddings": False}, {"tied_embeddings": False, "adaptive_softmax": (5, 20, 30)},
         {"tied_embeddings": False, "adaptive_softmax": (9,), "adaptive_softmax_divisor": 1.5}]
    ),
    positions=st.sampled_from(["learned", "rope"]),
    norm=st.sampled_from(["layer", "rms"]),
    qk_norm=st.booleans(),
    feed_forward=st.sampled_from([16, 40]),
)  # fmt: skip
def test_the_formula_counts_what_torch_counts(head, positions, norm, qk_norm, feed_forward):
    shape = {"layers": 3, "width": 64, "heads": 2, "feed_forward": feed_forward, "context": 9}
    options = {"positions": positions, "norm": norm, "qk_norm": qk_norm, **head}
    config = ModelConfig(vocabulary_size=37, vocabulary_multiple=1, **shape, **options)
    model = AntiMatter(config)
    outside = ("token_embedding", "position_embedding", "head", "adaptive")
    embeddings = sum(p.numel() for n, p in model.named_parameters() if n.startswith(outside))
    total = sum(p.numel() for p in model.parameters())
    assert parameter_count(config) == (total, embeddings, total - embeddings)


def test_padding_changes_neither_the_count_nor_the_flops():
    padded = dataclasses.replace(SPECIFIED, vocabulary_multiple=128)
    exact = dataclasses.replace(SPECIFIED, vocabulary_multiple=1)
    assert (padded.padded_vocabulary, exact.padded_vocabulary) == (50304, 50257)
    assert parameter_count(padded) == parameter_count(exact)
    assert flops_per_token(padded, 2048) == flops_per_token(exact, 2048)


def test_a_token_of_the_specified_model_costs_2_73_gigaflops():
    assert flops_per_token(SPECIFIED, 2048) == 6 * (355_871_744 - 2048 * 1024) + 12 * 24 * 1024 * 2048
    assert round(flops_per_token(SPECIFIED, 2048) / 1e9, 4) == 2.7266


def test_only_what_multiplies_costs_and_a_window_saves():
    base = flops_per_token(SPECIFIED, 2048)
    without_positions = dataclasses.replace(SPECIFIED, positions="rope")
    assert flops_per_token(without_positions, 2048) == base
    window = dataclasses.replace(SPECIFIED, attention_window=512)
    assert base - flops_per_token(window, 2048) == 12 * 24 * 1024 * (2048 - 512)
    assert flops_per_token(window, 300) == flops_per_token(SPECIFIED, 300)
    untied = dataclasses.replace(SPECIFIED, tied_embeddings=False)
    assert flops_per_token(untied, 2048) == base
    adaptive = dataclasses.replace(untied, adaptive_softmax=(4000, 20000))
    assert base - flops_per_token(adaptive, 2048) == 6 * 1024 * (50257 - 4002)


def test_the_profiles_have_a_gguf_form_and_each_option_without_one_is_named():
    leaky = dataclasses.replace(SPECIFIED, activation="leaky_relu", tied_embeddings=False, attention_window=2048)
    assert SPECIFIED.not_exportable() == leaky.not_exportable() == []
    for name, value, reason in [
        ("positions", "rope", "model.positions: rope"),
        ("attention_window", 100, "model.attention_window: 100"),
        ("norm", "rms", "model.norm: rms"),
        ("qk_norm", True, "model.qk_norm: true"),
        ("activation", "relu_squared", "model.activation: relu_squared"),
        ("adaptive_softmax", (10, 20), "model.adaptive_softmax: [10, 20]"),
    ]:
        assert dataclasses.replace(SPECIFIED, **{name: value}).not_exportable() == [reason]


def test_config_json_describes_the_whole_shape():
    everything = ModelConfig(
        vocabulary_size=300, tied_embeddings=False, adaptive_softmax=(10, 20), positions="rope", rope_base=5e5,
        norm="rms", qk_norm=True, attention_window=9, activation="relu_squared", dropout=0.1,
    )  # fmt: skip
    for config in (SPECIFIED, everything):
        assert from_json(json.loads(json.dumps(to_json(config))), "config.json") == config


def test_a_config_from_before_an_option_has_its_default():
    old = to_json(SPECIFIED)
    for name in ("positions", "rope_base", "attention_window", "norm", "qk_norm", "adaptive_softmax"):
        del old[name]
    assert from_json(old, "config.json") == SPECIFIED


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"architecture": "gpt2"}, {"rotary": True}, {"positions": "alibi"}, {"layers": "4"}, {"heads": 0},
     {"qk_norm": 1}, {"adaptive_softmax": 5}, {"adaptive_softmax": ["x"]}, {"width": [16]}],
)  # fmt: skip
def test_a_config_of_another_kind_is_refused_by_name(change):
    with pytest.raises(ValueError, match=r"somewhere/config\.json"):
        from_json(to_json(SPECIFIED) | change, "somewhere/config.json")


def test_heads_that_do_not_divide_the_width_are_an_error():
    with pytest.raises(ValueError, match="width 256 does not divide by heads 3"):
        from_settings(Model(heads=3), 100)
