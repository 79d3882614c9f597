"""Images, audio and files of a message as Gemini's ``inlineData`` and ``fileData``.

Knows data URIs (RFC 2397) and the addresses that Google reads by itself. Must not
fetch anything.
"""

from __future__ import annotations

import mimetypes
from typing import Any
from urllib.parse import unquote, urlsplit

from gateway.providers.data_uri import File, decode_base64
from gateway.validation.fields import unsupported_value, wrong_type, wrong_value

Part = dict[str, Any]

_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mp3"}
_PROPER_TYPES = {"image/jpg": "image/jpeg"}
_BEGINNINGS = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
)
_GOOGLES_FILES = "generativelanguage.googleapis.com"
_UNKNOWN_TYPE = "application/octet-stream"


def needs_fetching(url: str) -> bool:
    """Tell whether an image's address is one that Google doesn't read by itself."""
    scheme = url.partition(":")[0].strip().lower()
    return scheme in ("http", "https") and not _is_googles(url)


def build_image(url: str, param: str, *, may_name_files: bool) -> Part:
    """Return the part for an image: a data URI, a file at Google or in Cloud Storage.

    Raises ``InvalidRequestError`` for anything else, and for those files unless
    ``may_name_files``: they are read with the gateway's own rights.
    """
    if _is_googles(url):
        return _build_file_reference(url, url, param, may_name_files)
    if needs_fetching(url):
        raise unsupported_value(
            param,
            f"`{param}` is a link, and images are not fetched: "
            "send the image itself as a `data:image/…;base64,…` URI.",
        )
    media_type, data = _read_data_uri(url, param)
    if media_type and not media_type.startswith("image/"):
        raise wrong_value(param, f"`{param}` must hold an image, not another type of data.")
    return _build_inline(media_type, data, param)


def build_audio(audio: dict[str, Any], param: str) -> Part:
    """Return the part for OpenAI's ``input_audio``."""
    return _build_inline(_AUDIO_TYPES[audio["format"]], audio["data"], f"{param}.data")


def build_file(file: dict[str, Any], param: str, *, may_name_files: bool) -> Part:
    """Return the part for OpenAI's ``file``, with its data or an address at Google as its id.

    ``file_data`` is a data URI, or base64 alone: then the name tells its type. Raises
    as ``build_image`` does.
    """
    filename, data, file_id = (file.get(name) for name in ("filename", "file_data", "file_id"))
    for name, value in (("filename", filename), ("file_data", data), ("file_id", file_id)):
        if value is not None and not isinstance(value, str):
            raise wrong_type(f"{param}.{name}", "a string", value)
    if data:
        if not data.lower().startswith("data:"):
            return _build_inline(_guess_type(filename), data, f"{param}.file_data")
        media_type, content = _read_data_uri(data, f"{param}.file_data")
        return _build_inline(media_type or _guess_type(filename), content, f"{param}.file_data")
    if file_id and _is_googles(file_id):
        return _build_file_reference(
            file_id, filename or file_id, f"{param}.file_id", may_name_files
        )
    raise unsupported_value(
        f"{param}.file_id",
        f"`{param}` must hold the file itself as `file_data`, or as `file_id` the address of a "
        "file in Google's Files API or Cloud Storage.",
    )


def _is_googles(url: str) -> bool:
    """Tell whether an address is in Cloud Storage or in the Files API."""
    if url.startswith("gs://"):
        return True
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "https" and parts.hostname == _GOOGLES_FILES and "/files/" in parts.path
        )
    except ValueError:
        return False


def _build_file_reference(url: str, name: str, param: str, may_name_files: bool) -> Part:
    if not may_name_files:
        raise unsupported_value(
            param,
            f"`{param}` names a file at Google, which this gateway does not let clients do: "
            "send the file itself as base64.",
        )
    data = {"fileUri": url}
    media_type = _guess_type(urlsplit(name).path)
    if media_type:
        data["mimeType"] = media_type
    return {"fileData": data}


def _read_data_uri(url: str, param: str) -> tuple[str, str]:
    """Return a data URI's media type, in lower case and perhaps "", and its base64."""
    scheme, _, rest = url.partition(":")
    header, comma, data = rest.partition(",")
    if scheme.strip().lower() != "data" or not comma:
        raise wrong_value(param, f"`{param}` must be a `data:…;base64,…` URI.")
    media_type, *parameters = (text.strip().lower() for text in header.split(";"))
    if "base64" not in parameters:
        raise wrong_value(param, f"`{param}` must be encoded in base64 (`;base64,`).")
    return media_type, unquote(data) if "%" in data else data


def _build_inline(media_type: str, data: str, param: str) -> Part:
    """Return a part with base64 in the standard alphabet, with padding."""
    content = decode_base64(data, param)
    media_type = _PROPER_TYPES.get(media_type, media_type) or _sniff_type(content)
    file = File(media_type, content)
    return {"inlineData": {"mimeType": file.media_type, "data": file.to_base64()}}


def _guess_type(name: str | None) -> str:
    return (mimetypes.guess_type(name)[0] if name else None) or ""


def _sniff_type(content: bytes) -> str:
    for beginning, media_type in _BEGINNINGS:
        if content.startswith(beginning):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return _UNKNOWN_TYPE
