"""Codes of languages: one for each, whichever detector says it: ISO 639-1 where there is one, else ISO 639-3."""

from typing import Literal

Name = Literal["cascade", "fasttext", "langdetect", "py3langid"]

STANDARD = {
    "als": "gsw",  # lid.176 learned it from the Alemannic Wikipedia; in ISO 639-3 als is Tosk Albanian
    "bh": "bho",  # a group of languages, withdrawn from 639-1; the Wikipedia of that name is Bhojpuri
    "eml": "egl",  # withdrawn in 2009: Emilian egl, Romagnol rgn
    "fil": "tl",
    "gug": "gn",  # Paraguayan Guarani, the standard form of gn
    "in": "id",  # as Java writes it, like iw and ji
    "iw": "he",
    "ji": "yi",
    "kik": "ki",
    "nah": "nci",  # a group of languages; the nearest single one is Classical Nahuatl
    "nb": "no",  # no of every detector is Bokmål (lid.176: no.wikipedia.org); Nynorsk has nn
    "sh": "hbs",  # Serbo-Croatian, withdrawn from 639-1
    "uzs": "uz",  # Southern Uzbek, under the macrolanguage uz
    "zh-cn": "zh",
    "zh-tw": "zh",
}
"""What detectors say -> what we say; every other code stays as it is."""

NO_LANGUAGE = "zxx"
"""What py3langid says of digits and the like (ISO 639-2: no linguistic content): undetermined, to us."""

_FASTTEXT = (
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de "
    "diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo "
    "io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms "
    "mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn "
    "sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf "
    "yi yo yue zh"
)
_LANGDETECT = (
    "af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr ne nl no pa pl pt ro "
    "ru sk sl so sq sv sw ta te th tl tr uk ur vi zh-cn zh-tw"
)
_PY3LANGID = (
    "ace af am an ar ary arz as az ba bcl be bg bn br bs ca crh cs cy da de dz el en eo es et eu ext fa fi fo fr fuv "
    "fy ga gcf gcr gd gl gom grc gu gug guw ha hbo he hi hr ht hu hy id ig is it ja jv ka kab kik kk km kn ko ku ky la "
    "lb lg lij ln lo lt ltg lv mg mk ml mn mr ms mt my ne nl nn no nso oc om or pa pcm pl ps pt qu ro ru rw sa sdh se "
    "si sk sl sn so sq sr st sv sw ta te tg th tk tl tr tt ug uk ur uz uzs vec vi vo wa wuu xh yo yue zh zu zxx"
)
LABELS: dict[Name, tuple[str, ...]] = {
    "fasttext": tuple(_FASTTEXT.split()),
    "langdetect": tuple(_LANGDETECT.split()),
    "py3langid": tuple(_PY3LANGID.split()),
    "cascade": (*_FASTTEXT.split(), *_LANGDETECT.split()),
}
"""What each detector may say, in its own codes: written down, so that no model is read to check a parameter."""


def standard(label: str) -> str | None:
    """Our code for a detector's label; None for NO_LANGUAGE.

    >>> standard("zh-cn"), standard("nb"), standard("en"), standard("zxx")
    ('zh', 'no', 'en', None)
    """
    return None if label == NO_LANGUAGE else STANDARD.get(label, label)


def known_languages(detector: Name = "cascade") -> list[str]:
    """The codes that a detector can return, sorted. Reads no model."""
    return sorted({code for label in LABELS[detector] if (code := standard(label)) is not None})
