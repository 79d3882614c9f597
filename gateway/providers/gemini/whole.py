"""A whole answer of Gemini's as a canonical completion.

Knows both forms of a whole answer. Must not know streams.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.gemini.answer import Answer
from gateway.providers.gemini.body import parse_objects, read_block, read_candidates
from gateway.providers.gemini.candidate import Candidate, Delta
from gateway.providers.gemini.logprobs import build_logprobs
from gateway.providers.gemini.usage import has_counts, read_usage
from gateway.types import ChatCompletion

_TEXTS = ("content", "reasoning_content")
_LISTS = ("tool_calls", "images")
_NO_TEXTS = ("function_call", *_LISTS)


def parse_whole(body: bytes, answer: Answer) -> ChatCompletion:
    """Translate a whole answer; raises ``GatewayError`` for an error, or for what is none.

    It may come in pieces, as a list.
    """
    choices: dict[int, _Choice] = {}
    block: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    for data in parse_objects(body, answer):
        if has_counts(data.get("usageMetadata")):
            usage = data["usageMetadata"]
        block = read_block(data) or block
        for index, candidate in read_candidates(data, answer):
            if index not in choices:
                choices[index] = _Choice(answer, index)
            choices[index].add(candidate)
    built = [choices[index].to_dict() for index in sorted(choices)]
    if not built and block is not None:
        built = [_build_blocked(block)]
    if not built:
        raise UpstreamError(f"{answer.provider} sent an answer without candidates.")
    return answer.head.wrap_whole(built, None if usage is None else read_usage(usage))


class _Choice:
    """One choice, put together from its candidate's pieces."""

    def __init__(self, answer: Answer, index: int) -> None:
        self._answer = answer
        self._candidate = Candidate(answer, index)
        self._message: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
        self._logprobs: dict[str, Any] | None = None

    def add(self, candidate: dict[str, Any]) -> None:
        for delta in self._candidate.read(candidate):
            self._add_delta(delta)
        if self._answer.logprobs:
            logprobs = build_logprobs(candidate.get("logprobsResult"))
            if self._logprobs is None:
                self._logprobs = logprobs
            elif logprobs is not None:
                self._logprobs["content"] += logprobs["content"]

    def to_dict(self) -> dict[str, Any]:
        reason = self._candidate.finish()
        message = self._message
        says_otherwise = reason == "content_filter" or not message.keys().isdisjoint(_NO_TEXTS)
        if not message["content"] and says_otherwise:
            message["content"] = None
        choice = {
            "index": self._candidate.index,
            "message": message,
            "logprobs": self._logprobs,
            "finish_reason": reason,
        }
        if self._candidate.extra:
            choice["extra_content"] = {"google": self._candidate.extra}
        return choice

    def _add_delta(self, delta: Delta) -> None:
        message = self._message
        for name in _TEXTS:
            if name in delta:
                message[name] = message.get(name, "") + delta[name]
        for call in delta.get("tool_calls", ()):
            del call["index"]
        for name in _LISTS:
            if name in delta:
                message[name] = message.get(name, []) + delta[name]
        for name in ("function_call", "extra_content"):
            if name in delta:
                message[name] = delta[name]


def _build_blocked(block: dict[str, Any]) -> dict[str, Any]:
    """Return the choice for a prompt that was blocked."""
    return {
        "index": 0,
        "message": {"role": "assistant", "content": None, "refusal": None},
        "logprobs": None,
        "finish_reason": "content_filter",
        "extra_content": {"google": {"prompt_feedback": block}},
    }
