"""The answer to a prompt as the events it could have come as, and the other way round.

For upstreams that ignore ``stream``. Knows the older ``text_completion`` (openai-python 3.54).
Must not know bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def iter_events_of(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a whole answer as events: all it says, and its usage after that if it tells one."""
    head = {name: value for name, value in answer.items() if name not in ("choices", "usage")}
    choices = [
        {**choice, "finish_reason": choice.get("finish_reason") or "stop"}
        for choice in answer["choices"]
    ]
    yield {**head, "choices": choices}
    if answer.get("usage"):
        yield {**head, "choices": [], "usage": answer["usage"]}


def join_events(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the whole answer that events amount to; each has a list ``choices`` of objects."""
    answer: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for event in events:
        answer |= {
            name: value
            for name, value in event.items()
            if name != "choices" and (value is not None or name not in answer)
        }
        for choice in event["choices"]:
            index = choice.get("index", 0)
            if index in choices:
                _extend(choices[index], choice)
            else:
                choices[index] = {**choice, "index": index}
    return {**answer, "choices": [choices[index] for index in sorted(choices)]}


def _extend(choice: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add to a choice what another event says of it."""
    text = (choice.get("text") or "") + (more.get("text") or "")
    logprobs = _join_logprobs(choice.get("logprobs"), more.get("logprobs"))
    told = {name: value for name, value in more.items() if value is not None}
    choice |= {**told, "text": text, "logprobs": logprobs}


def _join_logprobs(one: Any, other: Any) -> Any:
    """Join lists by their names: of tokens, their logarithms and their places in the text."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other if one is None else one
    return {
        name: one[name] + other[name]
        if isinstance(one.get(name), list) and isinstance(other.get(name), list)
        else other.get(name, one.get(name))
        for name in {**one, **other}
    }
