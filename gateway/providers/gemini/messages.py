"""A conversation in OpenAI's form as Gemini's ``contents`` and ``systemInstruction``.

Knows both forms of a message. Expects messages that passed ``check_messages``.
Must not know the request around them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.config.settings import Target
from gateway.providers.gemini.calls import Calls
from gateway.providers.gemini.media import Part, build_audio, build_file, build_image
from gateway.providers.gemini.signatures import read_extra_content
from gateway.validation.fields import unsupported_value

Message = dict[str, Any]
Content = dict[str, Any]


class Conversation(NamedTuple):
    """``system`` is None where nothing is said there; ``dropped`` names what can't be carried."""

    contents: list[Content]
    system: Content | None
    dropped: list[str]


def build_conversation(messages: list[Message], target: Target) -> Conversation:
    """Return a conversation; raises ``InvalidRequestError`` for parts that can't be sent.

    System messages are one instruction, wherever they stand: there is no other place
    for them. Alone they are what the user says, for an answer needs somebody to answer.
    """
    contents: list[Content] = []
    system: list[Part] = []
    dropped: dict[str, None] = {}
    calls = Calls(target)
    may_name_files = target.provider.allow_client_options
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        role = message["role"]
        if message.get("name") and role not in ("tool", "function"):
            dropped["messages.name"] = None
        if role in ("system", "developer"):
            system += _build_texts(message["content"])
        elif role == "assistant":
            _append(contents, "model", _build_assistant(message, param, calls, dropped))
        elif role in ("tool", "function"):
            result, media = _build_result(message, param, calls, dropped, may_name_files)
            _append_result(contents, result, media, calls)
        else:
            parts = _build_parts(message["content"], f"{param}.content", dropped, may_name_files)
            contents.append({"role": "user", "parts": parts or [{"text": ""}]})
    if not contents:
        return Conversation([{"role": "user", "parts": system}], None, list(dropped))
    return Conversation(contents, {"parts": system} if system else None, list(dropped))


def _append(contents: list[Content], role: str, parts: list[Part]) -> None:
    """Append parts; those of one role that follow each other are one content.

    A call has to follow the user directly (Google's documentation of function calling).
    """
    if contents and contents[-1]["role"] == role:
        contents[-1]["parts"] += parts
    elif parts:
        contents.append({"role": role, "parts": parts})


def _append_result(contents: list[Content], result: Part, media: list[Part], calls: Calls) -> None:
    """Append a call's result to those before it, in the order of the calls; media come last."""
    if not contents or not _holds_results(contents[-1]):
        contents.append({"role": "user", "parts": []})
    parts = contents[-1]["parts"]
    results = [part for part in parts if "functionResponse" in part]
    others = [part for part in parts if "functionResponse" not in part]
    results.append(result)
    results.sort(key=lambda part: calls.order_of(part["functionResponse"].get("id")))
    contents[-1]["parts"] = results + others + media


def _holds_results(content: Content) -> bool:
    return content["role"] == "user" and "functionResponse" in content["parts"][0]


def _build_assistant(
    message: Message, param: str, calls: Calls, dropped: dict[str, None]
) -> list[Part]:
    """Return the parts of what a model said: thoughts, text, images, calls."""
    if message.get("audio"):
        raise unsupported_value(
            f"{param}.audio", f"`{param}.audio` refers to an earlier answer, which is not stored."
        )
    parts: list[Part] = []
    thought = message.get("reasoning_content") or message.get("reasoning")
    if thought:
        parts.append({"text": thought, "thought": True})
    texts = _build_texts(message.get("content")) or _build_texts(message.get("refusal"))
    said = texts + _build_images(message.get("images"), f"{param}.images", dropped)
    signature = read_extra_content(message)
    if signature is not None:
        said = said or [{"text": ""}]
        said[-1] = {**said[-1], "thoughtSignature": signature}
    return [*parts, *said, *calls.build_parts(message)]


def _build_images(images: Any, param: str, dropped: dict[str, None]) -> list[Part]:
    """Return the images of an earlier answer, told as this gateway tells them."""
    if not isinstance(images, list):
        return []
    parts = []
    for position, image in enumerate(images):
        address = image.get("image_url") if isinstance(image, dict) else None
        url = address.get("url") if isinstance(address, dict) else None
        if isinstance(url, str) and url.startswith("data:"):
            parts.append(build_image(url, f"{param}[{position}]", may_name_files=False))
        else:
            dropped["messages.images"] = None
    return parts


def _build_result(
    message: Message,
    param: str,
    calls: Calls,
    dropped: dict[str, None],
    may_name_files: bool,
) -> tuple[Part, list[Part]]:
    """Return a call's result, and those of its images that have to be told apart from it."""
    content = message.get("content")
    media: list[Part] = []
    if isinstance(content, list):
        others = [part for part in content if part["type"] not in ("text", "refusal")]
        if others:
            media = _build_parts(others, f"{param}.content", dropped, may_name_files)
    text = "\n".join(part["text"] for part in _build_texts(content))
    return calls.build_result(message, text, media)


def _build_texts(content: Any) -> list[Part]:
    """Return a part for each text that isn't empty."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    texts = (part.get("text") or part.get("refusal") for part in content or ())
    return [{"text": text} for text in texts if text]


def _build_parts(
    content: Any, param: str, dropped: dict[str, None], may_name_files: bool
) -> list[Part]:
    if isinstance(content, str):
        return _build_texts(content)
    parts: list[Part] = []
    for position, part in enumerate(content):
        place = f"{param}[{position}]"
        if part["type"] == "text":
            parts += _build_texts(part["text"])
        elif part["type"] == "image_url":
            if part["image_url"].get("detail") in ("low", "high", "original"):
                dropped["messages.content.image_url.detail"] = None
            url = part["image_url"]["url"]
            place = f"{place}.image_url.url"
            parts.append(build_image(url, place, may_name_files=may_name_files))
        elif part["type"] == "input_audio":
            parts.append(build_audio(part["input_audio"], f"{place}.input_audio"))
        else:
            file = part["file"]
            parts.append(build_file(file, f"{place}.file", may_name_files=may_name_files))
    return parts
