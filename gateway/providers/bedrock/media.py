"""Images, documents and audio of a message as Converse's blocks.

Knows which formats Converse names (botocore 1.44's service model). Bytes are
base64 in JSON. Must not fetch anything.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.providers.data_uri import File, decode_base64, parse_data_uri
from gateway.validation.fields import unsupported_value, wrong_value

Block = dict[str, Any]

_IMAGES = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_MAX_NAME_LENGTH = 100


def build_media(part: dict[str, Any], param: str, number: int) -> Block:
    """Return the block for a checked part that is not text; raises ``InvalidRequestError``.

    ``number`` tells the documents of a conversation apart, whose names must differ.
    """
    if part["type"] == "image_url":
        return _build_image(part["image_url"]["url"], f"{param}.image_url.url")
    if part["type"] == "input_audio":
        audio = part["input_audio"]
        file = File("", decode_base64(audio["data"], f"{param}.input_audio.data"))
        return {"audio": {"format": audio["format"], "source": _build_source(file)}}
    return _build_document(part["file"], f"{param}.file", number)


def _build_image(url: str, param: str) -> Block:
    image = parse_data_uri(url, param)
    kind = _IMAGES.get(image.media_type)
    if kind is None:
        raise unsupported_value(
            param, f"`{param}` must be a PNG, JPEG, GIF or WebP image: `data:image/png;base64,…`."
        )
    return {"image": {"format": kind, "source": _build_source(image)}}


def _build_document(file: dict[str, Any], param: str, number: int) -> Block:
    data = file.get("file_data")
    if not isinstance(data, str):
        raise unsupported_value(
            param, f"`{param}` must have `file_data`: the gateway stores no files."
        )
    document = parse_data_uri(data, f"{param}.file_data")
    kind = _DOCUMENTS.get(document.media_type)
    if kind is None:
        raise wrong_value(
            f"{param}.file_data",
            f"`{param}.file_data` must be of one of the types {', '.join(_DOCUMENTS)}.",
        )
    name = _build_name(file.get("filename"), number)
    return {"document": {"format": kind, "name": name, "source": _build_source(document)}}


def _build_source(file: File) -> dict[str, Any]:
    return {"bytes": file.to_base64()}


def _build_name(filename: Any, number: int) -> str:
    """Return a name of the characters Bedrock allows, different from all others."""
    stem = filename.rpartition(".")[0] or filename if isinstance(filename, str) else ""
    cleaned = _NOT_IN_NAMES.sub(" ", stem).strip()[:_MAX_NAME_LENGTH].strip()
    return f"{cleaned or 'document'} {number}" if number else cleaned or "document"
