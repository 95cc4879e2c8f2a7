"""How much text a file holds: exactly enough to say how many files of its kind a budget needs."""

from collections import Counter
from pathlib import Path

from antimatter.collect.drafts import Draft
from antimatter.collect.pieces import Piece
from antimatter.collect.reading import identify, read_pieces
from antimatter.params.collect import Source


def text_bytes(path: Path, name: str, source: Source) -> int:
    """UTF-8 bytes of text in the file `name` of a source, read whole."""
    identity = identify(name, source)
    if identity is None:
        return 0
    root = path
    for _ in Path(name).parts:
        root = root.parent
    whole = Piece(name, 0, path.stat().st_size)
    items = read_pieces(root, [whole], source, Counter())
    return sum(len(item.text.encode("utf-8", "replace")) for item in items if isinstance(item, Draft))
