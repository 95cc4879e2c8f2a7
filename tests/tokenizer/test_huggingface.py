"""A tokenizer.json as it is: exact bytes, no special token from text, and clear words for those that are refused."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from antimatter.tokenizer.errors import MissingLibrary, UnfitTokenizer
from antimatter.tokenizer.huggingface import NAMES, HuggingFace, byte_alphabet
from antimatter.tokenizer.vocabulary import CONTROL
from tests.tokenizer.promises import require_batch_equals_single, require_exact, require_tables, texts

LINES = ["the quick brown fox jumps over the lazy dog", "  def f(x):\n    return x", "Größe 漢字 12345"] * 5
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]
SPACE = "\u2581"


def byte_level(special=("<|endoftext|>",)):
    """Like GPT-2's: BPE on the bytes of words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


def byte_fallback(prefix=False):
    """Like Gemma's, or with a space in front of each text like Llama 2's: BPE on characters, bytes for the others."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    steps = [normalizers.Prepend(SPACE)] if prefix else []
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=[*special, *BYTE_TOKENS], show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    about = json.loads(tokenizer.to_str())
    about["added_tokens"] = about["added_tokens"][: len(special)]  # byte tokens are pieces, as in real files
    return Tokenizer.from_str(json.dumps(about))


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A function that opens a tokenizer of the library, or its file as a dict, as ours."""

    def open_(tokenizer):
        path = tmp_path_factory.mktemp("huggingface") / "tokenizer.json"
        text = json.dumps(tokenizer) if isinstance(tokenizer, dict) else tokenizer.to_str()
        path.write_text(text, encoding="utf-8")
        return HuggingFace(path)

    return open_


@pytest.fixture(scope="module")
def on_bytes(opened):
    return opened(byte_level())


@pytest.fixture(scope="module")
def on_characters(opened):
    return opened(byte_fallback())


@pytest.fixture(scope="module")
def with_prefix(opened):
    return opened(byte_fallback(prefix=True))


@given(text=texts())
def test_byte_level_gives_every_text_back_and_its_bytes_add_up(on_bytes, text):
    require_exact(on_bytes, text)


@given(text=texts(without=SPACE))
def test_byte_fallback_gives_every_text_back_and_its_bytes_add_up(on_characters, text):
    require_exact(on_characters, text)


@given(text=texts(without=SPACE))
def test_a_space_put_in_front_is_taken_away_again_but_counted(with_prefix, text):
    assert with_prefix.adds_space
    require_exact(with_prefix, text, extra_bytes=1)


@given(batch=st.lists(texts(), max_size=4))
def test_a_batch_is_its_texts_one_by_one(on_bytes, on_characters, batch):
    for tokenizer in (on_bytes, on_characters):
        require_batch_equals_single(tokenizer, batch)


def test_empty_batches_and_empty_texts_have_starts(on_bytes):
    for batch in ([], [""], ["", "", "a", ""]):
        require_batch_equals_single(on_bytes, batch)


def test_the_tables_have_an_entry_for_every_id(on_bytes, on_characters, with_prefix):
    for tokenizer in (on_bytes, on_characters, with_prefix):
        require_tables(tokenizer)


def test_ids_are_those_of_the_library(on_bytes):
    text = "the quick fox, Größe\n\n  12"
    assert on_bytes.encode(text) == byte_level().encode(text, add_special_tokens=False).ids


