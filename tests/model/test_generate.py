import dataclasses
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.model import AntiMatter, ModelConfig
from antimatter.model.generate import CONTROL_IDS, EOS, Sampling, choose, generate, generate_batch, window_start
from antimatter.model.text import load

CONFIG = ModelConfig(
    vocabulary_size=40, vocabulary_multiple=16, layers=1, width=16, heads=2, feed_forward=32, context=8
)
DEEPER = dataclasses.replace(CONFIG, layers=2, initial_std=0.3)
OPTIONS = {
    "defaults": {},
    "leaky_relu": {"activation": "leaky_relu", "leaky_slope": 0.3},
    "relu_squared": {"activation": "relu_squared"},
    "rope": {"positions": "rope", "rope_base": 50.0},
    "window": {"attention_window": 3},
    "rms": {"norm": "rms"},
    "qk_norm": {"qk_norm": True},
    "untied": {"tied_embeddings": False},
    "adaptive": {"tied_embeddings": False, "adaptive_softmax": (10, 20)},
    "rope and window": {"positions": "rope", "qk_norm": True, "attention_window": 2},
}


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


def test_the_window_of_a_long_text_moves_on_by_half_a_context(model):
    read = []
    model.register_forward_pre_hook(lambda module, tokens: read.append(tokens[0][0].tolist()))
    text = model.generate([1, *range(10, 16)], max_length=8, seed=1, suppress=(EOS,), use_cache=False)
    starts = [0, 0, 4, 4, 4, 4, 8, 8]  # of texts of 7, 8, ... 14 tokens
    assert read == [text[start:length] for start, length in zip(starts, range(7, 15), strict=True)]


