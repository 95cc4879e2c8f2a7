"""Taking over a tokenizer that exists: the file of params.yaml and no other, its special tokens, its losses told."""

import hashlib
from io import BytesIO

import pytest
import sentencepiece

from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer import existing, gpt2
from antimatter.tokenizer.errors import UnfitTokenizer, WrongTokenizerFile
from antimatter.tokenizer.existing import take
from antimatter.tokenizer.vocabulary import CONTROL
from tests.tokenizer.test_gpt2 import TOKENS, tiny_encoding
from tests.tokenizer.test_huggingface import byte_fallback, byte_level

LINES = [f"the quick brown fox number {n} jumps over the lazy dog" for n in range(60)]
EXACT = {
    "normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True,
    "allow_whitespace_only_pieces": True, "vocab_size": 350,
}  # fmt: skip


def sentencepiece_model(**settings) -> bytes:
    model = BytesIO()
    defaults = {"model_type": "bpe", "vocab_size": 60, "hard_vocab_limit": False, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=model, **{**defaults, **settings}
    )
    return model.getvalue()


def settings(kind, path, content: bytes) -> Tokenizer:
    path.write_bytes(content)
    return Tokenizer(kind=kind, file=str(path), sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def taken(tmp_path):
    """A function that takes over a file of a kind and returns what is known of it."""

    def take_(kind, content: bytes):
        about = take(settings(kind, tmp_path / "theirs", content), tmp_path / "tokenizer", tmp_path / "cache")
        assert (tmp_path / "tokenizer" / about["file"]).read_bytes() == content
        assert len(list((tmp_path / "tokenizer").iterdir())) == 1
        return about

    return take_


def test_a_sentencepiece_model_without_losses_is_taken_without_a_word(taken, capsys):
    about = taken("sentencepiece", sentencepiece_model(**EXACT, pad_id=3))
    assert about == {
        "kind": "sentencepiece",
        "file": "antimatter.model",
        "specials": {"pad": 3, "bos": 1, "eos": 2, "unk": 0},
        "markers": {},
        "lossless": True,
    }
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("model_type", ["bpe", "unigram"])
def test_other_algorithms_and_a_space_put_in_front_are_no_loss(taken, model_type):
    assert taken("sentencepiece", sentencepiece_model(**{**EXACT, "model_type": model_type}, add_dummy_prefix=True))[
        "lossless"
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"remove_extra_whitespaces": True}, r"' two   three\n\n  ' becomes 'two three"),
        ({"normalization_rule_name": "nfkc"}, r"'e\u0301, n\u0303 and \u212b: de' becomes '\xe9, \xf1 and"),
        ({"byte_fallback": False}, r"\u2047"),
        ({"model_type": "char", "byte_fallback": False}, r"\u2047"),
    ],
)
def test_a_sentencepiece_model_that_loses_text_is_taken_with_a_warning(taken, capsys, changes, told):
    about = taken("sentencepiece", sentencepiece_model(**{**EXACT, **changes}))
    assert about["lossless"] is False
    warning = capsys.readouterr().err
    assert warning.startswith("warning: ") and "does not give back every text" in warning and told in warning


def test_the_ids_of_special_tokens_may_lie_anywhere_and_some_may_be_absent(taken):
    model = sentencepiece_model(**EXACT, unk_id=5, eos_id=0, bos_id=-1, pad_id=-1, eos_piece="<end>")
    assert taken("sentencepiece", model)["specials"] == {"eos": 0, "unk": 5}


def test_a_sentencepiece_model_without_an_end_of_text_is_refused(taken):
    with pytest.raises(UnfitTokenizer, match="no token for the end of a text"):
        taken("sentencepiece", sentencepiece_model(**EXACT, eos_id=-1))


def test_chat_markers_are_found_where_all_four_are_control_symbols(taken):
    model = sentencepiece_model(**EXACT, control_symbols=list(CONTROL))
    assert taken("sentencepiece", model)["markers"] == dict(zip(CONTROL, range(3, 7), strict=True))
    three = sentencepiece_model(**EXACT, control_symbols=list(CONTROL[:3]))
    assert taken("sentencepiece", three)["markers"] == {}


def test_markers_that_text_could_forge_are_no_markers(taken):
    model = sentencepiece_model(**EXACT, user_defined_symbols=list(CONTROL))
    assert taken("sentencepiece", model)["markers"] == {}


@pytest.mark.parametrize("content", [b"", b"junk", b"{}"])
def test_a_file_that_is_no_model_is_refused(taken, content):
    with pytest.raises(UnfitTokenizer, match=r"theirs is no SentencePiece model.*tokenizer\.file"):
        taken("sentencepiece", content)


def test_a_tokenizer_json_is_taken_with_its_special_tokens(taken, capsys):
    about = taken("huggingface", byte_level(["<|endoftext|>", "<pad>"]).to_str().encode())
    assert about == {
        "kind": "huggingface",
        "file": "tokenizer.json",
        "specials": {"pad": 1, "bos": 0, "eos": 0},
        "markers": {},
        "lossless": True,
    }
    assert capsys.readouterr().err == ""


def test_a_tokenizer_json_that_normalizes_is_taken_with_a_warning(taken, capsys):
    from tokenizers import normalizers

    tokenizer = byte_level()
    tokenizer.normalizer = normalizers.NFC()
    assert taken("huggingface", tokenizer.to_str().encode())["lossless"] is False
    assert r"'e\u0301, n\u0303 and \u212b: de' becomes '\xe9" in capsys.readouterr().err


def test_a_tokenizer_json_that_puts_a_space_in_front_says_so(taken, capsys):
    assert taken("huggingface", byte_fallback(prefix=True).to_str().encode())["lossless"]
    assert "a byte too many" in capsys.readouterr().err


def test_gpt2_is_taken_from_tiktokens_cache(tmp_path, monkeypatch):
    import tiktoken

    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: tiny_encoding())
    about = take(Tokenizer(kind="gpt2"), tmp_path / "tokenizer", tmp_path / "cache")
    end = len(TOKENS)
    assert about["specials"] == {"bos": end, "eos": end}
    assert (about["kind"], about["file"], about["lossless"]) == ("gpt2", gpt2.FILE, True)
    assert gpt2.Gpt2(tmp_path / "tokenizer" / gpt2.FILE).size == end + 1


@pytest.mark.parametrize("kind", ["sentencepiece", "huggingface"])
def test_another_file_than_params_yaml_names_is_an_error_with_both_digests(tmp_path, kind):
    wanted = settings(kind, tmp_path / "theirs", b"as it was")
    (tmp_path / "theirs").write_bytes(b"edited")
    edited = hashlib.sha256(b"edited").hexdigest()
    with pytest.raises(WrongTokenizerFile, match=rf"{edited}.*{wanted.sha256}.*tokenizer\.sha256"):
        take(wanted, tmp_path / "tokenizer", tmp_path / "cache")
    assert not (tmp_path / "tokenizer").exists()


def test_an_absent_file_is_an_error_that_names_the_parameter(tmp_path):
    wanted = Tokenizer(kind="huggingface", file=str(tmp_path / "theirs"), sha256="0" * 64)
    with pytest.raises(WrongTokenizerFile, match=r"theirs cannot be read.*Correct tokenizer\.file"):
        take(wanted, tmp_path / "tokenizer", tmp_path / "cache")


def test_the_texts_that_are_tried_are_in_utf8_and_differ():
    tried = (*existing.ORDINARY, *existing.RARE)
    assert len({text.encode() for text in tried}) == len(tried)
