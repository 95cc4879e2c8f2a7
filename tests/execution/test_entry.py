import os
import signal

import pytest

from antimatter.corpus.shards import MissingData
from antimatter.execution import entry


@pytest.fixture(autouse=True)
def same_signals_afterwards():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def code_of(main) -> int:
    with pytest.raises(SystemExit) as caught:
        entry.run(main)
    return caught.value.code


def fail(error):
    raise error


def test_a_good_end_is_quiet(capsys):
    entry.run(lambda: None)
    assert capsys.readouterr() == ("", "")


def test_an_error_for_the_user_is_one_message_and_exit_status_one(capsys):
    assert code_of(lambda: fail(MissingData("data/raw holds no shards"))) == 1
    assert capsys.readouterr().err == "error: data/raw holds no shards\n"


def test_the_traceback_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("ANTIMATTER_TRACEBACK", "1")
    with pytest.raises(MissingData):
        entry.run(lambda: fail(MissingData("x")))


def test_a_defect_shows_all_it_has():
    with pytest.raises(ZeroDivisionError):
        entry.run(lambda: 1 / 0)


def test_an_interrupt_is_130_and_says_what_is_kept(capsys):
    assert code_of(lambda: fail(KeyboardInterrupt())) == 130
    assert "the next start goes on from there" in capsys.readouterr().err


def test_a_termination_is_an_interrupt():
    assert code_of(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 130
