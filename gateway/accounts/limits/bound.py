"""The most tokens that a request can use, before anybody has counted them.

Knows OpenAI's requests. Must not know limits, prices or providers. A token is at
least one byte of text; what is no text has a bound of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

TOKENS_AROUND_A_MESSAGE = 8
USUAL_COMPLETION = 4096
"""Tokens of an answer whose length the client leaves open."""

IMAGE = 8192
"""Tokens of an image; the APIs that tell count up to some thousands at the finest detail."""

MOST_TOKENS = 10**9
"""More than any request uses: what is asked for or told beyond that is taken for as much.

So sums, and what they cost, fit in the 64 bits of counters and tables.
"""

_PROMPT_FIELDS = ("tools", "functions", "response_format")
_MEDIA = frozenset({"image_url", "input_audio", "file", "data", "url"})


class TokenBound(NamedTuple):
    """The most tokens of prompt and completion.

    ``is_stated``: the client has limited the completion itself. Where it has not, it may
    be granted less.
    """

    prompt: int
    completion: int
    is_stated: bool

    @property
    def total(self) -> int:
        """Tokens of prompt and completion together."""
        return self.prompt + self.completion

    @property
    def least(self) -> int:
        """Tokens without which there is nothing to be begun."""
        return self.total if self.is_stated else self.prompt + 1


def bound_chat(request: Mapping[str, Any]) -> TokenBound:
    """Return the bound of a chat request."""
    prompt = 0
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else ():
        prompt += TOKENS_AROUND_A_MESSAGE + _message_size(message)
    for name in _PROMPT_FIELDS:
        if request.get(name):
            prompt += _size(request[name])
    stated = request.get("max_completion_tokens") or request.get("max_tokens")
    is_stated = isinstance(stated, int) and stated > 0
    factor = max(_choices(request.get("n")), _choices(_native(request).get("best_of")))
    completion = int(stated) if is_stated and stated is not None else USUAL_COMPLETION
    return TokenBound(_most(prompt), _most(completion * factor), is_stated)


def bound_chats(requests: Iterable[Mapping[str, Any]]) -> TokenBound:
    """Return the bound of chats that are one request of the client's, made one after the other."""
    bounds = [bound_chat(request) for request in requests]
    return TokenBound(
        _most(sum(bound.prompt for bound in bounds)),
        _most(sum(bound.completion for bound in bounds)),
        all(bound.is_stated for bound in bounds),
    )


def bound_embeddings(request: Mapping[str, Any]) -> TokenBound:
    """Return the bound of an embeddings request: texts, or lists of tokens."""
    given = request.get("input")
    inputs = given if isinstance(given, list) else [given]
    prompt = sum(1 if isinstance(each, int) else TOKENS_AROUND_A_MESSAGE for each in inputs)
    prompt += sum(
        len(each) if isinstance(each, list) else _size(each)
        for each in inputs
        if not isinstance(each, int)
    )
    return TokenBound(prompt, 0, is_stated=True)


def bound_body(size: int, content_type: str) -> TokenBound:
    """Return the bound of an operation that nobody translates: a body of ``size`` bytes."""
    prompt = min(size, IMAGE) if content_type.startswith("multipart/") else size
    return TokenBound(prompt, USUAL_COMPLETION, is_stated=False)


def _native(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the client sent of what is only sent on: OpenAI's completions have more."""
    native: Mapping[str, Any] = getattr(request, "native", {})
    return native


def _choices(count: Any) -> int:
    return count if isinstance(count, int) and count > 1 else 1


def _most(tokens: int) -> int:
    return min(tokens, MOST_TOKENS)


def _message_size(message: Any) -> int:
    """Return the bytes of what a message says; its role is part of what is around it."""
    if not isinstance(message, dict):
        return 0
    size = 0
    for name, value in message.items():
        if name == "content" and isinstance(value, list):
            size += sum(map(_part_size, value))
        elif name != "role" and value is not None:
            size += _size(value)
    return size


def _part_size(part: Any) -> int:
    if isinstance(part, dict) and isinstance(part.get("text"), str) and len(part) == 2:
        return _size(part["text"])
    return _size(part)


def _size(value: Any) -> int:
    """Return the bytes of all text in a value, names and punctuation of JSON counted in."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        return sum(
            len(name) + 4 + (_media(inner) if name in _MEDIA else _size(inner))
            for name, inner in value.items()
        )
    if isinstance(value, list):
        return sum(map(_size, value)) + len(value)
    return 8


def _media(value: Any) -> int:
    """Return the bound of an image, a sound or a file, by address or as data."""
    return min(_size(value), IMAGE) if isinstance(value, str) else _size(value)
