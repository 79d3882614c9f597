"""One field of a multipart body is read and replaced; the rest stays as it was."""

from __future__ import annotations

import pytest
import requests

from gateway.api.multipart import read_field
from gateway.errors import InvalidRequestError

AUDIO = bytes(range(256)) * 300 + b"\r\n--not-the-boundary\r\n"


def build(fields: dict[str, str]) -> tuple[bytes, str]:
    prepared = requests.Request(
        "POST", "http://x", data=fields, files={"file": ("a.wav", AUDIO, "audio/wav")}
    ).prepare()
    assert isinstance(prepared.body, bytes)
    return prepared.body, prepared.headers["Content-Type"]


def test_a_field_is_read_and_replaced() -> None:
    body, content_type = build({"model": "openai/whisper-1", "language": "de"})
    model, rebuild = read_field(body, content_type, "model")
    assert model == "openai/whisper-1"
    rebuilt = rebuild("whisper-1")
    assert read_field(rebuilt, content_type, "model")[0] == "whisper-1"
    assert read_field(rebuilt, content_type, "language")[0] == "de"
    assert rebuilt.count(b'name="model"') == 1
    assert AUDIO in rebuilt
    assert b"Content-Type: audio/wav" in rebuilt


def test_a_field_that_is_not_there_is_added() -> None:
    body, content_type = build({"language": "de"})
    model, rebuild = read_field(body, content_type, "model")
    assert model is None
    assert read_field(rebuild("m"), content_type, "model")[0] == "m"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data", "multipart/form-data; boundary=x"),
        (b"garbage", "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data"),
        (b"--x--\r\n", "multipart/mixed; boundary=x"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_field(body, content_type, "model")
