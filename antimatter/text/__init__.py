"""What a text is made of: characters and words, found by kernels on Arrow's buffers; later subjects share it.

numba keeps compiled kernels beside the code and compiles one anew when its own file changes, but not when a kernel that
it calls in another file does: results would come from old code. So the folder is named after all code of kernels.
"""

from pathlib import Path

import xxhash
from numba import config

_PACKAGE = Path(__file__).parents[1]
_ROOMS = ("text", "filter", "dedup", "tokenizer", "tokens")


def kernel_folder(package: Path = _PACKAGE) -> Path:
    """Where compiled kernels lie: below NUMBA_CACHE_DIR, or beside the code."""
    digest = xxhash.xxh3_64()
    for room in _ROOMS:
        for path in sorted((package / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return Path(_CHOSEN or package / "__pycache__") / f"kernels-{digest.hexdigest()}"


_CHOSEN: str = vars(config)["CACHE_DIR"]
vars(config)["CACHE_DIR"] = str(kernel_folder())
