import dataclasses

import pytest

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


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("feed_forward", [16, 40])
def test_the_formula_counts_what_torch_counts(tied, feed_forward):
    shape = {"layers": 3, "width": 16, "heads": 2, "feed_forward": feed_forward, "context": 9, "tied_embeddings": tied}
    config = ModelConfig(vocabulary_size=37, vocabulary_multiple=1, **shape)
    model = AntiMatter(config)
    embeddings = sum(p.numel() for n, p in model.named_parameters() if "embedding" in n or n.startswith("head"))
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


def test_config_json_describes_the_whole_shape():
    assert from_json(to_json(SPECIFIED), "config.json") == SPECIFIED


@pytest.mark.parametrize("change", [{"format": 2}, {"architecture": "gpt2"}, {"rotary": True}])
def test_a_config_of_another_kind_is_refused_by_name(change):
    with pytest.raises(ValueError, match=r"somewhere/config\.json"):
        from_json(to_json(SPECIFIED) | change, "somewhere/config.json")


def test_heads_that_do_not_divide_the_width_are_an_error():
    with pytest.raises(ValueError, match="width 256 does not divide by heads 3"):
        from_settings(Model(heads=3), 100)
