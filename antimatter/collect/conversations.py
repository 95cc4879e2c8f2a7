"""Dialogues of the chitchat-dataset wheel as messages of two roles, and the share of them that is held out.

{"<dialogue id>": {"messages": [[{"text": .., "timestamp": .., "sender": ..}, ..a turn..], ..], "start": ..}}
->  {"id": .., "messages": [{"role": "user", "content": ..}, {"role": "assistant", "content": ..}], "source": ..}
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import xxhash

from antimatter.collect.drafts import parse_json

_HOLD_OUT_KEY = b"antimatter.conversations.validation\0"


class Turn(NamedTuple):
    """What one sender says before the other one answers."""

    sender: str
    messages: tuple[str, ...]


def is_held_out(dialogue: str, share: float) -> bool:
    """Whether the dialogue of this id belongs to validation: a keyed hash, so a smaller share holds out a subset."""
    digest = xxhash.xxh3_64_intdigest(_HOLD_OUT_KEY + dialogue.encode("utf-8", "surrogatepass"))
    return digest < share * 2**64


def read_dialogues(data: bytes) -> Iterator[tuple[str, list[Turn]]]:
    """(id, turns) of every dialogue, in the order of the file. Raises ValueError if the shape is another one."""
    dialogues = parse_json(data)
    if not isinstance(dialogues, Mapping):
        raise ValueError("a JSON object of dialogues is expected")
    for key, dialogue in dialogues.items():
        try:
            yield key, [_turn(messages) for messages in dialogue["messages"] if messages]
        except (TypeError, KeyError) as error:
            raise ValueError(f"dialogue {key} has no messages with sender and text ({error!r})") from error


def _turn(messages: Sequence[Mapping[str, Any]]) -> Turn:
    senders = {str(message["sender"]) for message in messages}
    if len(senders) != 1:
        raise ValueError(f"{len(senders)} senders in one turn")
    return Turn(senders.pop(), tuple(str(message["text"]) for message in messages))


def spoken_turns(turns: Sequence[Turn]) -> list[Turn]:
    """The turns without blank messages; where a turn falls away, its neighbours of one sender become one."""
    spoken: list[Turn] = []
    for sender, messages in turns:
        words = tuple(message.strip() for message in messages if message.strip())
        if not words:
            continue
        if spoken and spoken[-1].sender == sender:
            words = spoken.pop().messages + words
        spoken.append(Turn(sender, words))
    return spoken


def to_messages(turns: Sequence[Turn]) -> tuple[list[dict[str, str]], str]:
    """(messages, "") or ([], why the dialogue is of no use). The first sender is the user, the other one the assistant,
    the messages of a turn are lines, a last turn that nobody answered goes; sender ids stay behind.

    >>> to_messages([Turn("7f", ("hi", "you there?")), Turn("a3", ("yes",)), Turn("7f", ("bye",))])[0]
    [{'role': 'user', 'content': 'hi\\nyou there?'}, {'role': 'assistant', 'content': 'yes'}]
    """
    spoken = spoken_turns(turns)
    senders = list(dict.fromkeys(turn.sender for turn in spoken))
    if not spoken:
        return [], "conversations.empty"
    if len(senders) == 1:
        return [], "conversations.unanswered"
    if len(senders) > 2:
        return [], "conversations.many_speakers"
    answered = spoken[:-1] if len(spoken) % 2 else spoken
    roles = {senders[0]: "user", senders[1]: "assistant"}
    return [{"role": roles[turn.sender], "content": "\n".join(turn.messages)} for turn in answered], ""
