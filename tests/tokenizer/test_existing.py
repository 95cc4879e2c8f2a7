"""Taking over a tokenizer that exists: the file of params.yaml and no other, its special tokens, its losses told."""

import hashlib
import json
from io import BytesIO

import numpy as np
import pytest
import sentencepiece

from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer import existing, gpt2
from antimatter.tokenizer.errors import UnfitTokenizer, WrongTokenizerFile
from antimatter.tokenizer.existing import size_of_taken, take
from antimatter.tokenizer.opened import open_tokenizer
from antimatter.tokenizer.publish import publish
from antimatter.tokenizer.vocabulary import CONTROL
from tests.tokenizer.small_models import small_model
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


@pytest.fixture
def published(taken, tmp_path):
    """The same, and returns the tokenizer that the stage makes of it."""

    def publish_(kind, content: bytes):
        about = taken(kind, content)
        return publish(tmp_path / "tokenizer", about["kind"], about["file"], {"lossless": about["lossless"]})

    return publish_


def test_a_sentencepiece_model_without_losses_is_taken_without_a_word(taken, capsys):
    about = taken("sentencepiece", sentencepiece_model(**EXACT, pad_id=3, add_dummy_prefix=False))
    assert about == {"kind": "sentencepiece", "file": "antimatter.model", "lossless": True}
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


def test_the_ids_of_special_tokens_may_lie_anywhere_and_some_may_be_absent(published):
    model = sentencepiece_model(**EXACT, unk_id=5, eos_id=0, bos_id=-1, pad_id=-1, eos_piece="<end>")
    assert published("sentencepiece", model).specials == {"eos": 0, "unk": 5}


def test_a_sentencepiece_model_without_an_end_of_text_is_refused(taken):
    with pytest.raises(UnfitTokenizer, match=r"tokenizer\.file: .*theirs has no token for the end of a text \(eos_id"):
        taken("sentencepiece", sentencepiece_model(**EXACT, eos_id=-1))


def test_chat_markers_are_found_where_all_four_are_control_symbols(published):
    model = sentencepiece_model(**EXACT, control_symbols=list(CONTROL))
    assert published("sentencepiece", model).markers == dict(zip(CONTROL, range(3, 7), strict=True))


@pytest.mark.parametrize("symbols", [{"control_symbols": CONTROL[:3]}, {"user_defined_symbols": CONTROL}])
def test_three_markers_or_markers_that_text_could_forge_are_no_markers(published, symbols):
    listed = {name: list(markers) for name, markers in symbols.items()}
    assert published("sentencepiece", sentencepiece_model(**EXACT, **listed)).markers == {}


@pytest.mark.parametrize("content", [b"", b"junk", b"{}"])
def test_a_file_that_is_no_model_is_refused(taken, content):
    with pytest.raises(UnfitTokenizer, match=r"theirs is no SentencePiece model.*tokenizer\.file"):
        taken("sentencepiece", content)


@pytest.mark.parametrize("content", [b"", b"junk", b"{}", b"[]"])
def test_a_file_that_is_no_tokenizer_json_is_refused(taken, content):
    with pytest.raises(
        UnfitTokenizer, match=r"tokenizer\.file: .*theirs is no tokenizer\.json\. Correct tokenizer\.file"
    ):
        taken("huggingface", content)


def test_a_file_of_the_other_kind_names_the_kind_that_fits(taken):
    with pytest.raises(UnfitTokenizer, match=r"tokenizer\.file: .*set tokenizer\.kind to sentencepiece"):
        taken("huggingface", sentencepiece_model(**EXACT))
    with pytest.raises(UnfitTokenizer, match=r"tokenizer\.file: .*set tokenizer\.kind to huggingface"):
        taken("sentencepiece", byte_level().to_str().encode())


def test_the_size_is_known_once_this_file_is_taken(tmp_path, published):
    content, folder = sentencepiece_model(**EXACT), tmp_path / "tokenizer"
    wanted = settings("sentencepiece", tmp_path / "theirs", content)
    assert size_of_taken(wanted, folder) is None
    tokenizer = published("sentencepiece", content)
    assert size_of_taken(wanted, folder) == tokenizer.size
    another = settings("sentencepiece", tmp_path / "another", sentencepiece_model(**EXACT, pad_id=3))
    assert size_of_taken(another, folder) is None
    assert size_of_taken(Tokenizer(kind="huggingface", file="theirs", sha256=wanted.sha256), folder) is None


