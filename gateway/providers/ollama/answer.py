"""What reading an answer has to know of the question, and the chunks it is told in.

Knows the canonical chunk. Must not know what Ollama sends.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.providers.ollama.tools import ToolPlan
from gateway.types import ChatRequest, Chunk, ChunkChoice


@dataclass(frozen=True)
class Answer:
    """What all chunks of an answer share, and what was promised of it.

    ``created`` is in Unix seconds; ``num_ctx`` in tokens, None if left to Ollama.
    """

    id: str
    created: int
    target: Target
    plan: ToolPlan
    logprobs: bool
    strict_json: bool
    num_ctx: int | None


def begin_answer(
    request: ChatRequest, target: Target, plan: ToolPlan, num_ctx: int | None
) -> Answer:
    """Return what is known when a checked request is sent, with a new id."""
    response_format = request.get("response_format") or {}
    json_schema = response_format.get("json_schema") or {}
    return Answer(
        id=f"chatcmpl-{secrets.token_hex(16)}",
        created=int(time.time()),
        target=target,
        plan=plan,
        logprobs=bool(request.get("logprobs")),
        strict_json=response_format.get("type") == "json_schema"
        and bool(json_schema.get("strict")),
        num_ctx=num_ctx,
    )


def build_chunk(answer: Answer, choices: list[ChunkChoice]) -> Chunk:
    """Return a chunk of this answer."""
    return {
        "id": answer.id,
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.target.requested_model,
        "choices": choices,
    }


def build_choice(
    answer: Answer, index: int, delta: dict[str, Any], finish_reason: str | None = None
) -> ChunkChoice:
    """Return a chunk's one choice; ``logprobs`` is there only where they were asked for."""
    choice: ChunkChoice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    if answer.logprobs:
        choice["logprobs"] = None
    return choice
