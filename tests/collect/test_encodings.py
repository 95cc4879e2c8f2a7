"""What the bytes prove comes before what anybody says of them; what no encoding explains is an error."""

import random

import pytest

from antimatter.collect.encodings import canonical, decode, decode_as, detect

TEXTS = {  # Universal Declaration of Human Rights, article 1, and sentences of our own
    "windows-1252": "L’été dernier, nous sommes allés à la mer près de Saint-Malo ; les enfants étaient ravis.",
    "iso-8859-2": "Są oni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa.",
    "windows-1250": "Příliš žluťoučký kůň úpěl ďábelské ódy, zatímco hospodář zavíral vrata stodoly.",
    "windows-1251": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "koi8-r": "Вчера мы ходили в музей, а потом долго гуляли по набережной и говорили о старых книгах.",
    "windows-1253": "Χθες πήγαμε στη νέα βιβλιοθήκη και είδαμε πολλές παλιές φωτογραφίες της πόλης.",
    "windows-1254": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "windows-1255": "אתמול הלכנו לספרייה החדשה וראינו הרבה תמונות ישנות של העיר.",
    "windows-1256": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
    "shift_jis": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "euc-jp": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "iso-2022-jp": "昨日は友達と一緒に新しい図書館へ行って、古い写真集をたくさん見ました。",
    "gb18030": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "big5": "昨天我們去了新的圖書館，看了很多舊照片，然後在河邊散步。",
    "euc-kr": "어제 우리는 새로운 도서관에 가서 오래된 사진을 많이 보았습니다.",
}
PYTHON = {"shift_jis": "cp932", "euc-kr": "cp949", **{f"windows-125{n}": f"cp125{n}" for n in range(9)}}
each = pytest.mark.parametrize("name", TEXTS)


def encoded(name):
    return TEXTS[name].encode(PYTHON.get(name, name))


@each
def test_a_legacy_encoding_is_detected_in_one_sentence(name):
    assert decode(encoded(name))[0] == TEXTS[name]


@each
def test_a_declared_encoding_is_believed(name):
    assert decode(encoded(name), declared=name) == (TEXTS[name], name)


@each
def test_valid_utf8_contradicts_what_is_declared(name):
    assert decode(TEXTS[name].encode(), declared=name) == (TEXTS[name], "utf-8")


@each
def test_a_sample_may_end_in_the_middle_of_a_character(name):
    for data in (encoded(name), TEXTS[name].encode()):
        found = detect(data)
        assert found and decode_as(data, found) == TEXTS[name]
        assert {detect(data[:-missing]) for missing in (1, 2)} == {found}


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_and_goes(name):
    text, found = decode("Zürich\r\n東京\r\n".encode(name), declared="latin1")
    assert text == "Zürich\n東京\n" and found.startswith(name[:5])


@pytest.mark.parametrize(("name", "declared"), [("utf-16-le", ""), ("utf-16-be", ""), ("utf-16-be", "utf-16be")])
def test_utf16_without_a_mark_is_known_by_its_zeros(name, declared):
    assert decode("One line,\nand Zürich.\n".encode(name), declared)[0] == "One line,\nand Zürich.\n"


@pytest.mark.parametrize("name", ["utf-16-le", "utf-32-be"])
def test_declared_utf16_is_believed_without_a_mark(name):
    assert decode("東京は晴れです".encode(name), declared=name)[0] == "東京は晴れです"


def test_ascii_is_utf8_whatever_is_declared_and_lines_end_alike():
    assert decode(b"a\r\nb\rc\n", declared="koi8-r") == ("a\nb\nc\n", "utf-8")
    assert decode(b"") == ("", "utf-8")
    assert detect(b"") == "utf-8"


@pytest.mark.parametrize("label", ["latin1", "ISO-8859-1", "us-ascii", '"iso8859-1"', " windows-1252 "])
def test_latin_1_means_windows_1252(label):
    assert decode(b"\x93caf\xe9\x94", declared=label) == ("“café”", "windows-1252")


def test_a_declaration_that_does_not_fit_or_is_unknown_gives_way_to_detection():
    for declared in ("shift_jis", "x-unknown", "utf-8", "zlib"):
        assert decode(encoded("windows-1252"), declared)[0] == TEXTS["windows-1252"]


@pytest.mark.parametrize("position", [0, 30, 60])
def test_damaged_utf8_is_an_error_and_not_taken_for_another_encoding(position):
    text = "Größe, Übung, Straße, Mädchen und Gemüse auf dem Küchentisch der Großmutter".encode()
    data = text[:position] + b"\xff" + text[position:]
    for declared in ("", "utf-8", "latin1"):
        with pytest.raises(UnicodeDecodeError):
            decode(data, declared)


DRAW = random.Random(1)
BINARY = {
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\2\0\0\0" + DRAW.randbytes(300),
    "noise": DRAW.randbytes(5000),
    "short noise": DRAW.randbytes(60),
    "noise without zeros": DRAW.randbytes(5000).replace(b"\0", b"\1"),
    "zeros": bytes(1000),
    "padded": b"a.txt" + bytes(95),
    "numbers": b"".join(n.to_bytes(4, "little") for n in range(1000)),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("declared", ["", "latin1", "koi8-r", "gb18030"])
def test_what_is_no_text_is_not_decoded(name, declared):
    with pytest.raises(UnicodeDecodeError):
        decode(BINARY[name], declared)
    assert detect(BINARY[name]) is None


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("UTF8", "utf-8"),
        ("utf-16", "utf-16le"),
        ("gb2312", "gb18030"),
        ("x-sjis", "shift_jis"),
        ("ks_c_5601-1987", "euc-kr"),
        ("iso-8859-9", "windows-1254"),
        ("macintosh", "macintosh"),
        ("cp437", "cp437"),
        ("", None),
        ("rot13", None),
        ("base64", None),
        ("unicode_escape", None),
        ("utf-7", None),
        ("a\0b", None),
        ("ü" * 1000, None),
    ],
)
def test_a_label_has_one_name(label, name):
    assert canonical(label) == name
    assert name is None or (
        canonical(name) == name and decode_as("a".encode(name.replace("macintosh", "mac_roman")), name)
    )
