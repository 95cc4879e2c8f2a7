"""From the fields of a record (a JSON object, a row) to a draft."""

from collections.abc import Mapping, Sequence
from typing import Any

from antimatter.collect.drafts import Draft, NoTextField

LARGEST_METADATA = 20_000
"""Characters of all metadata of a document. If there are more, fields above a tenth of it are left out, and named."""


def draft_of(fields: Any, origin: str, text_field: str) -> Draft:
    """The draft of a record: the text of its text field, the other scalars as metadata. A null is an empty text.

    Raises: NoTextField if this is no record, or its text field is absent or holds neither a text nor messages.
    """
    if not isinstance(fields, dict) or text_field not in fields:
        raise NoTextField(f"no object with a text in field {text_field!r}{_found(fields)}")
    value = fields.pop(text_field)
    text = value if isinstance(value, str) else text_of(value)
    if text is None:
        raise NoTextField(f"field {text_field!r} holds {type(value).__name__}, not a text or a list of messages")
    return Draft(origin, text, "", scalars(fields) if fields else {})


def _found(fields: Any) -> str:
    return f"; it has {', '.join(sorted(map(str, fields))[:12])}" if isinstance(fields, Mapping) else ""


def text_of(value: Any) -> str | None:
    """The text of a field: a string itself, of a list of messages one a line, of null nothing; None for all else.

    >>> text_of([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}])
    'Hi\\nHello.'
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, Sequence):
        return None
    lines = [_message(message) for message in value]
    return None if None in lines else "\n".join(line for line in lines if line)


def _message(message: Any) -> str | None:
    """{role, content} (OpenAI), {from, value} (ShareGPT), {.., text} (OpenAssistant), or a bare string."""
    if isinstance(message, Mapping):
        message = next((message[name] or "" for name in ("content", "value", "text") if name in message), None)
    return message if isinstance(message, str) else None


def scalars(fields: Mapping[str, Any]) -> dict[str, str]:
    """Texts, numbers and truth values as texts; lists, objects and nulls are left behind."""
    return carried({name: text for name, value in fields.items() if (text := scalar(value)) is not None})


def carried(metadata: dict[str, str]) -> dict[str, str]:
    """The metadata without large fields, if all of it is too large: a page's HTML is no fact about its text."""
    if sum(map(len, metadata.values())) <= LARGEST_METADATA:
        return metadata
    large = sorted(name for name, text in metadata.items() if len(text) > LARGEST_METADATA // 10)
    return {name: text for name, text in metadata.items() if name not in large} | {"left_out": ", ".join(large)}


def scalar(value: Any) -> str | None:
    """A scalar as JSON spells it; None for all else.

    >>> scalar(True), scalar(7), scalar(0.5), scalar([1])
    ('true', '7', '0.5', None)
    """
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else None
