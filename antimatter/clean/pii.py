"""Personal data with a clear form: e-mail and IP addresses, telephone numbers. Precision first: what may be something
else (a version, a date, a private network, an example of a manual) stays.

Every expression is linear: each try is bounded in length, and starts only where a run of its characters starts.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence

from antimatter.clean.edits import Edit

PLACEHOLDERS = {"email": "<EMAIL>", "ipv4": "<IP>", "ipv6": "<IP>", "phone": "<PHONE>"}
"""No placeholder matches a pattern, nor does what is glued to one: so masking twice changes nothing more."""

_FREE = "".join(f"(?<!{placeholder}.)" for placeholder in dict.fromkeys(PLACEHOLDERS.values()))

# RFC 5321: at most 64 characters before the @, 63 a label. ASCII only.
_EMAIL = re.compile(
    rf"[A-Za-z0-9_%+](?<![A-Za-z0-9._%+-].){_FREE}(?:[A-Za-z0-9._%+-]{{0,62}}[A-Za-z0-9_%+-])?"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24})(?![A-Za-z0-9@]|[.-][A-Za-z0-9]|:[~/\w])"
)
# RFC 2606 keeps these for examples; a "top level" that is a file name is a picture at double size (logo@2x.png)
_NOBODYS_DOMAIN = re.compile(
    r"(?:.*\.)?(?:example\.(?:com|net|org)|example|test|invalid|localhost)|.*\.(?:png|jpe?g|gif|svg|webp|css|js|ts|py)",
    re.IGNORECASE,
)
# the lookbehinds come after the first character: an expression that starts with a class is searched much faster
_IPV4 = re.compile(
    rf"[0-9](?<![\w.].)(?<![A-Za-z]-.){_FREE}[0-9]{{0,2}}\.(?:[0-9]{{1,3}}\.){{2}}[0-9]{{1,3}}(?!\w|\.[0-9])"
)
_VERSION_BEFORE = re.compile(
    r"(?:\b(?:version|release|revision|rev|build|update|section|chapter|v)\.?\s?|§\s?)\Z", re.IGNORECASE
)
_SMALL_OCTET = 20  # four octets below are a version or a section (3.10.0.1); of all addresses 4 in 100,000 are such
# 2000::/3 is all that is assigned to the public, so a::b of a program is no candidate
_IPV6 = re.compile(rf"[23](?<![\w:.].){_FREE}[0-9A-Fa-f]{{3}}:[0-9A-Fa-f:]{{1,40}}(?!\w)")
_PHONE = re.compile(
    rf"\+(?<![\w+.].){_FREE}[1-9](?:(?:[ .-]|\)[ .-]?|[ .-]?\()?[0-9]){{6,14}}(?!\w|[.,-][0-9])"  # international
    rf"|[2-9(1](?<![\w+.(-].){_FREE}(?:(?<=1)[ .-](?:[2-9](?=[0-9])|(?=\()\())?"  # North America: 1, then the area code
    r"(?:(?<=\()[2-9][0-9]{2}\) ?[2-9][0-9]{2}[ .-]|(?<=[2-9])[0-9]{2}([.-])[2-9][0-9]{2}\1)[0-9]{4}(?!\w|[.,-][0-9])"
)
_FEWEST_DIGITS = 8  # of 15 that E.164 allows
_UNGROUPED_DIGITS = 10  # +12345678 without any separator is more often a number
_MOST_GROUPS = 7  # more are a row of small numbers


def mask_pii(text: str, kinds: Sequence[str]) -> Edit:
    """The text with placeholders for personal data of these kinds (keys of PLACEHOLDERS).

    Facts: one count for each of the kinds. `characters` are those that were masked.

    >>> mask_pii("write to ann.lee+news@mail.example.co.uk, not to 10.0.0.1", ("email", "ipv4")).text
    'write to <EMAIL>, not to 10.0.0.1'
    """
    counts = dict.fromkeys(kinds, 0)
    masked = 0

    def masker(kind: str, is_personal: Callable[[re.Match[str]], bool]) -> Callable[[re.Match[str]], str]:
        def mask(match: re.Match[str]) -> str:
            nonlocal masked
            found, tail = match.group(), ""
            if kind == "ipv6" and found.endswith(":") and not found.endswith("::"):
                found, tail = found[:-1], ":"  # the colon of the sentence
            if not is_personal(match):
                return match.group()
            counts[kind] += 1
            masked += len(found)
            return PLACEHOLDERS[kind] + tail

        return mask

    for kind, sign, pattern, is_personal in _KINDS:
        if kind in counts and sign in text:
            text = pattern.sub(masker(kind, is_personal), text)
    return Edit(text, masked, counts)


def _is_somebodys_mailbox(match: re.Match[str]) -> bool:
    return ".." not in match.group() and not _NOBODYS_DOMAIN.fullmatch(match.group(1))


def _is_public_ipv4(match: re.Match[str]) -> bool:
    parts = match.group().split(".")
    if any((len(part) > 1 and part[0] == "0") or int(part) > 255 for part in parts):
        return False
    if all(int(part) < _SMALL_OCTET for part in parts):
        return False
    before = match.string[max(0, match.start() - 12) : match.start()]
    address = ipaddress.IPv4Address(match.group())
    return not _VERSION_BEFORE.search(before) and address.is_global and not address.is_multicast


def _is_public_ipv6(match: re.Match[str]) -> bool:
    found = match.group()
    if found.endswith(":") and not found.endswith("::"):
        found = found[:-1]
    try:
        return ipaddress.IPv6Address(found).is_global
    except ipaddress.AddressValueError:
        return False


def _is_phone(match: re.Match[str]) -> bool:
    found = match.group()
    if not found.startswith("+"):
        return True
    groups = re.findall(r"[0-9]+", found)
    fewest = _UNGROUPED_DIGITS if len(groups) == 1 else _FEWEST_DIGITS
    return sum(map(len, groups)) >= fewest and len(groups) <= _MOST_GROUPS


_KINDS: tuple[tuple[str, str, re.Pattern[str], Callable[[re.Match[str]], bool]], ...] = (
    ("email", "@", _EMAIL, _is_somebodys_mailbox),
    ("ipv6", ":", _IPV6, _is_public_ipv6),
    ("ipv4", ".", _IPV4, _is_public_ipv4),
    ("phone", "", _PHONE, _is_phone),
)
