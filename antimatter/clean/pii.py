"""Personal data with a clear form: e-mail and IP addresses, telephone numbers. Precision first: what may be something
else (a version, a date, an amount, a private network, an example of a manual) stays.

An expression proposes the longest candidate, code decides how much of it is one; no part of a number is ever masked
alone. Every expression is linear: each try is bounded in length, and starts only where a run of its characters starts.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence

from antimatter.clean.edits import Edit

PLACEHOLDERS = {"email": "<EMAIL>", "ipv4": "<IP>", "ipv6": "<IP>", "phone": "<PHONE>"}
"""No placeholder matches a pattern, and what is glued to the end of one stays."""

_FREE = "".join(f"(?<!{placeholder}.)" for placeholder in dict.fromkeys(PLACEHOLDERS.values()))

# RFC 5321: at most 64 characters before the @, 63 a label. ASCII only. Not code: W@x.mean(), host.org:/path
_EMAIL = re.compile(
    rf"[A-Za-z0-9._%+-](?<![A-Za-z0-9._%+-].){_FREE}[A-Za-z0-9._%+-]{{0,127}}+(?<![.-])"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24})"
    r"(?![A-Za-z0-9@(]|[.-][A-Za-z0-9]|:[~/])"
)
_LONGEST_LOCAL_PART = 64
# RFC 2606 keeps these for examples; a "top level" that is a file name is a picture at double size (logo@2x.png); two
# labels of digits are a version (next@13.4.20-canary.beta)
_NOBODYS_DOMAIN = re.compile(
    r"(?:.*\.)?(?:example\.(?:com|net|org)|example|test|invalid|localhost)|.*\.(?:png|jpe?g|gif|svg|webp|css|js|ts|py)"
    r"|[0-9]+\.[0-9]+\..*|[0-9]+\.[0-9]+-.*",
    re.IGNORECASE,
)
_NEXT_SENTENCE = re.compile(r"(?<=[a-z])\.[A-Z][a-z]+\Z")  # john@doe.com.Next sentence
# the lookbehinds come after the first character: an expression that starts with a class is searched much faster.
# One dot before is a longer number, two are a range; a letter after is a suffix of a version or a file (1.2.3.45.tar)
_IPV4 = re.compile(
    rf"[0-9](?<!\w.)(?<!(?<!\.)\..)(?<![A-Za-z]-.){_FREE}[0-9]{{0,2}}\.(?:[0-9]{{1,3}}\.){{2}}[0-9]{{1,3}}"
    r"(?!\w|\.[0-9a-z]|-[A-Za-z])"
)
_VERSION_BEFORE = re.compile(
    r"(?:version|(?<![a-z])(?:release|revision|rev|build|update|v))[.:=]?[\s(\"']{0,3}\Z"
    r"|(?<![a-z])(?:sections?|chapter|fig(?:ure)?|table|eq(?:uation)?|oid|linux|kernel|windows|android|ios|java|python"
    r"|chrom(?:e|ium)|firefox|safari|edge|opera)\.?[\s/]?\Z"
    r"|[=<>~!]=\s?\Z|[a-z]/\Z|§\s?\Z",
    re.IGNORECASE,
)
_LONGEST_BEFORE = 16  # characters that _VERSION_BEFORE may look at
_SMALL_OCTET = 20  # four octets below are a version or a section (3.10.0.1); of all addresses 4 in 100,000 are such
# 2000::/3 is all that is assigned to the public, so a::b of a program is no candidate
_IPV6 = re.compile(rf"[23](?<![\w:.].){_FREE}[0-9A-Fa-f]{{3}}:[0-9A-Fa-f:]{{1,40}}(?!\w)")

_HYPHENS = "\\-\u2010\u2011"
_BETWEEN = f"[ .{_HYPHENS}]"
_CONTINUES = re.compile(rf"\w|[.{_HYPHENS}][0-9]")  # a comma continues no number of a form that is masked here
_EXTENSION = re.compile(r",? ?(?:x|ext\.?|extension) ?[0-9]{1,6}(?![0-9])", re.IGNORECASE)
_INTERNATIONAL = re.compile(rf"\+(?<![\w+.].){_FREE}[1-9](?:(?:{_BETWEEN}|\){_BETWEEN}?|{_BETWEEN}?\()?[0-9]){{6,40}}+")
_GROUP = re.compile(r"([^0-9]*)([0-9]+)")
_NORTH_AMERICAN = re.compile(
    rf"[2-9(1](?<![\w+.{_HYPHENS}].){_FREE}(?:(?<=1){_BETWEEN}(?:[2-9](?=[0-9])|(?=\()\())?"  # 1, then the area code
    rf"(?:(?<=\()[2-9][0-9]{{2}}\){_BETWEEN}?[2-9][0-9]{{2}}{_BETWEEN}"
    rf"|(?<=[2-9])[0-9]{{2}}([.{_HYPHENS}])[2-9][0-9]{{2}}\1)[0-9]{{4}}"
)
_FEWEST_DIGITS, _MOST_DIGITS = 8, 15  # E.164
_UNGROUPED_DIGITS = 10  # +12345678 without a country code set off is more often a number
_NO_NEW_GROUP = 12  # digits after which a group is no longer part of the number
_NORTH_AMERICAN_DIGITS = 11  # with the 1
_MOST_GROUPS = 7  # more are a row of small numbers

_Extent = tuple[int, int] | None


def mask_pii(text: str, kinds: Sequence[str]) -> Edit:
    """The text with placeholders for personal data of these kinds (keys of PLACEHOLDERS).

    Repeated until nothing more is found, because a placeholder may set free what stood before it: so masking a masked
    text changes nothing. A left neighbour never sets free (see PLACEHOLDERS), which keeps the repetitions few.

    Facts: one count for each of the kinds. `characters` are those that were masked.

    >>> mask_pii("write to ann.lee+news@mail.example.co.uk, not to 10.0.0.1", ("email", "ipv4")).text
    'write to <EMAIL>, not to 10.0.0.1'
    """
    counts = dict.fromkeys(kinds, 0)
    masked, before = 0, -1
    while masked > before:
        before = masked
        for kind, sign, pattern, extent in _KINDS:
            if kind in counts and sign in text:
                text, number, characters = _mask(text, PLACEHOLDERS[kind], pattern, extent)
                counts[kind] += number
                masked += characters
    return Edit(text, masked, counts)


def _mask(
    text: str, placeholder: str, pattern: re.Pattern[str], extent: Callable[[re.Match[str]], _Extent]
) -> tuple[str, int, int]:
    """The text, how many were masked, and their characters."""
    pieces: list[str] = []
    position = number = characters = 0
    match = pattern.search(text)
    while match:
        found = extent(match)
        if found:
            start, end = found
            pieces += [text[position:start], placeholder]
            position = end
            number += 1
            characters += end - start
        match = pattern.search(text, found[1] if found else match.end())
    return "".join([*pieces, text[position:]]) if pieces else text, number, characters


def _mailbox(match: re.Match[str]) -> _Extent:
    local, domain = match.group()[: -len(match.group(1)) - 1], match.group(1)
    local = local.rpartition("...")[2].lstrip(".-")  # an ellipsis or a dash, then the address
    if not 1 <= len(local) <= _LONGEST_LOCAL_PART or ".." in local:
        return None
    end = match.end()
    sentence = _NEXT_SENTENCE.search(domain)
    if sentence and "." in domain[: sentence.start()]:
        end, domain = match.start(1) + sentence.start(), domain[: sentence.start()]
    if _NOBODYS_DOMAIN.fullmatch(domain) or (local == "git" and match.string.startswith(":", end)):
        return None
    return match.start(1) - 1 - len(local), end


def _public_ipv4(match: re.Match[str]) -> _Extent:
    parts = match.group().split(".")
    if any((len(part) > 1 and part[0] == "0") or int(part) > 255 for part in parts):
        return None
    if all(int(part) < _SMALL_OCTET for part in parts):
        return None
    before = match.string[max(0, match.start() - _LONGEST_BEFORE) : match.start()]
    address = ipaddress.IPv4Address(match.group())
    if _VERSION_BEFORE.search(before) or not address.is_global or address.is_multicast:
        return None
    return match.span()


def _public_ipv6(match: re.Match[str]) -> _Extent:
    found = match.group()
    if found.endswith(":") and not found.endswith("::"):
        found = found[:-1]  # the colon of the sentence
    try:
        return (match.start(), match.start() + len(found)) if ipaddress.IPv6Address(found).is_global else None
    except ipaddress.AddressValueError:
        return None


def _north_american(match: re.Match[str]) -> _Extent:
    return _ended(match.string, match.start(), match.end())


def _international(match: re.Match[str]) -> _Extent:
    """The groups of digits that make one number: none begins after _NO_NEW_GROUP digits, none is a single digit but
    one after the country code or "(0)", and brackets stand near the start. A number of North America has 11 digits.
    """
    text, start = match.string, match.start()
    most = _NORTH_AMERICAN_DIGITS if match.group()[1] == "1" else _NO_NEW_GROUP
    groups: list[str] = []
    separators: set[str] = set()
    size, end, is_open = 0, start, False
    for group in _GROUP.finditer(match.group()):
        separator, digits = group.groups()
        if groups:
            if size >= most or (len(groups) > 1 and len(digits) == 1 and ")" not in separator):
                break
            if ")" in separator:
                if not is_open and (len(groups) > 1 or text[start - 1 : start] != "("):
                    break
                start -= not is_open
                is_open = False
            if "(" in separator:
                if len(groups) > 2:
                    break
                is_open = True
            separators.add(separator)
        groups.append(digits)
        size += len(digits)
        end = match.start() + group.end()
    if is_open or not _is_international(groups, separators):
        return None
    return _ended(text, start, end)


def _is_international(groups: list[str], separators: set[str]) -> bool:
    digits, later = "".join(groups), groups[1:]
    if digits[0] == "1" and not (len(digits) == _NORTH_AMERICAN_DIGITS and digits[1] >= "2" and digits[4] >= "2"):
        return False
    fewest = _FEWEST_DIGITS if len(groups[0]) <= 3 else _UNGROUPED_DIGITS  # +2023-10-05 is a date
    if not fewest <= len(digits) <= _MOST_DIGITS or len(groups) > _MOST_GROUPS:
        return False
    if "." in separators and (len(groups) == 2 or len(separators) > 1):
        return False  # a decimal point: +3.14159265, +48.85661 2.35222
    if later and all(len(group) == 3 for group in later) and (len(later) < 3 or later[-1] == "000"):
        return False  # thousands: +25 000 000
    return not digits.endswith("00000")


def _ended(text: str, start: int, end: int) -> _Extent:
    """The span with its extension; None if the number goes on."""
    extension = _EXTENSION.match(text, end)
    if extension:
        end = extension.end()
    return None if _CONTINUES.match(text, end) else (start, end)


_KINDS: tuple[tuple[str, str, re.Pattern[str], Callable[[re.Match[str]], _Extent]], ...] = (
    ("email", "@", _EMAIL, _mailbox),
    ("ipv6", ":", _IPV6, _public_ipv6),
    ("ipv4", ".", _IPV4, _public_ipv4),
    ("phone", "+", _INTERNATIONAL, _international),
    ("phone", "", _NORTH_AMERICAN, _north_american),
)
