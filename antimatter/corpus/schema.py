"""The one shape of a document, from collect to the tokenizer.

id              16 bytes: xxh3_128 over length-prefixed source and origin; survives every edit of the text
text            Unicode, no lone surrogates
source          name of the source in params.yaml
origin          where in the source: relative path, then row, byte offset or member[#key]; never absolute
language        ISO 639-1 code, null until filter
language_score  probability of that language in [0, 1], null until filter
metadata        declared extra fields of the source (title, url, ...), strings
"""

import pyarrow as pa
import xxhash

SCHEMA_VERSION = "1"

DOCUMENT = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("language", pa.string()),
        pa.field("language_score", pa.float64()),
        pa.field("metadata", pa.map_(pa.string(), pa.string())),
    ]
)


def falls_below(document_id: bytes, share: float, seed: int) -> bool:
    """True for about `share` of all ids, always for the same ones: a keyed hash of the id decides, nothing else. A
    larger share holds the smaller one; another seed chooses independently."""
    return xxhash.xxh3_64_intdigest(document_id, seed=seed) < int(share * 2**64)


def document_id(source: str, origin: str) -> bytes:
    """16 bytes that name a document by provenance. Length prefixes keep ("ab", "c") apart from ("a", "bc")."""
    digest = xxhash.xxh3_128()
    for part in (source, origin):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.digest()
