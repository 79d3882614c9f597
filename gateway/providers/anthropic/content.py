"""Parts of a message's content as Anthropic's blocks.

Knows texts, images and documents on both sides, and data URIs (RFC 2397) that are not base64.
Must not know roles. Nothing is fetched here: links go on as links.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from gateway.providers.data_uri import File, decode_base64
from gateway.validation.fields import listed, unsupported_value, wrong_type, wrong_value

Block = dict[str, Any]

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
PDF = "application/pdf"


def build_blocks(content: Any, param: str, dropped: dict[str, None]) -> list[Block]:
    """Return the blocks of a checked content: a string, or parts; empty texts are left out.

    Raises ``InvalidRequestError`` for a part that can't be sent. What a part asks for
    beside is noted in ``dropped``.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    blocks = []
    for place, part in enumerate(content):
        block = _build_block(part, f"{param}[{place}]", dropped)
        if block is not None:
            blocks.append(with_cache_control(block, part))
    return blocks


def with_cache_control(block: Block, hinting: Mapping[str, Any]) -> Block:
    """Return the block with the ``cache_control`` of what it was made of, if there is one.

    OpenAI's own hint, ``prompt_cache_breakpoint``, says the same.
    """
    hint = hinting.get("cache_control")
    breakpoint_ = hinting.get("prompt_cache_breakpoint")
    if not hint and isinstance(breakpoint_, dict):
        ttl = breakpoint_.get("ttl")
        hint = {"type": "ephemeral", **({"ttl": ttl} if ttl in ("5m", "1h") else {})}
    return {**block, "cache_control": hint} if hint else block


def _build_block(part: Mapping[str, Any], param: str, dropped: dict[str, None]) -> Block | None:
    kind = part["type"]
    if kind in ("text", "refusal"):
        text = part[kind]
        return {"type": "text", "text": text} if text.strip() else None
    if kind == "image_url":
        if part["image_url"].get("detail") not in (None, "auto"):
            dropped["messages.content.image_url.detail"] = None
        return _build_image(part["image_url"]["url"], f"{param}.image_url.url")
    if kind == "file":
        return _build_document(part["file"], f"{param}.file")
    raise unsupported_value(f"{param}.type", f"`{param}` is audio, which this model can't hear.")


def _build_image(url: str, param: str) -> Block:
    if _is_link(url):
        return {"type": "image", "source": {"type": "url", "url": url.strip()}}
    found = _parse_data_uri(url, param)
    media_type = "image/jpeg" if found.media_type == "image/jpg" else found.media_type
    media_type = media_type or _recognise(found.content)
    if media_type not in IMAGE_TYPES:
        raise unsupported_value(param, f"`{param}` must be of type {listed(IMAGE_TYPES)}.")
    return {"type": "image", "source": _build_base64(File(media_type, found.content))}


def _build_document(file: Mapping[str, Any], param: str) -> Block:
    """Return a document: a PDF or plain text given whole, a link to a PDF, or an uploaded file."""
    block: Block = {"type": "document"}
    name, data, file_id = (file.get(key) for key in ("filename", "file_data", "file_id"))
    for key in ("filename", "file_data", "file_id"):
        if not isinstance(file.get(key), str | None):
            raise wrong_type(f"{param}.{key}", "a string", file[key])
    if name:
        block["title"] = name
    if data:
        block["source"] = _build_source(data, f"{param}.file_data")
    elif file_id:
        block["source"] = {"type": "file", "file_id": file_id}
    else:
        raise wrong_value(param, f"`{param}` must have `file_data` or `file_id`.")
    return block


def _build_source(data: str, param: str) -> Block:
    if _is_link(data):
        return {"type": "url", "url": data.strip()}
    if data.lstrip()[:5].lower() == "data:":
        found = _parse_data_uri(data, param)
    else:
        found = File(PDF, decode_base64(data, param))
    if found.media_type.startswith("text/"):
        text = found.content.decode("utf-8", "replace")
        return {"type": "text", "media_type": "text/plain", "data": text}
    if found.media_type != PDF and not found.content.startswith(b"%PDF"):
        raise unsupported_value(
            param, f"`{param}` must be a PDF or plain text: the model can read no other files."
        )
    return _build_base64(File(PDF, found.content))


def _build_base64(file: File) -> Block:
    return {"type": "base64", "media_type": file.media_type, "data": file.to_base64()}


def _is_link(url: str) -> bool:
    return url.lstrip()[:8].lower().startswith(("http://", "https://"))


def _parse_data_uri(uri: str, param: str) -> File:
    scheme, _, rest = uri.strip().partition(":")
    header, comma, data = rest.partition(",")
    if scheme.lower() != "data" or not comma:
        raise wrong_value(param, f"`{param}` must be a link or a `data:…;base64,…` URI.")
    media_type, *parameters = (text.strip().lower() for text in header.split(";"))
    if "base64" in parameters:
        return File(media_type, decode_base64(unquote(data), param))
    return File(media_type, unquote_to_bytes(data))


def _recognise(content: bytes) -> str:
    """Return the type of an image that doesn't say it, by how it begins; "" if it isn't one."""
    beginnings = {b"\xff\xd8": 0, b"\x89PNG": 1, b"GIF8": 2, b"RIFF": 3}
    found = (IMAGE_TYPES[at] for begin, at in beginnings.items() if content.startswith(begin))
    return next(found, "")