def test_the_alphabet_of_bytes_is_the_librarys():
    assert sorted(byte_alphabet()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(byte_alphabet().values()) == [*range(256)]


def test_pieces_are_what_a_person_reads(on_bytes, on_characters):
    assert on_bytes.pieces()[on_bytes.encode("the fox")[0]] == "the"
    assert on_bytes.pieces()[on_bytes.encode("€")[0]] == "<0xE2>"
    assert on_bytes.pieces()[on_bytes.specials["eos"]] == "<|endoftext|>"
    assert on_characters.pieces()[on_characters.encode("€")[0]] == "<0xE2>"
    assert " " in "".join(on_characters.pieces()) and SPACE not in "".join(on_characters.pieces())


def test_byte_tokens_are_bytes_of_characters_without_a_piece(on_bytes, on_characters):
    for tokenizer in (on_bytes, on_characters):
        assert tokenizer.byte_tokens()[tokenizer.encode("€")].all()
        assert not tokenizer.byte_tokens()[tokenizer.encode("the")].any()


def test_the_end_of_text_alone_also_begins_a_text(on_bytes, on_characters):
    assert on_bytes.specials == {"bos": 0, "eos": 0}
    assert on_characters.specials == {"pad": 3, "bos": 1, "eos": 2, "unk": 0}


@pytest.mark.parametrize("role", NAMES)
def test_every_known_name_gets_its_role(opened, role):
    for name in NAMES[role]:
        tokenizer = opened(byte_level([name] if role == "eos" else [name, "[EOS]"]))
        assert tokenizer.specials[role] == 0


def test_the_four_chat_markers_are_found_together_or_not_at_all(opened):
    assert opened(byte_level(["[EOS]", *CONTROL])).markers == dict(zip(CONTROL, range(1, 5), strict=True))
    assert opened(byte_level(["[EOS]", *CONTROL[:3]])).markers == {}


def test_names_that_the_file_does_not_call_special_are_still_not_read_from_text(opened):
    tokenizer = byte_level(["[EOS]"])
    tokenizer.add_tokens(["<s>", *CONTROL])
    ours = opened(tokenizer)
    assert len(ours.markers) == 4
    for name in ("<s>", *CONTROL):
        require_exact(ours, f"a {name}b")


def test_added_tokens_that_are_text_are_read_as_they_stand(opened):
    tokenizer = byte_level()
    tokenizer.add_tokens(["    ", "été"])
    ours = opened(tokenizer)
    assert [ours.pieces()[i] for i in ours.encode("x    y été")] == ["x", "    ", "y", " ", "été"]
    require_exact(ours, "x    y été")


def test_frames_padding_truncation_and_dropout_of_the_file_are_left_aside(opened, on_bytes):
    tokenizer = byte_level()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)]
    )
    tokenizer.enable_padding(length=50)
    tokenizer.enable_truncation(2)
    about = json.loads(tokenizer.to_str())
    about["model"]["dropout"] = 0.9
    text = "the quick brown fox jumps over the lazy dog"
    assert opened(about).encode(text) == on_bytes.encode(text)


def test_numbers_that_no_entry_has_stand_for_nothing(opened):
    about = json.loads(byte_level().to_str())
    about["added_tokens"].append({**about["added_tokens"][0], "id": 1000, "content": "<pad>"})
    about["model"]["vocab"]["<pad>"] = 1000
    tokenizer = opened(about)
    assert (tokenizer.size, tokenizer.specials["pad"], tokenizer.pieces()[999]) == (1001, 1000, "")


def unigram():
    pieces = [("<unk>", 0.0), ("</s>", 0.0), *((token, -9.0) for token in BYTE_TOKENS)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tokenizer.add_special_tokens(["</s>"])
    return tokenizer


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "[EOS]": 1, "the": 2}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[EOS]"])
    return tokenizer


def with_suffix():
    tokenizer = Tokenizer(models.BPE({"a</w>": 0, "[EOS]": 1}, [], end_of_word_suffix="</w>", byte_fallback=True))
    tokenizer.add_special_tokens(["[EOS]"])
    return tokenizer


def with_greedy_token():
    tokenizer = byte_level()
    tokenizer.add_tokens([AddedToken("<mask>", lstrip=True, special=False)])
    return tokenizer


def without_all_bytes():
    about = json.loads(byte_level().to_str())
    ids = about["model"]["vocab"]
    about["model"]["vocab"] = {token: i for token, i in ids.items() if token != "ó"}
    return about


def that_drops_spaces():
    tokenizer = byte_level()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), tokenizer.pre_tokenizer])
    return tokenizer


def that_takes_whole_words():
    about = json.loads(byte_level(["<|endoftext|>", "<s>"]).to_str())
    about["model"]["ignore_merges"] = True
    about["pre_tokenizer"]["use_regex"] = False
    return about


@pytest.mark.parametrize(
    ("tokenizer", "says"),
    [
        (unigram, "holds a Unigram.*kind sentencepiece"),
        (wordpiece, "holds a WordPiece"),
        (lambda: Tokenizer(models.BPE({"a": 0}, [])), "without ByteLevel and without byte_fallback"),
        (with_suffix, "marks parts of words"),
        (with_greedy_token, "'<mask>' swallows the spaces"),
        (without_all_bytes, "no token for 1 of the bytes"),
        (that_drops_spaces, "bits per byte would be wrong"),
        (that_takes_whole_words, "documents could forge it"),
        (lambda: byte_level(["<pad>"]), r"no token for the end of a text.*added tokens: <pad>"),
        (lambda: {"no": "tokenizer"}, "is no tokenizer.json"),
    ],
)
def test_a_tokenizer_whose_bytes_cannot_be_counted_is_refused_with_the_reason(opened, tokenizer, says):
    with pytest.raises(UnfitTokenizer, match=says):
        opened(tokenizer())


def test_without_the_library_the_error_names_the_extra(monkeypatch, opened):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingLibrary, match=r"antimatter\[tokenizers\]"):
        opened({})
