"""Is the hub there? One short question in place of minutes of trying."""

import httpx2
import pytest

from antimatter.evaluate import hub


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    hub.is_reachable.cache_clear()
    yield
    hub.is_reachable.cache_clear()


def answering(monkeypatch, answer):
    asked = []

    def head(address, timeout):
        asked.append((address, timeout))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(httpx2, "head", head)
    return asked


def test_a_hub_that_answers_anything_is_there_and_is_asked_once(monkeypatch):
    asked = answering(monkeypatch, httpx2.Response(503))
    assert hub.is_reachable() and hub.is_reachable()
    assert asked == [("https://huggingface.co", hub.PATIENCE_SECONDS)]


def test_a_mirror_is_asked_in_its_place(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror")
    asked = answering(monkeypatch, httpx2.Response(200))
    assert hub.is_reachable()
    assert asked[0][0] == "http://mirror"


@pytest.mark.parametrize("error", [httpx2.ConnectError("no route"), httpx2.InvalidURL("what?")])
def test_without_an_answer_it_is_not_there(monkeypatch, error):
    answering(monkeypatch, error)
    assert not hub.is_reachable()


def test_who_is_offline_by_choice_asks_nobody(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = answering(monkeypatch, httpx2.Response(200))
    assert not hub.is_reachable()
    assert asked == []
