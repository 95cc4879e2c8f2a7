"""What can go wrong with a source.

SourceError
  MissingSource      it cannot be had: skipped or not, as collect.on_missing says
  WrongDigest        it is not the file that params.yaml pins: never skipped
  DamagedArchive     it cannot be read, or holds what we refuse to read
  NoDocuments        nothing is left of all sources
  TooMuchRejected    more of a source than collect.max_rejected_share could not be read
DamagedStream        bytes that end too early or grow without measure: one file's loss, told in the ledger
"""

from antimatter.errors import AntiMatterError


class SourceError(AntiMatterError):
    """A source cannot be collected; the message names it."""


class MissingSource(SourceError):
    """A file or folder cannot be had. `cause` says why in a few words that are equal on every machine."""

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message, cause)
        self.cause = cause

    def __str__(self) -> str:
        return str(self.args[0])


class WrongDigest(SourceError):
    """A file is not the one that params.yaml pins by sha256."""


class DamagedArchive(SourceError):
    """An archive is corrupt, or holds links, unsafe names or too much."""


class NoDocuments(SourceError):
    """All sources together gave no document."""


class TooMuchRejected(SourceError):
    """Bad input beyond what the settings allow; the message tells sources, causes and where the bytes lie."""


class DamagedStream(ValueError):
    """A compressed file or a member cannot be read to its end: truncated, corrupt, or absurdly large for its size."""
