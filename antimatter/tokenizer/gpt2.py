"""GPT-2's encoding by tiktoken: 50,256 tokens of bytes and <|endoftext|>, which begins and ends a document.

gpt2.tiktoken    IQ== 0         base64 of the token's bytes, its rank, which is its id; merges go by rank
                 Ig== 1
                 ...            50256 is the number behind the last: <|endoftext|>
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.shards import atomic_path, require
from antimatter.tokenizer.errors import MissingLibrary, MissingRanks, UnfitTokenizer
from antimatter.tokenizer.interface import Encoded
from antimatter.tokenizer.spelling import Spelling, end_to_end, missing_bytes

FILE = "gpt2.tiktoken"
END_OF_TEXT = "<|endoftext|>"
_CACHE_VARIABLE = "TIKTOKEN_CACHE_DIR"
_ADDRESS = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/"
_FILES = ("vocab.bpe", "encoder.json")


class Gpt2:
    """The tokenizer of a rank file: no padding, no unknown; see interface.Tokenizer for what its members promise."""

    kind = "gpt2"

    def __init__(self, path: Path) -> None:
        """Raises: MissingData for an absent file, UnfitTokenizer for a damaged one; MissingLibrary."""
        tokens = _read_ranks(require(path))
        end = len(tokens)
        self._encoding = _library().Encoding(
            "gpt2",
            pat_str=_pattern(),
            mergeable_ranks={token: rank for rank, token in enumerate(tokens)},
            special_tokens={END_OF_TEXT: end},
        )
        self._spelling = Spelling([*tokens, b""], {end: END_OF_TEXT})
        self.specials = {"bos": end, "eos": end}
        self.markers: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Entries of the vocabulary, the end of text among them."""
        return len(self._spelling)

    def encode_batch(self, texts: pa.Array) -> Encoded:
        """Ids of an array of string or large_string without nulls, on one thread."""
        encode = (
            self._encoding.encode_to_numpy
        )  # with nothing allowed or forbidden it is encode_ordinary, without a list
        return end_to_end([encode(text, disallowed_special=()) for text in texts.to_pylist()])

    def encode(self, text: str) -> list[int]:
        """Ids of one text."""
        return list(self._encoding.encode_ordinary(text))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return self._spelling.text(ids)

    def pieces(self) -> list[str]:
        """For every id what a person reads."""
        return self._spelling.pieces()

    def token_bytes(self) -> NDArray[np.uint16]:
        """[V]: UTF-8 bytes of each id."""
        return self._spelling.token_bytes()

    def byte_tokens(self) -> NDArray[np.bool_]:
        """[V]: ids of a single byte above 127."""
        return self._spelling.byte_tokens()


def fetch(folder: Path, cache: Path) -> Path:
    """Write gpt2.tiktoken into the folder: by tiktoken, which verifies its files in `cache`.

    Files that are absent there are taken from the folder that TIKTOKEN_CACHE_DIR names, else fetched.

    Raises: MissingRanks if they can be had from neither; it says where to put them. MissingLibrary.
    """
    library = _library()
    before = os.environ.get(_CACHE_VARIABLE)
    try:
        if before:
            _copy_absent(Path(before), cache)
        os.environ[_CACHE_VARIABLE] = str(cache)
        encoding = library.get_encoding("gpt2")
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; ValueError is another content than known
        places = "".join(f"\n  {_ADDRESS}{name} as {cache / cached_name(name)}" for name in _FILES)
        raise MissingRanks(
            f"GPT-2's encoding is not in {cache} and could not be fetched ({_cause(error)}). "
            f"Try again with a network, or put its two files in place by hand:{places}"
        ) from error
    finally:
        if before is None:
            os.environ.pop(_CACHE_VARIABLE, None)
        else:
            os.environ[_CACHE_VARIABLE] = before
    tokens = map(encoding.decode_single_token_bytes, range(encoding.eot_token))
    with atomic_path(folder / FILE) as path:
        path.write_bytes(rank_file(tokens))
    return folder / FILE


def _copy_absent(given: Path, cache: Path) -> None:
    """Copy what the cache lacks; in `given` itself tiktoken would remove a file that it finds damaged."""
    for name in map(cached_name, _FILES):
        if (given / name).is_file() and not (cache / name).exists():
            with atomic_path(cache / name) as path:
                path.write_bytes((given / name).read_bytes())


def cached_name(name: str) -> str:
    """How tiktoken calls a file in its cache: the SHA-1 of its address."""
    return hashlib.sha1(f"{_ADDRESS}{name}".encode()).hexdigest()


def rank_file(tokens: Iterable[bytes]) -> bytes:
    """The content of gpt2.tiktoken for tokens in order of their ids."""
    return b"".join(base64.b64encode(token) + f" {rank}\n".encode() for rank, token in enumerate(tokens))


def _read_ranks(path: Path) -> list[bytes]:
    """The tokens in order of their ids."""
    advice = "Run `dvc repro tokenizer` (or python -m stages.tokenizer) to write it anew."
    tokens = []
    for number, line in enumerate(path.read_bytes().splitlines()):
        spelt, _, rank = line.partition(b" ")
        try:
            tokens.append(base64.b64decode(spelt, validate=True))
            if int(rank) != number:
                raise ValueError(f"its rank should be {number}")
        except (binascii.Error, ValueError) as error:
            raise UnfitTokenizer(f"{path}, line {number + 1}: {line[:80]!r} is no token ({error}). {advice}") from error
    twice, missing = len(tokens) - len(set(tokens)), missing_bytes(tokens)
    if twice or missing:
        raise UnfitTokenizer(f"{path} names {twice} tokens twice and lacks {missing} bytes of UTF-8. {advice}")
    return tokens


def _library() -> ModuleType:
    try:
        import tiktoken
    except ImportError as error:
        raise MissingLibrary(
            "GPT-2's encoding needs the package tiktoken, which is not installed. "
            "Run `pip install 'antimatter[tiktoken]'`."
        ) from error
    return tiktoken


def _pattern() -> str:
    """GPT-2's regular expression for words, in the faster form that tiktoken uses."""
    from tiktoken_ext.openai_public import r50k_pat_str  # type: ignore[import-untyped]

    return str(r50k_pat_str)


def _cause(error: BaseException) -> str:
    """In one line what went wrong first: of "no network" the libraries make four errors, one around the other."""
    from requests import ConnectionError, Timeout  # as tiktoken does

    is_network = isinstance(error, ConnectionError | Timeout)
    while error.__context__ is not None:
        error = error.__context__
    said = (getattr(error, "strerror", None) or str(error).strip() or type(error).__name__).splitlines()[0]
    return f"no network: {said}" if is_network else said
