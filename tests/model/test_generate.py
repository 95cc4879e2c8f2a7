import json

import pytest
import torch

from antimatter.model import AntiMatter, ModelConfig
from antimatter.model.generate import CONTROL_IDS, EOS, Sampling, choose

CONFIG = ModelConfig(
    vocabulary_size=40, vocabulary_multiple=16, layers=1, width=16, heads=2, feed_forward=32, context=8
)


@pytest.fixture
def model() -> AntiMatter:
    return AntiMatter(CONFIG, seed=3).eval()


def test_temperature_zero_takes_the_most_probable_token_each_time(model):
    ids = [1, 9, 10]
    for _ in range(5):
        logits = model(torch.tensor([ids[-8:]]))[0, -1].detach()
        logits[list(CONTROL_IDS)] = -torch.inf
        ids.append(int(logits.argmax()))
        if ids[-1] == EOS:
            break
    assert model.generate([1, 9, 10], max_length=5, temperature=0) == ids


def test_the_same_seed_writes_the_same_text_and_another_seed_another(model):
    texts = [model.generate([1], max_length=12, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_the_callers_random_state_and_mode_stay_untouched(model):
    model.train()
    state = torch.get_rng_state()
    model.generate([1], max_length=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training


def test_control_tokens_never_come_and_eos_ends_the_text(model):
    texts = [model.generate([1], max_length=40, seed=seed, temperature=2.0) for seed in range(4)]
    assert not any(set(text[1:]) & set(CONTROL_IDS) for text in texts)
    assert any(text[-1] == EOS for text in texts)
    assert all(EOS not in text[:-1] for text in texts)


def test_padded_ids_never_come():
    shape = {"layers": 1, "width": 8, "heads": 1, "feed_forward": 8, "context": 8}
    small = AntiMatter(ModelConfig(vocabulary_size=9, vocabulary_multiple=64, **shape))
    assert max(small.generate([1], max_length=50, temperature=100.0, suppress=(EOS,))) < 9


def test_a_prompt_longer_than_the_context_is_cropped_from_the_left(model):
    long = [1, *range(8, 30)]
    assert len(model.generate(long, max_length=3, temperature=0, suppress=(EOS,))) == len(long) + 3


def test_top_k_one_is_greedy(model):
    assert model.generate([1], max_length=9, top_k=1) == model.generate([1], max_length=9, temperature=0)


def test_top_k_and_top_p_limit_what_can_come():
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    generator = torch.Generator().manual_seed(0)

    def drawn(**options):
        return {choose(logits, Sampling(suppress=(), **options), generator) for _ in range(300)}

    assert drawn() == {0, 1, 2, 3}
    assert drawn(top_k=2) == {0, 1}
    assert drawn(top_p=0.6) == {0, 1}
    assert drawn(top_p=0.01) == {0}
    assert drawn(top_k=3, top_p=0.99) == {0, 1, 2}


@pytest.mark.parametrize("options", [{"temperature": -1}, {"top_p": 0.0}, {"top_k": -3}, {"temperature": float("nan")}])
def test_impossible_options_are_named(model, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        model.generate([1], **options)


def test_ids_outside_the_vocabulary_are_an_error(model):
    with pytest.raises(ValueError, match=r"\[40\] are outside \[0, 40\)"):
        model.generate([1, 40])
    with pytest.raises(ValueError, match="empty prompt"):
        model.generate([])


def test_text_needs_a_tokenizer_and_says_so(model):
    with pytest.raises(FileNotFoundError, match="pass a list of ids"):
        model.generate("The future")


def test_text_in_is_text_out(tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "text").write_text("the cat sat on the mat and the dog sat on the log\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text"), model_prefix=str(tmp_path / "tokenizer/antimatter"), vocab_size=40,
        model_type="bpe", pad_id=0, bos_id=1, eos_id=2, unk_id=3, minloglevel=2,
        user_defined_symbols=["<a>", "<b>", "<c>", "<d>"],
    )  # fmt: skip
    AntiMatter(CONFIG, seed=3).save_pretrained(tmp_path)
    specials = {"pad": 0, "bos": 1, "eos": 2, "unk": 3}
    meta = {"kind": "sentencepiece", "file": "antimatter.model", "specials": specials, "markers": {}}
    (tmp_path / "tokenizer/meta.json").write_text(json.dumps(meta))
    text = AntiMatter.from_pretrained(tmp_path).generate("the cat", max_length=12)
    assert text.startswith("the cat") and len(text) > len("the cat")
