import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from antimatter.model import AntiMatter, ModelConfig, ModelError

SHAPE = {"layers": 2, "width": 16, "heads": 2, "feed_forward": 32, "context": 12}
CONFIG = ModelConfig(vocabulary_size=37, vocabulary_multiple=16, **SHAPE)
TOKENS = torch.arange(24).view(2, 12)
OPTIONS = [
    {},
    {"tied_embeddings": False},
    {"tied_embeddings": False, "adaptive_softmax": (10, 20)},
    {"positions": "rope", "norm": "rms", "qk_norm": True, "activation": "relu_squared"},
    {"attention_window": 5, "activation": "leaky_relu"},
]


def trained(config: ModelConfig, steps: int = 3) -> AntiMatter:
    model = AntiMatter(config, seed=5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(steps):
        F.cross_entropy(model(TOKENS).flatten(0, 1), TOKENS.roll(1).flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def test_logits_cover_exactly_the_vocabulary():
    assert AntiMatter(CONFIG)(TOKENS).shape == (2, 12, 37)
    assert AntiMatter(CONFIG).token_embedding.weight.shape == (48, 16)


def test_padding_gives_the_same_probabilities_as_no_padding():
    exact = AntiMatter(ModelConfig(vocabulary_size=37, vocabulary_multiple=1, **SHAPE), seed=5)
    assert torch.allclose(AntiMatter(CONFIG, seed=5)(TOKENS), exact(TOKENS), atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_padded_rows_stay_zero_however_long_we_train(tied):
    model = trained(ModelConfig(vocabulary_size=37, vocabulary_multiple=16, tied_embeddings=tied, **SHAPE))
    assert model.token_embedding.weight[37:].eq(0).all()
    assert model.head_weight[37:].eq(0).all()


def test_a_tied_head_is_the_embedding_itself():
    model = trained(CONFIG)
    assert model.head_weight is model.token_embedding.weight
    assert not any("head" in name for name in model.state_dict())


def test_no_token_sees_a_later_one():
    model = AntiMatter(CONFIG).eval()
    changed = TOKENS.clone()
    changed[:, 7:] = 3
    before, after = model(TOKENS), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.equal(before[:, 7:], after[:, 7:])


def test_attention_equals_its_definition():
    attention = AntiMatter(CONFIG, seed=1).blocks[0].attention
    hidden = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    q, k, v = (x.view(2, 5, 2, 8).transpose(1, 2) for x in attention.queries_keys_values(hidden).split(16, -1))
    scores = (q @ k.transpose(-1, -2) / 8**0.5).masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf)
    expected = attention.projection((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
    assert torch.allclose(attention(hidden), expected, atol=1e-6)


def test_the_feed_forward_layer_computes_the_activation_that_is_asked_for():
    definitions = {
        "gelu_tanh": lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3))),
        "leaky_relu": lambda x: torch.where(x > 0, x, 0.1 * x),
        "relu_squared": lambda x: torch.where(x > 0, x * x, 0.0),
    }
    for name, activation in definitions.items():
        config = ModelConfig(vocabulary_size=37, activation=name, leaky_slope=0.1, initial_std=0.5, **SHAPE)
        layer = AntiMatter(config, seed=1).blocks[0].feed_forward
        inner = layer.expansion(torch.ones(1, 1, 16))
        assert torch.allclose(layer(torch.ones(1, 1, 16)), layer.projection(activation(inner)), atol=1e-5), name


def test_fresh_weights_follow_gpt2():
    shape = {"layers": 8, "width": 128, "heads": 4, "feed_forward": 512, "context": 64}
    model = AntiMatter(ModelConfig(vocabulary_size=4000, **shape), seed=3)
    block = model.blocks[2]
    assert model.token_embedding.weight[:4000].std().item() == pytest.approx(0.02, rel=0.02)
    assert block.feed_forward.expansion.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert block.feed_forward.projection.weight.std().item() == pytest.approx(0.02 / 4, rel=0.02)
    assert block.attention.projection.weight.std().item() == pytest.approx(0.02 / 4, rel=0.03)
    assert block.attention_norm.weight.eq(1).all() and block.attention_norm.bias.eq(0).all()
    assert block.attention.queries_keys_values.bias.eq(0).all()


def test_fresh_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first = AntiMatter(CONFIG, seed=7).published_weights()
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = AntiMatter(CONFIG, seed=7).published_weights()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = AntiMatter(CONFIG, seed=8)
    assert not torch.equal(first["token_embedding.weight"], other.published_weights()["token_embedding.weight"])


def test_dropout_acts_in_training_only():
    model = AntiMatter(ModelConfig(vocabulary_size=37, dropout=0.5, **SHAPE))
    assert not torch.equal(model(TOKENS), model(TOKENS))
    assert torch.equal(model.eval()(TOKENS), model(TOKENS))


def test_input_beyond_the_context_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="13 tokens, but this model's context is 12"):
        AntiMatter(CONFIG)(torch.zeros(1, 13, dtype=torch.int64))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_activation_checkpointing_changes_no_bit_of_a_gradient(options, dropout):
    gradients = []
    for checkpointing in (False, True):
        model = AntiMatter(ModelConfig(vocabulary_size=37, dropout=dropout, **SHAPE, **options), seed=5)
        model.activation_checkpointing = checkpointing
        torch.manual_seed(0)
        F.cross_entropy(model(TOKENS, TOKENS // 9).flatten(0, 1), TOKENS.roll(1).flatten()).backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(plain, again) for plain, again in zip(*gradients, strict=True))


def test_activation_checkpointing_computes_each_block_twice_in_training_alone():
    model = AntiMatter(CONFIG)
    model.activation_checkpointing = True
    passes = []
    model.blocks[0].feed_forward.register_forward_pre_hook(lambda *_: passes.append(model.training))
    model(TOKENS).sum().backward()
    model.eval()(TOKENS).sum().backward()
    assert passes == [True, True, False]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_saved_model_comes_back_equal(tmp_path, options):
    model = trained(ModelConfig(vocabulary_size=37, vocabulary_multiple=16, **SHAPE, **options)).eval()
    model.save_pretrained(tmp_path)
    back = AntiMatter.from_pretrained(tmp_path)
    assert back.config == model.config and not back.training
    assert torch.equal(back(TOKENS), model(TOKENS))


def test_files_hold_no_padding_and_a_tied_matrix_once(tmp_path):
    trained(CONFIG).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert weights["token_embedding.weight"].shape == (37, 16)
    assert "head.weight" not in weights
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_equal_weights_make_equal_files(tmp_path):
    for folder in ("a", "b"):
        trained(CONFIG).save_pretrained(tmp_path / folder)
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["config.json", "model.safetensors"]


def test_a_folder_without_a_model_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config.json here.*dvc repro train"):
        AntiMatter.from_pretrained(tmp_path)


def test_a_later_format_is_refused(tmp_path):
    AntiMatter(CONFIG).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"format": 2}))
    with pytest.raises(ModelError, match="format 2"):
        AntiMatter.from_pretrained(tmp_path)


def test_a_folder_of_another_architecture_is_refused_by_its_name(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", "n_layer": 12}))
    with pytest.raises(ModelError, match=r"architecture 'gpt2'.*reads architecture 'antimatter'"):
        AntiMatter.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ModelError, match="not a description of a model"):
        AntiMatter.from_pretrained(tmp_path)


def test_weights_of_another_shape_are_refused_with_what_differs(tmp_path):
    AntiMatter(CONFIG).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"layers": 3, "context": 8}))
    with pytest.raises(ModelError, match=r"position_embedding.weight is .*blocks\.2\.\S+ is missing; .*and \d+ more"):
        AntiMatter.from_pretrained(tmp_path)


def test_truncated_weights_are_refused(tmp_path):
    AntiMatter(CONFIG).save_pretrained(tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-10])
    with pytest.raises(ModelError, match="no readable model"):
        AntiMatter.from_pretrained(tmp_path)
