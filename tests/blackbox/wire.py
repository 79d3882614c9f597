"""What goes over the wire, as tests write and read it: Ollama's lines, OpenAI's events.

Knows both formats' outlines, so that a test can say in one line what an upstream
sends and what a client got. Must not know the gateway.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

NDJSON = {"Content-Type": "application/x-ndjson"}
SSE = {"Content-Type": "text/event-stream; charset=utf-8"}
DONE = "[DONE]"


def ollama_line(content: str = "", *, done: bool = False, **message: Any) -> bytes:
    """Return one line of Ollama's ``/api/chat``; the last one (``done``) tells four tokens."""
    value: dict[str, Any] = {
        "model": "tiny",
        "created_at": "2026-01-01T00:00:00.123456789Z",
        "message": {"role": "assistant", "content": content, **message},
        "done": done,
    }
    if done:
        value |= {"done_reason": "stop", "prompt_eval_count": 3, "eval_count": 1}
    return json.dumps(value).encode() + b"\n"


def openai_event(delta: Mapping[str, Any] | None = None, finish_reason: str | None = None) -> bytes:
    """Return one event of OpenAI's chat stream."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish_reason}
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "gpt-4o-mini",
        "choices": [choice],
    }
    return b"data: %b\n\n" % json.dumps(chunk).encode()


def iter_blocks(response: http.client.HTTPResponse) -> Iterator[str]:
    """Yield each event or comment of a stream as it comes, without its blank line."""
    lines: list[bytes] = []
    while line := response.readline():
        if line != b"\n":
            lines.append(line)
        elif lines:
            yield b"".join(lines).decode("ascii").rstrip("\n")
            lines = []
    if lines:
        raise AssertionError(f"the stream ends within an event: {lines}")


@dataclass
class Stream:
    """A chat stream as a client got it, taken apart."""

    chunks: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    is_done: bool = False

    @property
    def choices(self) -> list[dict[str, Any]]:
        return [choice for chunk in self.chunks for choice in chunk["choices"]]

    @property
    def content(self) -> str:
        return self._join("content")

    @property
    def reasoning(self) -> str:
        return self._join("reasoning_content")

    @property
    def finish_reasons(self) -> list[str]:
        reasons = (choice.get("finish_reason") for choice in self.choices)
        return [reason for reason in reasons if reason is not None]

    @property
    def tool_calls(self) -> list[tuple[str, Any]]:
        """Return (name, arguments parsed) of every call, in order of their index."""
        calls: dict[int, list[str]] = {}
        for choice in self.choices:
            for call in choice["delta"].get("tool_calls") or []:
                function = call["function"]
                parts = calls.setdefault(call["index"], [function.get("name", ""), ""])
                parts[1] += function.get("arguments", "")
        return [(name, json.loads(arguments)) for _, (name, arguments) in sorted(calls.items())]

    def _join(self, name: str) -> str:
        return "".join(choice["delta"].get(name) or "" for choice in self.choices)


def read_stream(blocks: Iterable[str]) -> Stream:
    """Take a stream apart; fails for anything after its end, or that is no event of OpenAI's."""
    stream = Stream()
    for block in blocks:
        assert not stream.is_done, f"after the end: {block}"
        if block.startswith(":"):
            stream.comments.append(block)
            continue
        name, _, text = block.partition(": ")
        if name == "event":
            assert text.startswith("error\n"), block
            name, _, text = text.removeprefix("error\n").partition(": ")
        assert name == "data", block
        assert "\n" not in text, block
        if text == DONE:
            stream.is_done = True
            continue
        value = json.loads(text)
        assert not stream.errors, f"after an error: {block}"
        (stream.errors if value.get("error") else stream.chunks).append(value)
    return stream


def assert_promises_kept(stream: Stream, *, usage: bool = False) -> None:
    """Check what every stream that ends well has in common."""
    assert stream.errors == []
    assert stream.is_done
    for name in ("id", "created", "model", "object"):
        assert len({chunk[name] for chunk in stream.chunks}) == 1, name
    by_index: dict[int, list[dict[str, Any]]] = {}
    for choice in stream.choices:
        by_index.setdefault(choice["index"], []).append(choice)
    for choices in by_index.values():
        roles = ["role" in choice["delta"] for choice in choices]
        assert roles == [True] + [False] * (len(roles) - 1)
        reasons = [choice.get("finish_reason") for choice in choices]
        assert reasons[-1] is not None
        assert set(reasons[:-1]) <= {None}
    usages = [chunk for chunk in stream.chunks if chunk.get("usage")]
    if usage:
        assert usages == stream.chunks[-1:]
        assert usages[0]["choices"] == []
        assert all("usage" in chunk for chunk in stream.chunks)
    else:
        assert not any("usage" in chunk for chunk in stream.chunks)


def assert_error(body: str, *, code: str | None = None) -> None:
    """Check for OpenAI's shape, and that nothing of the inside is told (keys have ``canary``)."""
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "canary" not in body
    assert "127.0.0.1" not in body
    assert "Traceback" not in body
    if code is not None:
        assert error["code"] == code
