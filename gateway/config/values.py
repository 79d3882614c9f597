"""Reading single values from text: numbers, sizes, rates, addresses, headers, keys.

Knows what a right value looks like and how to say so. Must not know where the
text came from, nor which setting it is for. Every function raises ``ValueError``
with a sentence for people; one whose value may be a secret does not repeat it.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from gateway.config.settings import SQLITE_PREFIX

MINIMUM_KEY_LENGTH = 16

_RATE = re.compile(
    r"\s*([0-9]{1,15})\s*(?:/|per)\s*([0-9]{1,4})?\s*(?:second|minute|hour|day|month|year)s?\s*",
    re.IGNORECASE,
)
_SIZE = re.compile(r"([0-9]{1,15})\s*(B|KB|MB|GB|KiB|MiB|GiB)?", re.IGNORECASE)
_SIZE_UNITS = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
}
_SWITCH = {
    **dict.fromkeys(("on", "true", "yes", "1"), True),
    **dict.fromkeys(("off", "false", "no", "0"), False),
}
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")
_CLOUD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,99}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_API_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|preview|latest|v1")
_FRAMING_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})


def parse_switch(text: str) -> bool:
    """Read ``on`` or ``off`` (also true/false, yes/no, 1/0)."""
    if text.lower() not in _SWITCH:
        raise ValueError(f"{text!r} is neither on nor off")
    return _SWITCH[text.lower()]


def parse_integer(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``minimum`` to ``maximum``."""
    wanted = f"of {minimum} or more" if maximum is None else f"from {minimum} to {maximum}"

    def parse(text: str) -> int:
        value = int(text) if re.fullmatch("[0-9]{1,18}", text) else None
        if value is None or value < minimum or (maximum is not None and value > maximum):
            raise ValueError(f"{text!r} is not a whole number {wanted}")
        return value

    return parse


def parse_seconds(text: str) -> float:
    """Read a duration in seconds, above zero."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{text!r} is not a number of seconds above 0")
    return value


def parse_size(text: str) -> int:
    """Read a number of bytes: ``33554432``, ``32 MiB`` (1024s) or ``32 MB`` (1000s)."""
    match = _SIZE.fullmatch(text)
    size = int(match[1]) * _SIZE_UNITS[(match[2] or "B").lower()] if match else 0
    if size < 1:
        raise ValueError(f"{text!r} is not a size; write e.g. 33554432 or 32 MiB")
    return size


def parse_choice(*choices: str) -> Callable[[str], str]:
    """Return a reader of one of ``choices``, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text.lower()

    return parse


def parse_rate(text: str) -> str:
    """Check a rate such as ``60/minute`` or ``5/second; 1000 per 2 hours``; return it as written.

    The grammar is that of the limits package, which is not asked here because it
    imports ``ssl``, and the configuration is read before gevent patches that.
    """
    for rate in re.split("[,;|]", text):
        match = _RATE.fullmatch(rate)
        if not match:
            raise ValueError(f"{rate.strip()!r} is not a rate; write e.g. 60/minute")
        if 0 in (int(match[1]), int(match[2] or 1)):
            raise ValueError(f"{rate.strip()!r} lets nothing through; write e.g. 60/minute")
    return text


def parse_host(text: str) -> str:
    """Check an address to bind to: an IP address or a host name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not _HOST_NAME.fullmatch(text) or re.fullmatch(r"[0-9.]+", text):
            raise ValueError(f"{text!r} is neither an IP address nor a host name") from None
    return text


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what is bound to ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def parse_list(parse_item: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of comma-separated items; spaces around them do not count."""

    def parse(text: str) -> tuple[str, ...]:
        return tuple(parse_item(item.strip()) for item in text.split(",") if item.strip())

    return parse


def parse_origin(text: str) -> str:
    """Check an origin a browser may call from: ``*``, or scheme and host without a path."""
    if text == "*":
        return text
    parts = _split_url(text, ("http", "https"))
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{text!r} is not an origin; write e.g. https://app.example.com")
    return text


def parse_base_url(text: str) -> str:
    """Check where an upstream is and return it without a trailing slash."""
    parts = _split_url(text, ("http", "https"))
    if "@" in parts.netloc:
        raise ValueError("a base URL can't hold credentials; use api_key or headers")
    if "?" in text or "#" in text:
        raise ValueError("a base URL can't hold a query or a fragment")
    return text.rstrip("/")


def parse_proxy_url(text: str) -> str:
    """Check the address of an HTTP proxy; it may hold a user and a password."""
    parts = _split_url(text, ("http",))
    if parts.path.rstrip("/") or "?" in text or "#" in text:
        raise ValueError(
            "a proxy is only scheme, host and port, e.g. http://proxy.example.com:3128"
        )
    return text.rstrip("/")