def test_a_tokenizer_json_without_losses_is_taken_without_a_word(taken, capsys):
    tokenizer = byte_level(["<|endoftext|>", "<pad>"]).to_str().encode()
    assert taken("huggingface", tokenizer) == {"kind": "huggingface", "file": "tokenizer.json", "lossless": True}
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
    assert about == {"kind": "gpt2", "file": gpt2.FILE, "lossless": True}
    assert gpt2.Gpt2(tmp_path / "tokenizer" / gpt2.FILE).size == len(TOKENS) + 1


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


@pytest.mark.parametrize(
    ("file", "sha256", "says"),
    [
        ("", "", "kind huggingface needs `file`, and `sha256` with what `sha256sum FILE` prints for it"),
        ("a.json", "", "kind huggingface needs `sha256`: the 64 hex digits that `sha256sum a.json` prints"),
        ("a.json", "0" * 63, "kind huggingface needs `sha256`: the 64 hex digits that `sha256sum a.json` prints"),
        ("a.json", "AB" * 32, f"`sha256` is written in lower case: {'ab' * 32}"),
    ],
)
def test_parameters_say_how_to_get_the_digest(file, sha256, says):
    assert list(Tokenizer(kind="huggingface", file=file, sha256=sha256).problems()) == [says]
    assert list(Tokenizer(kind="huggingface", file="a.json", sha256="ab" * 32).problems()) == []


def test_the_texts_that_are_tried_are_in_utf8_and_differ():
    tried = (*existing.ORDINARY, *existing.RARE)
    assert len({text.encode() for text in tried}) == len(tried)


CONTROLS = {"control_symbols": list(CONTROL)}


@pytest.mark.parametrize(
    ("model", "specials", "markers"),
    [
        (EXACT | CONTROLS | {"pad_id": 3}, {"pad": 3, "bos": 1, "eos": 2, "unk": 0}, [4, 5, 6, 7]),
        (EXACT | CONTROLS | {"model_type": "unigram"}, {"bos": 1, "eos": 2, "unk": 0}, [3, 4, 5, 6]),
        (EXACT | CONTROLS | {"unk_id": 5, "eos_id": 0, "bos_id": -1}, {"eos": 0, "unk": 5}, [1, 2, 3, 4]),
        (EXACT | {"control_symbols": list(CONTROL[:3])}, {"bos": 1, "eos": 2, "unk": 0}, []),
        (EXACT | {"user_defined_symbols": list(CONTROL)}, {"bos": 1, "eos": 2, "unk": 0}, []),
        (["[EOS]", *CONTROL], {"eos": 0}, [1, 2, 3, 4]),
        (["<|endoftext|>", "<pad>"], {"pad": 1, "bos": 0, "eos": 0}, []),
    ],
)
def test_what_was_taken_is_published_as_what_the_opened_tokenizer_finds(published, tmp_path, model, specials, markers):
    if isinstance(model, list):
        ours = published("huggingface", byte_level(model).to_str().encode())
    else:
        ours = published("sentencepiece", sentencepiece_model(**model))
    folder = tmp_path / "tokenizer"
    meta, found = json.loads((folder / "meta.json").read_text(encoding="utf-8")), open_tokenizer(folder)
    assert found.kind == ours.kind == meta["kind"] == ("huggingface" if isinstance(model, list) else "sentencepiece")
    assert found.specials == meta["specials"] == specials
    assert found.markers == meta["markers"] == dict(zip(CONTROL, markers, strict=False))
    assert meta["lossless"] is True
    lengths = np.fromfile(folder / "token_bytes.bin", dtype="<u2")
    assert len(lengths) == meta["vocabulary_size"] == found.size
    assert lengths.tolist() == found.token_bytes().tolist()


def test_gpt2_is_published_as_gpt2(tmp_path, monkeypatch):
    import tiktoken

    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: tiny_encoding())
    about = take(Tokenizer(kind="gpt2"), tmp_path / "tokenizer", tmp_path / "cache")
    publish(tmp_path / "tokenizer", about["kind"], about["file"], {"lossless": about["lossless"]})
    found = open_tokenizer(tmp_path / "tokenizer")
    assert (found.kind, found.specials) == ("gpt2", {"bos": len(TOKENS), "eos": len(TOKENS)})
    assert (tmp_path / "tokenizer/token_bytes.bin").stat().st_size == 2 * found.size


def test_a_model_that_begins_every_text_with_a_space_is_warned_about(tmp_path, capsys):
    content = small_model("dummy prefix")
    file = tmp_path / "llama.model"
    file.write_bytes(content)
    settings = Tokenizer(kind="sentencepiece", file=str(file), sha256=hashlib.sha256(content).hexdigest())
    take(settings, tmp_path, tmp_path)
    assert "puts a space in front of each document" in capsys.readouterr().err
