"""Thought signatures: what a model's thinking hangs on, kept until the next turn.

Gemini 3 and later refuse a call that comes back without its signature (Google's
documentation of thought signatures), and clients drop fields that OpenAI's API does
not have. So a signature is in the call's id as well, which every client sends back.
Knows both places. Must not know parts of messages.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

DUMMY = "skip_thought_signature_validator"
"""What Google takes for a call that was not made by the model that is asked."""

_SIGNED = re.compile(r"(.+?)__ts([0-9a-f]{8})_([A-Za-z0-9_-]+)", re.DOTALL)
_TO_URL = str.maketrans("+/", "-_")
_FROM_URL = str.maketrans("-_", "+/")


class SignedId(NamedTuple):
    """A call's id taken apart. ``signature`` is None where it has none of this target's."""

    id: str
    signature: str | None


def build_id(own_id: Any, signature: str | None, target: str) -> str:
    """Return the id of a call for the client, with its signature in it if it has one.

    ``own_id`` is the model's, if it gave any; ``target`` is ``provider/model``.
    """
    call_id = own_id if isinstance(own_id, str) and own_id else f"call_{secrets.token_hex(12)}"
    if signature is None or not _is_base64(signature):
        return call_id
    return f"{call_id}__ts{_tag(target)}_{signature.translate(_TO_URL).rstrip('=')}"


def parse_id(call_id: str, target: str) -> SignedId:
    """Take apart what ``build_id`` returned; any other id is returned as it is.

    A signature that another target gave is left out: it would be refused as corrupted.
    """
    found = _SIGNED.fullmatch(call_id)
    if found is None:
        return SignedId(call_id, None)
    if found[2] != _tag(target):
        return SignedId(found[1], None)
    signature = found[3].translate(_FROM_URL)
    return SignedId(found[1], signature + "=" * (-len(signature) % 4))


def is_foreign(call_id: str, target: str) -> bool:
    """Tell whether an id has the signature of another target."""
    found = _SIGNED.fullmatch(call_id)
    return found is not None and found[2] != _tag(target)


def build_extra_content(signature: str) -> dict[str, Any]:
    """Return the field in which Google's own OpenAI layer gives a signature (recorded)."""
    return {"google": {"thought_signature": signature}}


def read_extra_content(container: Mapping[str, Any]) -> str | None:
    """Return the signature in a message's or a call's ``extra_content``, if there is one."""
    extra = container.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and signature else None


def _tag(target: str) -> str:
    return f"{zlib.crc32(target.encode('utf-8', 'replace')):08x}"


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
