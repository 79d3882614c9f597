"""One candidate of an answer, read part by part.

Knows what a part may hold (google-genai 3.6, recorded): thoughts, text, calls,
images, code that Google ran itself; nearly all of them signed. Must not know
whether the answer is streamed.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamError
from gateway.providers.gemini.answer import Answer
from gateway.providers.gemini.finish import read_finish_reason
from gateway.providers.gemini.signatures import build_extra_content, build_id
from gateway.serialization import dumps, dumps_ascii

Delta = dict[str, Any]

_SIGNATURE = "thoughtSignature"
_KEPT = {
    "groundingMetadata": "grounding_metadata",
    "citationMetadata": "citation_metadata",
    "urlContextMetadata": "url_context_metadata",
}
"""What OpenAI's API has no place for, by the name it gets in ``extra_content.google``."""


class Candidate:
    """What is known of a candidate so far. ``extra`` is what only Gemini's API can say."""

    def __init__(self, answer: Answer, index: int) -> None:
        self.index = index
        self.reason: str | None = None
        self.extra: dict[str, Any] = {}
        self.has_begun = False
        self._answer = answer
        self._call_ids: set[str] = set()
        self._has_said = False

    def read(self, candidate: dict[str, Any]) -> list[Delta]:
        """Return the deltas of what came, without roles; raises ``UpstreamError``."""
        if candidate.get("finishReason"):
            self.reason = str(candidate["finishReason"])
        content = candidate.get("content")
        if len(candidate) > 2:
            for name, kept in _KEPT.items():
                if candidate.get(name):
                    self.extra[kept] = candidate[name]
        parts = content.get("parts") if isinstance(content, dict) else None
        if not parts:
            return []
        if not isinstance(parts, list):
            raise UpstreamError(f"{self._answer.provider} sent parts that are no list.")
        deltas = []
        for part in parts:
            if not isinstance(part, dict):
                raise UpstreamError(f"{self._answer.provider} sent a part that is no object.")
            delta = self._read_part(part)
            if delta:
                deltas.append(delta)
        return deltas

    def finish(self) -> str:
        """Return why it ended, in OpenAI's terms; raises ``UpstreamError`` for no answer."""
        return read_finish_reason(
            self.reason,
            self._answer,
            was_called=bool(self._call_ids),
            has_said=self._has_said,
        )

    def _read_part(self, part: dict[str, Any]) -> Delta:
        text = part.get("text")
        signature = part.get(_SIGNATURE)
        if isinstance(text, str):
            if part.get("thought") is True:
                return {"reasoning_content": text} if text else {}
            delta: Delta = {}
            if text:
                self._has_said = True
                delta["content"] = text
            if isinstance(signature, str):
                delta["extra_content"] = build_extra_content(signature)
            return delta
        if "functionCall" in part:
            return self._read_call(part["functionCall"], signature)
        if part.get("thought") is True:
            # A sketch on the way to an image, say, is not part of the answer.
            self.extra.setdefault("parts", []).append(part)
            return {}
        if "inlineData" in part:
            return self._read_image(part["inlineData"], signature)
        if part:
            self._has_said = True
            self.extra.setdefault("parts", []).append(part)
        return {}

    def _read_call(self, call: Any, signature: Any) -> Delta:
        if not isinstance(call, dict) or not isinstance(call.get("name"), str) or not call["name"]:
            raise UpstreamError(f"{self._answer.provider} sent a tool call that can't be read.")
        self._has_said = True
        if self._call_ids and self._answer.plan.only_first_call:
            return {}
        function = {"name": call["name"], "arguments": _dump_arguments(call.get("args"))}
        signature = signature if isinstance(signature, str) and signature else None
        call_id = build_id(call.get("id"), signature, self._answer.target.name)
        if call_id in self._call_ids:
            call_id = build_id(None, signature, self._answer.target.name)
        position = len(self._call_ids)
        self._call_ids.add(call_id)
        if self._answer.plan.legacy:
            return {"function_call": function}
        built = {"index": position, "id": call_id, "type": "function", "function": function}
        if signature is not None:
            built["extra_content"] = build_extra_content(signature)
        return {"tool_calls": [built]}

    def _read_image(self, data: Any, signature: Any) -> Delta:
        if not isinstance(data, dict) or not isinstance(data.get("data"), str):
            raise UpstreamError(f"{self._answer.provider} sent data that can't be read.")
        self._has_said = True
        url = f"data:{data.get('mimeType') or 'application/octet-stream'};base64,{data['data']}"
        delta: Delta = {"images": [{"type": "image_url", "image_url": {"url": url}}]}
        if isinstance(signature, str):
            delta["extra_content"] = build_extra_content(signature)
        return delta


def _dump_arguments(arguments: Any) -> str:
    if not arguments:
        return "{}"
    try:
        return dumps(arguments).decode()
    except (TypeError, UnicodeEncodeError):
        # Lone surrogates, integers beyond 64 bits.
        return dumps_ascii(arguments).decode()
