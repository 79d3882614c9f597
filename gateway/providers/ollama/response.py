"""Ollama's stream of lines as canonical chunks.

Knows what a line of ``/api/chat`` may hold (Ollama v0.25 and v0.33 source, and
recorded): any line, the last one too, may carry thinking, text and tool calls at
once. Must not know how the bytes came. This is the hot path: one pass, and a
generator's locals as the only state.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from gateway.errors import GatewayError, UpstreamError
from gateway.ndjson import iter_lines
from gateway.providers.answer import build_usage, read_count
from gateway.providers.ollama.answer import Answer, build_choice
from gateway.providers.ollama.errors import parse_error_line
from gateway.providers.ollama.forced_call import iter_forced_call
from gateway.providers.ollama.logprobs import build_logprobs
from gateway.providers.ollama.strict_json import require_json
from gateway.providers.ollama.tool_calls import build_call_deltas
from gateway.serialization import loads_lenient
from gateway.types import Chunk, ChunkChoice, Usage

logger = logging.getLogger(__name__)

_NO_ANSWER = ("load", "unload")


def iter_chunks(pieces: Iterator[bytes], answer: Answer, index: int) -> Iterator[list[Chunk]]:
    """Translate the answer to one request, which is the choice ``index``.

    Yields and raises as ``gateway.types.ChatCall.iter_chunks`` says.
    """
    chunks = _iter_answer(pieces, answer, index)
    if answer.plan.forced_finish_reason:
        return iter_forced_call(chunks, answer, index)
    if answer.strict_json:
        return require_json(chunks)
    return chunks


def _iter_answer(pieces: Iterator[bytes], answer: Answer, index: int) -> Iterator[list[Chunk]]:
    answer_id, created, model = answer.head.id, answer.head.created, answer.head.model
    role: dict[str, Any] = {"role": "assistant"}
    call_ids: set[str] = set()
    held_logprobs: list[Any] = []
    for lines in iter_lines(pieces):
        chunks: list[Chunk] = []
        for line in lines:
            try:
                data = _parse_line(line, answer)
                deltas = _build_deltas(data, call_ids, answer)
            except GatewayError:
                # What came before the error goes out first.
                yield chunks
                raise
            if answer.logprobs:
                held_logprobs = _hold_logprobs(held_logprobs, data, deltas)
            is_done = data.get("done") is True
            if is_done and not deltas and (role or held_logprobs):
                deltas = [{"content": ""}]
            for delta in deltas:
                if role:
                    delta = {**role, **delta}
                    role = {}
                choice: ChunkChoice = {"index": index, "delta": delta, "finish_reason": None}
                if answer.logprobs:
                    choice["logprobs"] = None
                    if held_logprobs and "content" in delta:
                        choice["logprobs"] = build_logprobs(held_logprobs)
                        held_logprobs = []
                chunks.append(
                    {
                        "id": answer_id,
                        "object": "chat.completion.chunk",
                        "created": created,
                        "model": model,
                        "choices": [choice],
                    }
                )
            if is_done:
                yield [*chunks, *_build_end(data, answer, index, was_called=bool(call_ids))]
                return
        yield chunks
    raise UpstreamError(f"{_name(answer)} broke off its answer before the end.")


def _parse_line(line: bytes, answer: Answer) -> dict[str, Any]:
    """Return a line's object; raises ``GatewayError`` for an error line, or for what is no line."""
    try:
        data = loads_lenient(line)
    except ValueError:
        raise UpstreamError(f"{_name(answer)} sent a line that is not JSON.") from None
    if not isinstance(data, dict):
        raise UpstreamError(f"{_name(answer)} sent a line that is not a JSON object.")
    if data.get("error") is not None:
        raise parse_error_line(data["error"], answer.target)
    return data


def _build_deltas(data: dict[str, Any], call_ids: set[str], answer: Answer) -> list[dict[str, Any]]:
    """Return the deltas of a line, without roles, in the order OpenAI's clients expect."""
    message = data.get("message")
    if message is None and data.get("done") is True:
        message = {}  # old servers' last line
    if not isinstance(message, dict):
        raise UpstreamError(f"{_name(answer)} sent a line without a message.")
    if data.get("done_reason") in _NO_ANSWER:
        raise UpstreamError(f"{_name(answer)} loaded or unloaded the model and gave no answer.")
    content = message.get("content")
    deltas: list[dict[str, Any]] = []
    if message.get("thinking"):
        deltas.append({"reasoning_content": _require_text(message["thinking"], answer)})
    if content:
        deltas.append({"content": _require_text(content, answer)})
    if message.get("tool_calls"):
        deltas += build_call_deltas(message["tool_calls"], call_ids, answer.plan)
    return deltas


def _require_text(value: Any, answer: Answer) -> str:
    if not isinstance(value, str):
        raise UpstreamError(f"{_name(answer)} sent a message whose text is not a string.")
    return value


def _hold_logprobs(
    held: list[Any], data: dict[str, Any], deltas: list[dict[str, Any]]
) -> list[Any]:
    """Return the entries that wait for the text they belong to.

    Ollama lists thinking and calls too, which OpenAI does not, and may send
    entries while the text is still held back.
    """
    entries = data.get("logprobs")
    if isinstance(entries, list):
        held = [*held, *entries]
    if deltas and not any("content" in delta for delta in deltas):
        return []
    return held


def _build_end(data: dict[str, Any], answer: Answer, index: int, was_called: bool) -> list[Chunk]:
    """Return the chunks after the last delta: the finish reason, and the usage."""
    finish_reason = _read_finish_reason(data, answer, was_called)
    finish = answer.head.wrap([build_choice(answer, index, {}, finish_reason)])
    return [finish, answer.head.build_usage_chunk(_read_usage(data, answer))]


def _read_finish_reason(data: dict[str, Any], answer: Answer, was_called: bool) -> str:
    """Return OpenAI's reason; Ollama says "stop" for calls as well, and old servers nothing."""
    reason = data.get("done_reason")
    if reason == "length":
        return "length"
    if reason and reason != "stop":
        _log_unknown_reason(str(reason)[:100])
    if was_called:
        return "function_call" if answer.plan.legacy else "tool_calls"
    return "stop"


@lru_cache(maxsize=64)
def _log_unknown_reason(reason: str) -> None:
    """Log a reason not known here, once."""
    logger.warning("Ollama ended an answer for an unknown reason, taken as stop: %r", reason)


def _read_usage(data: dict[str, Any], answer: Answer) -> Usage:
    """Return the counts, in tokens; Ollama leaves out a count that is 0."""
    prompt_tokens = read_count(data, "prompt_eval_count")
    cached = read_count(data, "prompt_eval_cached_count")
    if answer.num_ctx is not None and prompt_tokens >= answer.num_ctx:
        logger.warning(
            "The prompt filled the context of %r (%d tokens): Ollama may have cut it",
            answer.target.model,
            answer.num_ctx,
        )
    return build_usage(
        prompt_tokens,
        read_count(data, "eval_count"),
        cached=cached if "prompt_eval_cached_count" in data else None,
    )


def _name(answer: Answer) -> str:
    return f"The provider `{answer.target.provider.name}`"