def parse_webhook_url(text: str) -> str:
    """Check an address that is told of something; it may hold a secret."""
    try:
        _split_url(text, ("http", "https"))
    except ValueError:
        raise ValueError("is no URL; write e.g. https://hooks.example.com/budgets") from None
    return text


def parse_redis_url(text: str) -> str:
    """Check where Redis is; the URL may hold a password."""
    if text.startswith("unix:///"):
        return text
    parts = _split_url(text, ("redis", "rediss"), also="unix")
    if not re.fullmatch(r"(/[0-9]{0,5})?", parts.path):
        raise ValueError("the path of a Redis URL is a database's number, e.g. redis://host:6379/0")
    return text


def parse_database_url(text: str) -> str:
    """Check where the database is: a file of SQLite's, or PostgreSQL, where it may hold a password.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://user:password@host/name``.
    """
    scheme = text.partition(":")[0]
    if scheme in ("postgresql", "postgres"):
        parts = _split_url(text, ("postgresql", "postgres"))
        if not re.fullmatch(r"/[^/]+", parts.path):
            raise ValueError("names no database; write e.g. postgresql://user:password@host/name")
        return "postgresql" + text.removeprefix(scheme)
    if scheme != "sqlite":
        raise ValueError(
            "is neither SQLite nor PostgreSQL; write e.g. sqlite:///data/gateway.db "
            "or postgresql://user:password@host/name"
        )
    path = text.removeprefix(SQLITE_PREFIX)
    if path == text or not path or path.endswith("/") or path.startswith(":memory:"):
        raise ValueError(f"{text!r} names no file; write e.g. sqlite:///data/gateway.db")
    if "?" in path:
        raise ValueError(f"{text!r} has options; only the file's name is taken")
    return text


def parse_api_keys(text: str) -> tuple[str, ...]:
    """Read comma-separated keys that clients must show: any text of 16 characters or more."""
    keys = parse_list(str)(text)
    for position, key in enumerate(keys, start=1):
        if len(key) < MINIMUM_KEY_LENGTH:
            raise ValueError(
                f"key {position} has {len(key)} characters; a key needs {MINIMUM_KEY_LENGTH} "
                "or more, e.g. from: openssl rand -hex 24"
            )
        if not key.isprintable():
            raise ValueError(f"key {position} has a control character")
    return keys


def parse_credential(text: str) -> str:
    """Check a key that is sent to an upstream in a header."""
    if not text:
        raise ValueError("is empty")
    if not all("!" <= character <= "~" for character in text):
        raise ValueError("a key is printable ASCII without spaces")
    return text


def parse_api_version(text: str) -> str:
    """Read a version of Azure's API: a date, or a word such as ``preview``."""
    if not _API_VERSION.fullmatch(text):
        raise ValueError(f"{text!r} is not a version; write e.g. 2024-10-21")
    return text


def parse_region(text: str) -> str:
    """Check the name of a cloud's region, which becomes part of a host's name."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text):
        raise ValueError(f"{text!r} is not the name of a region; write e.g. eu-central-1")
    return text


def parse_cloud_name(text: str) -> str:
    """Check the name of a project in somebody's cloud."""
    if not _CLOUD_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name of letters, digits, '-', '.' and ':'")
    return text


def parse_network(text: str) -> str:
    """Check a network: an IP address, or one with the length of its prefix."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is not a network; write e.g. 10.1.0.0/16") from None


def parse_header_name(text: str) -> str:
    """Check the name of a header; what frames a message is not for the configuration."""
    if not _HEADER_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not the name of a header")
    if text.lower() in _FRAMING_HEADERS:
        raise ValueError("the gateway sets this header itself")
    return text


def parse_header_value(text: str) -> str:
    """Check the value of a header: Latin-1 without control characters."""
    if any((ch < " " and ch != "\t") or ch == "\x7f" or ch > "\xff" for ch in text):
        raise ValueError("a header's value is Latin-1 text without line ends or control characters")
    if text != text.strip():
        raise ValueError("a header's value can't begin or end with a space")
    return text


def _split_url(text: str, schemes: tuple[str, ...], also: str | None = None) -> SplitResult:
    """Split a URL that has one of ``schemes`` and a host.

    It is not repeated in a message, for it may hold a secret.
    """
    known = " or ".join(f"{scheme}://" for scheme in (*schemes, *((also,) if also else ())))
    if not all("!" <= character <= "~" for character in text):
        raise ValueError("a URL is printable ASCII without spaces")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise ValueError(f"is not a URL ({error})") from None
    if not valid:
        raise ValueError(f"is not a URL; it begins with {known}, then a host and perhaps a port")
    return parts