@given(length=st.integers(1, 500), context=st.integers(8, 64))
def test_a_window_keeps_at_least_half_a_context_and_moves_by_half_of_it(length, context):
    start = window_start(length, context)
    assert start % (context // 2) == 0
    assert min(length, context - context // 2 + 1) <= length - start <= context
    assert start == 0 or length > context


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_with_the_cache_come_the_same_ids_as_without(options):
    deeper = AntiMatter(dataclasses.replace(DEEPER, **options), seed=3)
    for prompt in ([1], [1, 30, 31, 32], list(range(10, 27))):
        for seed in range(3):
            sampled = {"prompt": prompt, "max_length": 25, "seed": seed, "suppress": (EOS,)}
            assert deeper.generate(**sampled) == deeper.generate(**sampled, use_cache=False)
        greedy = {"prompt": prompt, "max_length": 25, "temperature": 0}
        assert deeper.generate(**greedy) == deeper.generate(**greedy, use_cache=False)


@settings(max_examples=25)
@given(
    prompts=st.lists(st.lists(st.integers(0, 39), min_size=1, max_size=14), max_size=5),
    options=st.sampled_from(sorted(OPTIONS)),
    seed=st.integers(0, 99),
    use_cache=st.booleans(),
)
def test_a_batch_writes_what_each_prompt_alone_would_with_its_seed(prompts, options, seed, use_cache):
    deeper = AntiMatter(dataclasses.replace(DEEPER, **OPTIONS[options]), seed=3)
    alone = [generate(deeper, prompt, 12, Sampling(seed=seed + row)) for row, prompt in enumerate(prompts)]
    assert generate_batch(deeper, prompts, 12, Sampling(seed=seed), use_cache) == alone


def test_rows_of_a_batch_end_each_at_its_own_eos(model):
    texts = model.generate([[1], [1, 9], [1, 9, 10]] * 4, max_length=30, temperature=2.0)
    ended = [text for text in texts if text[-1] == EOS]
    assert len({len(text) for text in ended}) > 1 and all(EOS not in text[:-1] for text in texts)
    assert texts[0] == model.generate([1], max_length=30, temperature=2.0)


def test_each_new_token_is_told_at_once_with_its_row(model):
    told: dict[int, list[int]] = {0: [], 1: []}
    prompts = [[1], [1, 9, 10]]
    texts = generate_batch(model, prompts, 30, Sampling(2.0), on_token=lambda row, token: told[row].append(token))
    assert [[*prompt, *told[row]] for row, prompt in enumerate(prompts)] == texts


def test_the_cache_reads_one_token_a_step_and_a_window_when_it_moves(model):
    read = []
    hidden = model.hidden
    model.hidden = lambda tokens, **rest: read.append(tokens.shape[1]) or hidden(tokens, **rest)
    model.generate([1, 9, 10], max_length=9, suppress=(EOS,))
    assert read == [2, 1, 1, 1, 1, 1, 1, 4, 1, 1, 1]


def test_rows_that_go_on_are_not_read_again_when_another_one_ends(model):
    long, short = list(range(10, 20)), [1]
    eos = generate(model, long, 1, Sampling(0))[-1]
    read = []
    hidden = model.hidden
    model.hidden = lambda tokens, **rest: read.append(tuple(tokens.shape)) or hidden(tokens, **rest)
    texts = generate_batch(model, [long, short], 5, Sampling(0, eos=eos))
    assert texts[0] == [*long, eos] and len(texts[1]) == 6
    assert read == [(2, 5), (2, 1), (1, 1), (1, 1), (1, 1), (1, 1)]


def test_a_reader_that_stops_listening_leaves_the_model_as_it_was(model):
    def stop(row: int, token: int) -> None:
        raise KeyboardInterrupt

    model.train()
    with pytest.raises(KeyboardInterrupt):
        generate_batch(model, [[1]], 5, Sampling(), on_token=stop)
    assert model.training


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
    with pytest.raises(ValueError, match=r"prompt 1: prompt ids \[-1\] are outside"):
        model.generate([[1], [-1]])
    with pytest.raises(ValueError, match="max_length -2 must be at least 0"):
        model.generate([1], max_length=-2)
    with pytest.raises(ValueError, match="not both at once"):
        model.generate([[1], "text"])
    with pytest.raises(ValueError, match="on_text follows the continuation of one text"):
        model.generate([1], on_text=print)


def test_text_needs_a_tokenizer_and_says_so(model):
    with pytest.raises(FileNotFoundError, match="pass a list of ids"):
        model.generate("The future")


@pytest.fixture(scope="module")
def reading(tmp_path_factory) -> AntiMatter:
    """A model in a folder with a tokenizer that spells rare characters in bytes."""
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("model")
    (folder / "tokenizer").mkdir()
    (folder / "text").write_text("the cat sat on the mat and the dog sat on the log\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"), model_prefix=str(folder / "tokenizer/antimatter"), vocab_size=290,
        model_type="bpe", pad_id=0, bos_id=1, eos_id=2, unk_id=3, minloglevel=2, byte_fallback=True,
        hard_vocab_limit=False, user_defined_symbols=["<a>", "<b>", "<c>", "<d>"],
    )  # fmt: skip
    specials = {"pad": 0, "bos": 1, "eos": 2, "unk": 3}
    meta = {"kind": "sentencepiece", "file": "antimatter.model", "specials": specials, "markers": {}}
    (folder / "tokenizer/meta.json").write_text(json.dumps(meta))
    size = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer/antimatter.model")).vocab_size()
    AntiMatter(dataclasses.replace(CONFIG, vocabulary_size=size), seed=3).save_pretrained(folder)
    return AntiMatter.from_pretrained(folder)


def test_text_in_is_text_out(reading):
    text = reading.generate("the cat", max_length=12)
    assert text.startswith("the cat") and len(text) > len("the cat")


def test_several_texts_in_are_several_texts_out(reading):
    texts = reading.generate(["the cat", "a dog sat on"], max_length=12, seed=4)
    assert texts == [
        reading.generate("the cat", max_length=12, seed=4),
        reading.generate("a dog sat on", max_length=12, seed=5),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_text_that_is_told_piece_by_piece_is_the_text_that_comes_back(reading, seed):
    pieces: list[str] = []
    text = reading.generate("the cat", max_length=40, seed=seed, on_text=pieces.append)
    assert "the cat" + "".join(pieces) == text
    assert len(pieces) > 1 and all(pieces)


def test_the_end_is_not_told_even_if_it_would_be_text(reading):
    head = [1, *load(reading.folder).encode("the cat")]
    eos = reading.generate(head, max_length=5, suppress=range(270), eos=2)[-1]
    pieces: list[str] = []
    text = reading.generate("the cat", max_length=5, suppress=range(270), eos=eos, on_text=pieces.append)
    assert "the cat" + "".join(pieces) == text
    assert reading.generate(head, max_length=5, suppress=range(270), eos=eos)[-1] == eos
