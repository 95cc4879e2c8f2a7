"""Each shape of a single dataset, on a file made by hand."""

import io
import json

import pytest

from antimatter.collect.formats.shapes import SHAPES, chitchat, factbook, licensedcode, read, wiki_summaries
from antimatter.params.collect import Source


def dump(value):
    return json.dumps(value).encode()


def test_a_wiki_summary_is_title_and_extract():
    entry = {"title": "Chimie", "extract": "La chimie est une science.", "topic": "Science", "description": None}
    (draft,) = wiki_summaries("fr.json", dump({"Chimie": entry}))
    assert draft.text == "Chimie\nLa chimie est une science."
    assert (draft.origin, draft.key) == ("fr.json#Chimie", "Chimie")
    assert draft.metadata == {"title": "Chimie", "topic": "Science"}


def test_a_wiki_title_without_extract_is_no_text():
    (draft,) = wiki_summaries("fr.json", dump({"Chimie": {"title": "Chimie", "extract": ""}}))
    assert draft.text == ""


def test_a_key_that_stands_twice_is_not_lost_in_silence():
    with pytest.raises(ValueError, match="'Chimie' stands twice"):
        list(wiki_summaries("fr.json", b'{"Chimie": {"title": "a"}, "Chimie": {"title": "b"}}'))


def test_a_licence_is_what_follows_the_front_matter():
    data = b"---\r\nkey: mit\r\nname: MIT: the licence\r\n---\r\n\r\n  MIT License\r\n---\r\nPermission is granted\r\n"
    (draft,) = licensedcode("mit.LICENSE", data)
    assert draft.text == "  MIT License\n---\nPermission is granted"
    assert (draft.key, draft.metadata) == ("mit", {"key": "mit"})


def test_a_rule_keeps_its_label():
    (draft,) = licensedcode("mit_1.RULE", b"---\nlicense_expression: mit\nis_license_text: yes\n---\n")
    assert draft.text == ""
    assert draft.metadata == {"license_expression": "mit", "is_license_text": "yes"}


@pytest.mark.parametrize("data", [b"", b"MIT License", b"---\nkey: mit\n"])
def test_a_licence_without_front_matter_has_another_shape(data):
    with pytest.raises(ValueError, match="front matter"):
        list(licensedcode("x", data))


def test_factbook_headings_lead_their_texts_and_html_becomes_text():
    country = {
        "Introduction": {"Background": {"text": "<p>Bread &amp; butter.</p> <p>Tea<br><br>Milk</p>"}},
        "Geography": {
            "Location": {"text": "Northern Africa"},
            "Area": {"total ": {"text": "5 sq km"}, "land": {"text": "4 sq km"}, "note": "about"},
            "Land use": {"agricultural land: arable land": {"text": "arable land: 3.2%"}},
            "Climate": {"text": "arid", "note": "<b>note:</b> hot"},
        },
        "Energy": {"Coal": {"imports": {"text": ""}}},
    }
    (draft,) = factbook("ag.json", dump(country))
    assert draft.text == (
        "Introduction\n\nBackground: Bread & butter.\n\nTea\n\nMilk\n\n"
        "Geography\n\nLocation: Northern Africa\n\n"
        "Area\ntotal: 5 sq km\nland: 4 sq km\nnote: about\n\n"
        "Land use\nagricultural land: arable land: 3.2%\n\n"
        "Climate: arid\nnote: hot"
    )


def message(sender, text):
    return {"text": text, "timestamp": "2018-05-09T23:19:51Z", "sender": sender}


def test_of_a_dialogue_a_turn_is_a_line_and_nobody_has_a_name():
    turns = [[message("7f", "hi"), message("7f", "anyone\nhere?")], [message("a3", " ")], [message("a3", "yes")]]
    (draft,) = chitchat("d.json", dump({"d1": {"messages": turns, "start": "x"}}))
    assert (draft.origin, draft.key) == ("d.json#d1", "d1")
    assert draft.text == "hi anyone here?\nyes"


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_bytes_that_are_no_text_are_refused_by_every_shape(shape):
    with pytest.raises(ValueError):
        list(SHAPES[shape]("x", b"\xff\xfe{"))


@pytest.mark.parametrize("shape", ["wiki_summaries", "factbook", "chitchat"])
@pytest.mark.parametrize("data", [b"[1]", b"{", b'{"a": [1]}', b'{"a": 1}', b"[" * 100_000])
def test_json_of_another_shape_is_refused(shape, data):
    with pytest.raises(ValueError):
        list(SHAPES[shape]("x", data))


def test_a_file_of_another_shape_is_quarantined_whole():
    source = Source(name="s", kind="files", path="input", format="wiki_summaries")
    (broken,) = read(io.BytesIO(b'{"a": {"title": "a"}, "b": 1}'), "w.json", source)
    assert (broken.origin, broken.data) == ("w.json", b'{"a": {"title": "a"}, "b": 1}')
    (draft,) = read(io.BytesIO(b'{"a": {"title": "a", "extract": "b"}}'), "w.json", source)
    assert (draft.origin, draft.text) == ("w.json#a", "a\nb")
