"""Rows of Arrow record batches as drafts: what Parquet and Arrow files have in common."""

import json
from collections.abc import Iterator

import pyarrow as pa

from antimatter.collect import drafts
from antimatter.collect.drafts import FIELD, Broken, Draft, Oversized
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats.fields import carried, scalar, text_of


class NoTextColumn(DamagedStream):
    """The file holds no column of text by the name that the source gives."""


def columns_of(schema: pa.Schema, text_field: str) -> list[str]:
    """The text column, then those whose values can be metadata.

    Raises: NoTextColumn if there is no such column, or if it holds neither text nor lists (of messages).
    """
    if text_field not in schema.names:
        raise NoTextColumn(f"it has no column {text_field!r}; it has {', '.join(schema.names)[:500]}")
    if schema.names.count(text_field) > 1:
        raise NoTextColumn(f"it has {schema.names.count(text_field)} columns {text_field!r}")
    kind = schema.field(text_field).type
    if not (_is_text(kind) or _is_messages(kind)):
        raise NoTextColumn(
            f"its column {text_field!r} is of type {kind}, not text; it has {', '.join(schema.names)[:500]}"
        )
    others = [f.name for f in schema if _is_scalar(f.type) and schema.names.count(f.name) == 1 and f.name != text_field]
    return [text_field, *others]


def drafts_of(
    batch: pa.RecordBatch, text_field: str, origin: str, first: int, separator: str = ":"
) -> Iterator[Draft | Broken | Oversized]:
    """One draft a row, named <origin><separator><first + position>. Raises: UnicodeDecodeError."""
    position = batch.schema.get_field_index(text_field)
    values = batch.column(position)
    texts = (values.cast(pa.large_string()) if _is_text(values.type) else values).to_pylist()
    names = [name for name in batch.schema.names if name != text_field]
    others = [(name, [scalar(value) for value in batch.column(name).to_pylist()]) for name in names]
    for row, text in enumerate(texts):
        place = f"{origin}{separator}{first + row}"
        if isinstance(text, list):
            messages, text = text, text_of(text)
            if text is None:
                data = json.dumps(messages, default=str).encode()
                yield Broken(place, -1, f"column {text_field!r} holds a list that is no messages", data, FIELD)
                continue
        size = len(text) if text else 0
        if size * 4 > drafts.LARGEST_DOCUMENT_BYTES and (size := len(text.encode())) > drafts.LARGEST_DOCUMENT_BYTES:
            yield Oversized(place, size, drafts.LARGEST_DOCUMENT_BYTES)
        else:
            metadata = {name: value for name, values in others if (value := values[row]) is not None}
            yield Draft(place, text or "", "", carried(metadata))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_messages(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(lists and (pa.types.is_struct(kind.value_type) or _is_text(kind.value_type)))


def _is_scalar(kind: pa.DataType) -> bool:
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return bool(numbers or _is_text(kind))
