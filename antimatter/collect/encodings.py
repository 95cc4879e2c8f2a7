"""Bytes of unknown encoding to text: what the bytes prove comes before what anybody says of them.

    byte order mark  >  valid UTF-8  >  the declared charset, if it fits  >  detection  >  UnicodeDecodeError

A label means what browsers take it for (WHATWG Encoding): iso-8859-1 is windows-1252, gb2312 is gb18030. Nothing is
decoded with replacement characters: text that no encoding explains, and bytes that are no text, are an error.
"""

import codecs
import re

from resiliparse.parse.encoding import detect_encoding

_BOMS = (  # UTF-32 first: its little-endian mark begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32le"),
    (codecs.BOM_UTF32_BE, "utf-32be"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)

_CODECS = {  # WHATWG name -> Python's codec, where another one is meant than its name says
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
    "windows-874": "cp874",
    "ibm866": "cp866",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    **{f"windows-125{digit}": f"cp125{digit}" for digit in range(9)},
    **{f"utf-{bits}{end}": f"utf-{bits}-{end}" for bits in (16, 32) for end in ("le", "be")},
}
_NAMES = {codec: name for name, codec in _CODECS.items()} | {
    # Python's codec -> WHATWG name: its extension, which is what such a label stands for on real pages
    "ascii": "windows-1252",
    "iso8859-1": "windows-1252",
    "iso8859-9": "windows-1254",
    "iso8859-11": "windows-874",
    "tis-620": "windows-874",
    "shift_jis": "shift_jis",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "euc-kr",
    "euc_jp": "euc-jp",
    "big5": "big5",
    "cp950": "big5",
    "mac-roman": "macintosh",
    "mac-cyrillic": "x-mac-cyrillic",
    "utf-8-sig": "utf-8",
    "utf-16": "utf-16le",
    "utf-32": "utf-32le",
    "iso2022_jp": "iso-2022-jp",
}
_LABELS = {  # known to browsers, not to Python
    "x-sjis": "shift_jis",
    "windows-31j": "shift_jis",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc-jp",
    "ks_c_5601-1987": "euc-kr",
    "windows-949": "euc-kr",
    "big5-hkscs": "big5",
    "x-cp1251": "windows-1251",
    "x-cp1252": "windows-1252",
    "x-cp1250": "windows-1250",
    "dos-874": "windows-874",
    "iso-8859-8-i": "iso-8859-8",
    "logical": "iso-8859-8",
    "x-mac-roman": "macintosh",
    "unicode-1-1-utf-8": "utf-8",
    "unicode": "utf-16le",
    "ucs-2": "utf-16le",
}
_NO_CHARSETS = {
    "idna",
    "punycode",
    "unicode-escape",
    "raw-unicode-escape",
    "rot-13",
    "undefined",
    "utf-7",
    "mbcs",
    "oem",
}
_WINDOWS = {  # the same alphabet with quotes and dashes where ISO 8859 has control characters
    "iso-8859-2": "windows-1250",
    "iso-8859-6": "windows-1256",
    "iso-8859-7": "windows-1253",
    "iso-8859-8": "windows-1255",
    "iso-8859-13": "windows-1257",
}
_C1 = re.compile("[\x80-\x9f]")
# All but white space, backspace (man pages), SO, SI and escape (terminals, ISO 2022), and the DOS mark of an end.
_CONTROL = re.compile("[\x00-\x07\x10-\x19\x1c-\x1f\x7f-\x9f]")
_MOST_CONTROLS = 0.01
_SAMPLE_BYTES = 131_072


def canonical(label: str) -> str | None:
    """The name under which we know the encoding that somebody wrote down; None if it is none.

    >>> canonical("Latin1"), canonical("UTF8"), canonical("cp1251"), canonical("SJIS"), canonical("x-unknown")
    ('windows-1252', 'utf-8', 'windows-1251', 'shift_jis', None)
    """
    label = label.strip().strip("\"'").lower()
    if label in _LABELS:
        return _LABELS[label]
    try:
        name = codecs.lookup(label).name
        "a".encode(name)  # zlib and base64 are codecs too, but none of text: LookupError
    except (LookupError, ValueError):
        return None
    return None if name in _NO_CHARSETS else _NAMES.get(name, name.replace("iso8859", "iso-8859"))


def codec(name: str) -> str:
    """Python's codec for a canonical name."""
    return _CODECS.get(name, name)


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """(text with \\n line ends and without byte order mark, the encoding's canonical name).

    declared  a charset that somebody named: a header, a <meta>. It loses against a byte order mark and valid UTF-8.
    Raises:   UnicodeDecodeError if no encoding explains the bytes, or if they are no text.

    >>> decode(b"caf\\xe9\\r\\n", "latin1"), decode("café".encode(), "latin1")
    (('café\\n', 'windows-1252'), ('café', 'utf-8'))
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return decode_as(data, name), name
    charset = canonical(declared) if declared else None
    said = charset if charset and charset.startswith(("utf-16", "utf-32")) else None
    for guess in (said, _wide(data), _escaped(data)):  # English in these is valid UTF-8 too
        if guess and (found := _as_text(data, guess)):
            return found
    try:
        text = decode_as(data, "utf-8")
        if "\0" not in text or text.count("\0") <= _MOST_CONTROLS * len(text):
            return text, "utf-8"
        first = data.index(0)
        failure = UnicodeDecodeError("utf-8", data, first, first + 1, "too many NUL bytes for a text")
    except UnicodeDecodeError as error:
        failure = error
    if not _is_damaged_utf8(data, failure.start):
        for guess in (charset, _detected(data)):
            if guess and (found := _as_text(data, guess)):
                return found
    raise failure


def decode_named(data: bytes, named: str, declared: str = "") -> tuple[str, str]:
    """(text, encoding): as the user names it, else as `decode` finds. Raises: UnicodeDecodeError."""
    said = canonical(named) if named else None
    return (decode_as(data, said), said) if said else decode(data, declared)


def decode_as(data: bytes, name: str) -> str:
    """The text in an encoding that is known (its canonical name), with \\n line ends and without byte order mark.

    Raises: UnicodeDecodeError.
    """
    text = data.decode(codec(name)).removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def detect(sample: bytes) -> str | None:
    """The canonical name of the encoding of text that begins like this; None if it is no text that we can read.

    The sample may end in the middle of a character. ASCII is utf-8: nothing in it speaks for another encoding.
    """
    if not _wide(sample) and _goes_on(sample, _escaped(sample) or "utf-8"):
        return _escaped(sample) or "utf-8"
    for missing in range(min(4, len(sample) + 1)):  # up to three bytes of the last character
        try:
            return decode(sample[: len(sample) - missing])[1]
        except UnicodeDecodeError:
            continue
    return None


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark, where every fourth character or more is Latin: then one of its two bytes is zero."""
    head = data[:_SAMPLE_BYTES]
    if len(data) % 2 or b"\0" not in head:
        return None
    first, second = head[::2].count(0), head[1::2].count(0)
    if min(first, second) > _MOST_CONTROLS * len(head) or max(first, second) < len(head) / 8:
        return None
    return "utf-16be" if first > second else "utf-16le"


def _escaped(data: bytes) -> str | None:
    """Japanese in seven bits, between escape sequences."""
    return "iso-2022-jp" if b"\x1b$" in data and data.isascii() else None


def _goes_on(sample: bytes, name: str) -> bool:
    """Whether the sample is text of this encoding, apart from a last character that may be cut."""
    try:
        return "\0" not in codecs.getincrementaldecoder(codec(name))().decode(sample)
    except UnicodeDecodeError:
        return False


def _as_text(data: bytes, name: str) -> tuple[str, str] | None:
    """(text, encoding) where the bytes are valid in this encoding and are text in it."""
    try:
        text = decode_as(data, name)
    except UnicodeDecodeError:
        return None
    if name in _WINDOWS and _C1.search(text):
        return _as_text(data, _WINDOWS[name])
    controls = sum(1 for _ in _CONTROL.finditer(text))
    if controls > _MOST_CONTROLS * len(text) or "\0" in text:
        return None
    return text, name


def _is_damaged_utf8(data: bytes, position: int) -> bool:
    """Whether around the first bad byte more characters are whole than broken: in another encoding hardly any are."""
    text = data[max(0, position - _SAMPLE_BYTES) : position + _SAMPLE_BYTES].decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = len(text) - len(text.encode("ascii", "ignore")) - broken
    return whole > broken


def _detected(data: bytes) -> str | None:
    # its own mapping to HTML5 names makes utf-8 of Korean
    label = detect_encoding(data, max_len=_SAMPLE_BYTES, html5_compatible=False)
    return canonical(label) if label else None
