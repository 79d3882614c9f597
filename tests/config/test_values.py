"""Single values of settings: rates, sizes, addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import parse_many

from gateway.config import values


def _is_rate(text: str) -> bool:
    try:
        values.parse_rate(text)
    except ValueError:
        return False
    return True


_WORDS = st.sampled_from(
    ["1", "60", "0", " ", "/", "per", "minute", "hours", "minuet", ";", ",", "|", "²", "\n"]
)


@given(st.lists(_WORDS, max_size=9).map("".join))
def test_every_rate_that_passes_is_one_for_the_limiter(text: str) -> None:
    if _is_rate(text):
        assert all(item.amount > 0 for item in parse_many(text))


@given(st.integers(1, 10**8), st.integers(1, 999), st.sampled_from(["second", "hours", "Month"]))
def test_every_usual_rate_passes(amount: int, multiple: int, unit: str) -> None:
    for text in (f"{amount}/{unit}", f"{amount} per {multiple} {unit}; 5/minute"):
        assert values.parse_rate(text) == text
        assert parse_many(text)[0].amount == amount


@pytest.mark.parametrize(
    "text", ["", "60", "60/minuet", "0/minute", "5/0 minutes", "5/minute;", "x"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write e\.g\. 60/minute"):
        values.parse_rate(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("33554432", 33554432), ("32 MiB", 33554432), ("32mb", 32_000_000), ("1KiB", 1024)],
)
def test_sizes_are_bytes_or_have_a_unit(text: str, size: int) -> None:
    assert values.parse_size(text) == size


@pytest.mark.parametrize("text", ["0", "-1", "1.5 MiB", "3 apples", "MiB", "0 KiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size; write e\.g\. 33554432 or 32 MiB"):
        values.parse_size(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.example.com", False),
    ],
)
def test_only_addresses_of_this_machine_are_loopback(host: str, expected: bool) -> None:
    assert values.is_loopback(values.parse_host(host)) is expected


_REFUSED: list[tuple[Callable[[str], Any], str]] = [
    (values.parse_host, "http://localhost"),
    (values.parse_host, "127.0.0.1:80"),
    (values.parse_host, "300.1.1.1"),
    (values.parse_host, "a b"),
    (values.parse_switch, "maybe"),
    (values.parse_seconds, "0"),
    (values.parse_seconds, "-1"),
    (values.parse_seconds, "nan"),
    (values.parse_seconds, "inf"),
    (values.parse_seconds, "5s"),
    (values.parse_integer(1, 65535), "0"),
    (values.parse_integer(1, 65535), "65536"),
    (values.parse_integer(1, 65535), "80.0"),
    (values.parse_integer(1, 65535), "9" * 5000),
    (values.parse_integer(0), "²"),
    (values.parse_origin, "https://a.example/path"),
    (values.parse_origin, "a.example"),
    (values.parse_base_url, "localhost:11434"),
    (values.parse_base_url, "ftp://a.example"),
    (values.parse_base_url, "http://"),
    (values.parse_base_url, "http://a.example:99999"),
    (values.parse_base_url, "http://a.example:x"),
    (values.parse_base_url, "http://[::1"),
    (values.parse_base_url, "http://a.example/?x=1"),
    (values.parse_base_url, "http://a.example/#x"),
    (values.parse_base_url, "http://a.exa\nmple"),
    (values.parse_base_url, "http://u:p@a.example"),
    (values.parse_proxy_url, "http://proxy/path"),
    (values.parse_proxy_url, "socks5://proxy"),
    (values.parse_redis_url, "http://a.example"),
    (values.parse_redis_url, "redis://a.example/db"),
    (values.parse_database_url, "sqlite://"),
    (values.parse_database_url, "sqlite:///"),
    (values.parse_database_url, "sqlite:///:memory:"),
    (values.parse_database_url, "sqlite:///a.db?mode=ro"),
    (values.parse_database_url, "sqlite:///data/"),
    (values.parse_database_url, "mysql://a.example/db"),
    (values.parse_database_url, "postgresql://a.example"),
    (values.parse_database_url, "postgresql:///db"),
    (values.parse_credential, ""),
    (values.parse_credential, "a\r\nb"),
    (values.parse_credential, "käse"),
    (values.parse_header_name, "a b"),
    (values.parse_header_name, "a\r\nb"),
    (values.parse_header_name, "Content-Length"),
    (values.parse_header_value, "a\r\nb"),
    (values.parse_header_value, "a "),
    (values.parse_header_value, "€"),
    (values.parse_api_keys, "a" * 16 + "\x07"),
]


@pytest.mark.parametrize(("parse", "text"), _REFUSED)
def test_wrong_values_are_refused(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (values.parse_api_keys, "hunter2"),
        (values.parse_credential, "hunter2 "),
        (values.parse_base_url, "http://u:hunter2@a.example"),
        (values.parse_proxy_url, "socks5://u:hunter2@proxy"),
        (values.parse_redis_url, "http://u:hunter2@a.example"),
        (values.parse_database_url, "postgresql://u:hunter2@a.example"),
        (values.parse_header_value, "hunter2\n"),
    ],
)
def test_a_message_never_repeats_what_may_be_secret(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (values.parse_base_url, "http://a.example/", "http://a.example"),
        (values.parse_base_url, "https://a.example:8443/v1//", "https://a.example:8443/v1"),
        (values.parse_base_url, "http://[::1]:11434", "http://[::1]:11434"),
        (values.parse_proxy_url, "http://u:p@proxy:3128/", "http://u:p@proxy:3128"),
        (values.parse_redis_url, "rediss://:p@r.example:6380/2", "rediss://:p@r.example:6380/2"),
        (values.parse_redis_url, "unix:///run/redis.sock", "unix:///run/redis.sock"),
        (values.parse_database_url, "sqlite:////var/g.db", "sqlite:////var/g.db"),
        (values.parse_database_url, "postgres://u:p@h:1/g", "postgresql://u:p@h:1/g"),
        (values.parse_switch, "ON", True),
        (values.parse_switch, "false", False),
        (values.parse_seconds, "0.5", 0.5),
        (values.parse_header_value, "Bearer a b", "Bearer a b"),
        (values.parse_list(values.parse_origin), "*", ("*",)),
        (
            values.parse_list(values.parse_origin),
            "https://a.example, http://localhost:3000,",
            ("https://a.example", "http://localhost:3000"),
        ),
        (values.parse_api_keys, f"{'a' * 16}, {'b' * 16},", ("a" * 16, "b" * 16)),
    ],
)
def test_right_values_are_read(parse: Callable[[str], Any], text: str, expected: Any) -> None:
    assert parse(text) == expected
