"""One field of a multipart body is read and replaced; the rest stays as it was."""

from __future__ import annotations

import contextlib
import io

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.formparser import parse_form_data

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


def parse(body: bytes, content_type: str) -> tuple[list[tuple[str, str]], list[tuple[str, bytes]]]:
    """Return what another parser reads in a form: its fields and its files."""
    environ = {
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": content_type,
        "REQUEST_METHOD": "POST",
    }
    _, fields, files = parse_form_data(environ)
    read = []
    for name, file in files.items(multi=True):
        with contextlib.closing(file):
            read.append((name, file.read()))
    return sorted(fields.items(multi=True)), sorted(read)


@given(
    st.lists(st.tuples(st.text("abcdelmo", min_size=1), st.text()), max_size=4),
    st.lists(st.binary(max_size=200) | st.just(AUDIO), max_size=3),
    st.text("model", min_size=1),
)
def test_another_parser_reads_the_same_form_but_for_the_field(
    fields: list[tuple[str, str]], files: list[bytes], model: str
) -> None:
    parts = [(f"file{place}", (f"{place}.wav", data)) for place, data in enumerate(files)]
    given = [(name, (None, value)) for name, value in [*fields, ("model", model)]]
    prepared = requests.Request("POST", "http://x", files=[*parts, *given]).prepare()
    body, content_type = prepared.body, prepared.headers["Content-Type"]
    assert isinstance(body, bytes)
    value, rebuild = read_field(body, content_type, "model")
    assert value == next(value for name, value in [*fields, ("model", model)] if name == "model")
    before, files_before = parse(body, content_type)
    after, files_after = parse(rebuild("other"), content_type)
    assert after == sorted([*(each for each in before if each[0] != "model"), ("model", "other")])
    assert files_after == files_before


@given(
    st.lists(
        st.sampled_from(
            [
                b"--x",
                b"--",
                b"\r\n",
                b"\n",
                b" ",
                b"a",
                b":",
                b";",
                b"=",
                b"Content-Disposition: form-data; name=model",
                b"Content-Type: a/b",
                b"\xff",
            ]
        )
    )
)
def test_no_bytes_are_more_than_refused(pieces: list[bytes]) -> None:
    with contextlib.suppress(InvalidRequestError):
        value, rebuild = read_field(b"".join(pieces), "multipart/form-data; boundary=x", "model")
        again, _ = read_field(rebuild("m"), "multipart/form-data; boundary=x", "model")
        assert again == "m"
        assert value is None or isinstance(value, str)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--x\r\n\r\nhi\r\n--x--", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Type: a/b\r\n\r\nhi\r\n--x--", "multipart/form-data; boundary=x"),
        (
            b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n" * 1001 + b"--x--",
            "multipart/form-data; boundary=x",
        ),
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
