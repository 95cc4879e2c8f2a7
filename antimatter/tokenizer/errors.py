"""What can go wrong with a tokenizer that exists already.

WrongTokenizerFile    it is absent, or not the file that params.yaml pins by sha256
UnfitTokenizer        it cannot be used: its bytes cannot be counted, it has no end of text, it is no tokenizer at all
MissingRanks          GPT-2's encoding cannot be had
MissingLibrary        the optional library that reads it is not installed
"""

from antimatter.errors import AntiMatterError


class WrongTokenizerFile(AntiMatterError):
    """The file of tokenizer.file is absent or not the one whose digest params.yaml holds."""


class UnfitTokenizer(AntiMatterError, ValueError):
    """A tokenizer that we refuse; the message says which property is missing."""


class MissingRanks(AntiMatterError):
    """GPT-2's vocabulary is not in the cache, and could not be fetched."""


class MissingLibrary(AntiMatterError, ImportError):
    """An optional library is not installed; the message names the extra."""
