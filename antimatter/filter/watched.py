"""Files of the user's own that filter reads: DVC does not see them, so params.yaml holds their digest."""

import hashlib
from pathlib import Path

from antimatter.errors import AntiMatterError
from antimatter.params.filter import WatchedFile


class WrongFile(AntiMatterError):
    """A file that filter reads is absent, or not the one whose digest params.yaml holds."""


def read(file: WatchedFile, parameter: str) -> bytes:
    """The content of the file that a parameter names.

    Raises: WrongFile naming the parameter, the file and both digests.
    """
    try:
        content = Path(file.path).read_bytes()
    except OSError as error:
        raise WrongFile(
            f"{parameter}: {file.path} cannot be read ({error.strerror}). Correct {parameter}.path."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        raise WrongFile(
            f"{parameter}: {file.path} has sha256 {digest}, params.yaml says {file.sha256}. "
            f"If the file is right, put its digest into {parameter}.sha256."
        )
    return content
