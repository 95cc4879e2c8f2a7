"""A tokenizer.json of Hugging Face as it is: BPE on bytes, or BPE on characters with byte fallback.

    GPT-2, Llama 3, Qwen    ByteLevel: every byte is a letter of an alphabet of 256; "Ġ" is the space
    Llama 2, Gemma          byte_fallback: "▁" is the space; a character without a piece becomes <0xE2> <0x82> <0xAC>

In both every id stands for bytes of its own, so a text's bytes can be counted token by token, which bits per byte and
the accounts of a corpus rest on. WordPiece, WordLevel and BPE without bytes turn what they do not know into [UNK], and
a Unigram reads its special tokens from text (they are pieces to it): these are refused.

Left aside is what a file says about frames, padding, truncation and dropout: frames are put in by id, documents are
never cut here, and the ids of a text are always the same. Texts are encoded one at a time, because encode_batch of the
library starts a pool of threads that ends badly where a process forks; so no variable of the environment is needed.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.shards import require
from antimatter.tokenizer.errors import MissingLibrary, UnfitTokenizer
from antimatter.tokenizer.interface import Encoded
from antimatter.tokenizer.spelling import Spelling, end_to_end, missing_bytes
from antimatter.tokenizer.vocabulary import CONTROL

NAMES = {
    "pad": ("[PAD]", "<pad>", "<|pad|>", "<|padding|>", "<｜▁pad▁｜>"),
    "bos": ("[BOS]", "<s>", "<bos>", "<|startoftext|>", "<|begin_of_text|>", "<|bos|>", "<｜begin▁of▁sentence｜>"),
    "eos": ("[EOS]", "</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>", "<|eos|>", "<｜end▁of▁sentence｜>"),
    "unk": ("[UNK]", "<unk>", "<|unk|>"),
}
"""The names of special tokens by role; of several in a file the first here has the role. A file with <|endoftext|> and
no beginning of text uses it for both, as GPT-2 does."""

ORDINARY = (
    "The Cat sat on 3.5 mats, didn't it? 12 * 7 = 84!",
    "one  two   three\n\n    indented\n\ttab\nend\n",
    "Größe, Œuvre, Жук, Ωmega, 漢字かな, 한국어, مرحبا, नमस्ते, 👩‍👩‍👧",
)
"""Texts whose bytes must add up: capitals, numbers, white space, scripts."""

_BYTE_TOKEN = re.compile("<0x[0-9A-F]{2}>")


class HuggingFace:
    """The tokenizer of a tokenizer.json; see interface.Tokenizer for what its members promise."""

    kind = "huggingface"

    def __init__(self, path: Path) -> None:
        """Raises: MissingData for an absent file; UnfitTokenizer if it holds no tokenizer, or one that is refused;
        MissingLibrary."""
        name = str(path)
        self._tokenizer, about = _load(require(path).read_bytes(), name)
        added = self._tokenizer.get_added_tokens_decoder()
        stands_for, special, names = _read_vocabulary(self._tokenizer, about, name)
        self._spelling = Spelling(stands_for, names)
        self.specials = _roles({token.content: i for i, token in added.items()}, name)
        markers = {token.content: i for i, token in added.items() if token.content in CONTROL}
        self.markers = {marker: markers[marker] for marker in CONTROL} if len(markers) == len(CONTROL) else {}
        self.adds_space = self._spelling.text(self.encode("a")) == " a"
        """A space is put in front of each text: its byte is counted though no text holds it."""
        self._require_deaf_to_names(special, names, name)
        self._require_exact_bytes(name)

    @property
    def size(self) -> int:
        """Entries of the vocabulary: one more than the largest id."""
        return len(self._spelling)

    def encode_batch(self, texts: pa.Array) -> Encoded:
        """Ids of an array of string or large_string without nulls, on one thread."""
        return end_to_end([np.array(self.encode(text), dtype=np.uint32) for text in texts.to_pylist()])

    def encode(self, text: str) -> list[int]:
        """Ids of one text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without the space that `adds_space` tells of."""
        text = self._spelling.text(ids)
        return text.removeprefix(" ") if self.adds_space else text

    def pieces(self) -> list[str]:
        """For every id what a person reads; "" for numbers that no entry has."""
        return self._spelling.pieces()

    def token_bytes(self) -> NDArray[np.uint16]:
        """[V]: UTF-8 bytes of each id. Their sum is a text's bytes, and one more where `adds_space`."""
        return self._spelling.token_bytes()

    def byte_tokens(self) -> NDArray[np.bool_]:
        """[V]: ids of a single byte: <0x00> to <0xFF>, or bytes above 127 where the alphabet is bytes."""
        return self._spelling.byte_tokens()

    def _require_deaf_to_names(self, special: frozenset[int], names: dict[int, str], name: str) -> None:
        for i, content in sorted(names.items()):
            found = self.encode(content)
            if not special.isdisjoint(found) or found == [i]:
                raise UnfitTokenizer(
                    f"{name} reads {content!r} in a text as the token of this name: documents could forge it. "
                    'Write "special": true for it in added_tokens, or take another tokenizer.'
                )

    def _require_exact_bytes(self, name: str) -> None:
        lengths = self.token_bytes()
        for text in ORDINARY:
            counted, expected = int(lengths[self.encode(text)].sum()), len(text.encode()) + self.adds_space
            if counted != expected:
                raise UnfitTokenizer(
                    f"{name} turns {text!r}, {expected} bytes, into tokens of {counted} bytes: it adds or leaves out "
                    "characters of ordinary text, so bits per byte would be wrong. Take another tokenizer."
                )


