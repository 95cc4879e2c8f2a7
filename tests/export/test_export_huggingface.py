"""A model of ours as a folder of Hugging Face computes the same logits, and its tokenizer gives the same ids."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file

from antimatter.evaluate.huggingface import HuggingFaceModel, UnreadableModel, open_subject
from antimatter.evaluate.subject import OurModel
from antimatter.export.huggingface import NotExportable, export
from antimatter.model import AntiMatter
from antimatter.model.generate import Sampling
from tests.evaluate.models import tiny_model

SHAPES = [
    {},
    {"activation": "leaky_relu"},
    {"activation": "leaky_relu", "leaky_slope": 0.0},
    {"tied_embeddings": False},
]
NASTY = [
    "", " ", "  two  ", "\t\r\n\x00", "[BOS] [PAD] <|end|>", "<0x0A>",
    "é e\u0301 漢字 👩‍👩‍👧", "a" * 300, "fox\n\nfox",
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Several threads, on cores that others use too, wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    export(tiny_model(folder / "ours"), folder / "theirs")
    return folder


@pytest.mark.parametrize("shape", SHAPES)
def test_the_logits_are_equal(shape, tmp_path):
    export(tiny_model(tmp_path / "ours", **shape), tmp_path / "theirs")
    ours = AntiMatter.from_pretrained(tmp_path / "ours")
    theirs, told = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "theirs", output_loading_info=True)
    tokens_BT = torch.randint(0, ours.config.vocabulary_size, (3, 192), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (ours(tokens_BT) - theirs.eval()(tokens_BT).logits).abs().max() < 1e-5
    assert not told["missing_keys"] and not told["unexpected_keys"]
    tied = theirs.lm_head.weight.data_ptr() == theirs.transformer.wte.weight.data_ptr()
    assert tied == shape.get("tied_embeddings", True)


def test_what_transformers_saves_again_is_the_same(exported, tmp_path):
    theirs = transformers.GPT2LMHeadModel.from_pretrained(exported / "theirs")
    theirs.save_pretrained(tmp_path)
    before, after = (load_file(folder / "model.safetensors") for folder in (exported / "theirs", tmp_path))
    assert before.keys() == after.keys() and "lm_head.weight" not in before
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_tokenizer_gives_the_same_ids_with_bos_in_front(exported):
    ours = OurModel(exported / "ours")
    theirs = transformers.AutoTokenizer.from_pretrained(exported / "theirs")
    for text in NASTY:
        assert theirs(text).input_ids == [ours.bos, *ours.encode(text)], text
        assert theirs(text, add_special_tokens=False).input_ids == ours.encode(text), text
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id) == (1, 2, 0)
    assert theirs("fox", return_tensors="pt").input_ids.shape[1] > 1


def test_equal_models_give_equal_files(exported, tmp_path):
    export(exported / "ours", tmp_path / "again")
    for path in (exported / "theirs").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"positions": "rope"}, "model.positions: rope"),
        ({"norm": "rms"}, "model.norm: rms"),
        ({"qk_norm": True}, "model.qk_norm"),
        ({"attention_window": 16}, "model.attention_window: 16"),
        ({"activation": "relu_squared"}, "relu_squared"),
        ({"activation": "leaky_relu", "leaky_slope": 0.1}, "model.leaky_slope: 0.1"),
    ],
)
def test_what_gpt_2_cannot_compute_is_refused_by_its_name(shape, reason, tmp_path):
    with pytest.raises(NotExportable, match=reason):
        export(tiny_model(tmp_path / "ours", **shape), tmp_path / "theirs")
    assert not (tmp_path / "theirs").exists()


def test_nothing_that_is_there_is_overwritten(exported, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(NotExportable, match="not empty"):
        export(exported / "ours", tmp_path)
    with pytest.raises(NotExportable, match="not empty"):
        export(exported / "ours", exported / "ours")


# --- as a Subject ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(exported):
    return open_subject(str(exported / "ours")), open_subject(str(exported / "theirs"))


def test_the_kind_of_a_folder_is_told_by_its_config(both):
    assert [type(subject) for subject in both] == [OurModel, HuggingFaceModel]
    ours, theirs = (subject.facts() for subject in both)
    assert ours | {"name": "", "kind": ""} == theirs | {"name": "", "kind": ""}
    assert (theirs["kind"], theirs["name"]) == ("huggingface", "theirs")


def test_losses_texts_and_frames_of_both_are_equal(both):
    ours, theirs = both
    draw = torch.Generator().manual_seed(3)
    inputs_BT, targets_BT = (
        torch.randint(8, ours.model.config.vocabulary_size, (9, 150), generator=draw) for _ in "ab"
    )
    torch.testing.assert_close(ours.losses(inputs_BT, targets_BT), theirs.losses(inputs_BT, targets_BT))
    chosen_BT = torch.rand((9, 150), generator=draw) < 0.3
    for own, other in zip(*(each.chosen(inputs_BT, targets_BT, chosen_BT) for each in both), strict=True):
        torch.testing.assert_close(own, other)
    assert (ours.bos, ours.eos, ours.context) == (theirs.bos, theirs.eos, theirs.context)
    for text in NASTY:
        assert ours.encode(text) == theirs.encode(text)
        assert theirs.decode(theirs.encode(text)) == text


@pytest.mark.parametrize(
    "sampling", [Sampling(temperature=0.0), Sampling(temperature=1.3, top_k=30, top_p=0.9, seed=4)]
)
def test_both_write_the_same(both, sampling):
    ours, theirs = both
    prompts = [[1, *ours.encode(text)] for text in ("the quick", "fox", "lazy dog jumps over", "dog")]
    written = ours.generate(prompts, 20, sampling)
    assert written == theirs.generate(prompts, 20, sampling)
    assert {len(ids) for ids in written} <= set(range(21)) and any(written)


def test_a_prompt_that_leaves_no_room_loses_its_beginning_and_half_a_context_is_written_at_most(both):
    ours, theirs = both
    ids = ours.encode("lazy dog jumps " * 100)
    greedy = Sampling(temperature=0.0)
    assert theirs.generate([[1, *ids]], 20, greedy) == theirs.generate([ids[-172:]], 20, greedy) != [[]]
    written = theirs.generate([[1, *ids]], 500, Sampling(temperature=2.0, seed=1))
    assert written == theirs.generate([ids[-96:]], 96, Sampling(temperature=2.0, seed=1))


def test_special_tokens_in_a_text_are_text_whatever_the_tokenizer_is_told(tmp_path, exported, both):
    folder = tmp_path / "plain"
    folder.mkdir()
    for path in (exported / "theirs").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    told = json.loads((folder / "tokenizer_config.json").read_text())
    del told["split_special_tokens"]
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    assert open_subject(str(folder)).encode("[BOS] fox") == both[0].encode("[BOS] fox")


@pytest.mark.parametrize(("absent", "frame"), [("bos_token", (2, 2)), ("eos_token", (1, 1))])
def test_a_tokenizer_without_a_beginning_or_an_end_has_the_other_there(absent, frame, tmp_path, exported):
    for path in (exported / "theirs").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    told = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del told[absent]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told))
    found = open_subject(str(tmp_path))
    assert (found.bos, found.eos) == frame


def with_tokenizer(model, folder, exported):
    """A model of transformers, saved beside the exported tokenizer."""
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text((exported / "theirs" / name).read_text())
    return str(folder)


def small(kind, vocabulary, **more):
    shape = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    return kind(vocab_size=vocabulary, max_position_embeddings=32, **shape, **more)


def test_a_model_that_sees_its_targets_is_refused(tmp_path, exported, both):
    size = both[0].model.config.vocabulary_size
    looks_ahead = transformers.RobertaForMaskedLM(small(transformers.RobertaConfig, size, pad_token_id=0))
    with pytest.raises(UnreadableModel, match="no causal language model"):
        open_subject(with_tokenizer(looks_ahead, tmp_path, exported))


def test_weights_that_no_file_holds_are_refused_rather_than_drawn(tmp_path, exported, both):
    size = both[0].model.config.vocabulary_size
    config = small(transformers.LlamaConfig, size, num_key_value_heads=2, tie_word_embeddings=False)
    whole = open_subject(with_tokenizer(transformers.LlamaForCausalLM(config), tmp_path / "whole", exported))
    assert whole.context == 32
    with pytest.raises(UnreadableModel, match=r"1 weights are not in its files \(lm_head.weight\)"):
        open_subject(with_tokenizer(transformers.LlamaModel(config), tmp_path / "body", exported))


def test_weights_in_half_precision_are_computed_in_fp32(tmp_path, exported, both):
    _, theirs = both
    halved = transformers.GPT2LMHeadModel.from_pretrained(exported / "theirs").half()
    found = open_subject(with_tokenizer(halved, tmp_path, exported))
    ids_BT = torch.randint(8, 100, (2, 20), generator=torch.Generator().manual_seed(0))
    losses_BT = found.losses(ids_BT[:, :-1], ids_BT[:, 1:])
    assert losses_BT.dtype == torch.float32
    torch.testing.assert_close(losses_BT, theirs.losses(ids_BT[:, :-1], ids_BT[:, 1:]), atol=0.05, rtol=0.01)


def test_what_is_no_model_is_refused_with_a_reason(tmp_path, exported):
    with pytest.raises(UnreadableModel, match="no such folder"):
        open_subject(str(tmp_path / "nowhere"))
    with pytest.raises(UnreadableModel, match="no such folder"):
        open_subject("data/modell")
    with pytest.raises(UnreadableModel, match=r"no config\.json"):
        open_subject(str(tmp_path))
    (tmp_path / "config.json").write_text((exported / "theirs" / "config.json").read_text())
    with pytest.raises(UnreadableModel, match="no weights here"):
        open_subject(str(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(UnreadableModel, match=r"pickles \(pytorch_model.bin\)"):
        open_subject(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UnreadableModel, match="not valid JSON"):
        open_subject(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no such thing"}))
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(UnreadableModel, match="cannot read it"):
        open_subject(str(tmp_path))
