"""What reading an answer has to know of the question, and the chunks it is told in.

Knows the canonical chunk. Must not know what Gemini sends.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.providers.gemini.tools import ToolPlan
from gateway.types import ChatRequest, Chunk, ChunkChoice


@dataclass(frozen=True)
class Answer:
    """What all chunks of an answer share, and what was promised of it.

    ``created`` is in Unix seconds.
    """

    id: str
    created: int
    target: Target
    plan: ToolPlan
    logprobs: bool

    @property
    def provider(self) -> str:
        """How messages name who gave the answer."""
        return f"The provider `{self.target.provider.name}`"


def begin_answer(request: ChatRequest, target: Target, plan: ToolPlan) -> Answer:
    """Return what is known when a checked request is sent, with a new id."""
    return Answer(
        id=f"chatcmpl-{secrets.token_hex(16)}",
        created=int(time.time()),
        target=target,
        plan=plan,
        logprobs=bool(request.get("logprobs")),
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