def _library() -> ModuleType:
    try:
        import tokenizers
    except ImportError as error:
        raise MissingLibrary(
            "A tokenizer.json needs the package tokenizers, which is not installed. "
            "Run `pip install 'antimatter[tokenizers]'`."
        ) from error
    return tokenizers


def _load(file: bytes, name: str) -> tuple[Any, dict[str, Any]]:
    """The library's object, and its file in the form in which this version of the library writes it."""
    tokenizers = _library()
    try:
        about = json.loads(tokenizers.Tokenizer.from_str(file.decode("utf-8")).to_str())
    except Exception as error:  # the library raises nothing narrower
        raise UnfitTokenizer(
            f"{name} is no tokenizer.json that tokenizers {tokenizers.__version__} can read ({error}). Is it whole?"
        ) from error
    model = about["model"]
    if model["type"] != "BPE":
        advice = "Take another tokenizer."
        if model["type"] == "Unigram":
            advice = "Take the SentencePiece model that it comes from, with tokenizer.kind sentencepiece."
        raise UnfitTokenizer(
            f"{name} holds a {model['type']}: only BPE on bytes or with byte fallback spells every text, and reads no "
            f"special tokens from it. {advice}"
        )
    if not _is_byte_level(about) and not model["byte_fallback"]:
        raise UnfitTokenizer(
            f"{name} holds a BPE without ByteLevel and without byte_fallback: unknown characters would be lost, and "
            "bits per byte would be wrong. Take another tokenizer."
        )
    if model["continuing_subword_prefix"] or model["end_of_word_suffix"]:
        raise UnfitTokenizer(
            f"{name} marks parts of words ({model['continuing_subword_prefix'] or model['end_of_word_suffix']!r}): its "
            "tokens do not say where spaces were, and bits per byte would be wrong. Take another tokenizer."
        )
    about.update(truncation=None, padding=None, post_processor=None)
    model["dropout"] = None
    known = {*CONTROL, *(content for contents in NAMES.values() for content in contents)}
    for token in about["added_tokens"]:
        token["special"] = token["special"] or token["content"] in known
        if not token["special"] and (token["lstrip"] or token["rstrip"]):
            raise UnfitTokenizer(
                f"{name}: the added token {token['content']!r} swallows the spaces beside it (lstrip, rstrip), so "
                "bytes would be lost. Take another tokenizer."
            )
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(about))
    tokenizer.encode_special_tokens = True  # their names in a text are text
    return tokenizer, about


def _read_vocabulary(
    tokenizer: Any, about: dict[str, Any], name: str
) -> tuple[list[bytes], frozenset[int], dict[int, str]]:
    """What each id stands for, the special ids, and the names of these and of byte tokens."""
    added = tokenizer.get_added_tokens_decoder()
    vocabulary = {i: token for token, i in sorted(tokenizer.get_vocab(with_added_tokens=False).items())}
    vocabulary |= {i: token.content for i, token in added.items()}  # where both have an id, the added one is meant
    byte_level = _is_byte_level(about)
    alphabet, space = byte_alphabet(), _space(about)
    stands_for = [b""] * (max(vocabulary, default=-1) + 1)
    special, names = set(), {}
    for i, token in vocabulary.items():
        if not byte_level and _BYTE_TOKEN.fullmatch(token):
            stands_for[i], names[i] = bytes([int(token[3:5], 16)]), token
        elif (i in added and added[i].special) or token == about["model"]["unk_token"]:
            special.add(i)
            names[i] = token
        elif not byte_level:
            stands_for[i] = (token.replace(space, " ") if space else token).encode()
        elif i in added or not alphabet.keys() >= set(token):  # found in the text itself, not in its bytes
            stands_for[i] = token.encode()
        else:
            stands_for[i] = bytes(alphabet[letter] for letter in token)
    missing = missing_bytes(stands_for)
    if missing:
        raise UnfitTokenizer(
            f"{name} has no token for {missing} of the bytes of UTF-8: texts that hold them could not be spelt. "
            "Train it with the whole alphabet (initial_alphabet, or <0x00> to <0xFF>), or take another."
        )
    return stands_for, frozenset(special), names


def byte_alphabet() -> dict[str, int]:
    """GPT-2's letters for bytes: printable Latin-1 characters stand for themselves, the n-th other byte is 256 + n.

    >>> byte_alphabet()["A"], byte_alphabet()["Ġ"]
    (65, 32)
    """
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = sorted({*range(256)} - {*shown})
    return {chr(byte): byte for byte in shown} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


def _is_byte_level(about: dict[str, Any]) -> bool:
    return any(part["type"] == "ByteLevel" for key in ("pre_tokenizer", "normalizer") for part in _parts(about[key]))


def _space(about: dict[str, Any]) -> str:
    """What the decoder turns into a space, or ""."""
    for part in _parts(about["decoder"]):
        if part["type"] == "Metaspace":
            return str(part["replacement"])
        if part["type"] == "Replace" and part["content"] == " " and "String" in part["pattern"]:
            return str(part["pattern"]["String"])
    return ""


def _parts(component: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The component, or what its Sequence consists of."""
    if component is None:
        return
    nested = next((component[key] for key in ("normalizers", "pretokenizers", "decoders") if key in component), None)
    if nested is None:
        yield component
    for part in nested or ():
        yield from _parts(part)


def _roles(ids: dict[str, int], name: str) -> dict[str, int]:
    """Ids by role of the added tokens whose names we know."""
    roles = {}
    for role, contents in NAMES.items():
        found = [ids[content] for content in contents if content in ids]
        roles.update({role: found[0]} if found else {})
    if "eos" not in roles:
        present = ", ".join(sorted(ids, key=ids.__getitem__)[:8]) or "none"
        raise UnfitTokenizer(
            f"{name} has no token for the end of a text, one of {' '.join(NAMES['eos'])} (added tokens: {present}). "
            "Add one to it, or take another."
        )
    if "bos" not in roles and roles["eos"] == ids.get("<|endoftext|>"):
        roles["bos"] = roles["eos"]
    return {role: roles[role] for role in NAMES if role in roles}
