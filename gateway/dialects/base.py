"""What every dialect of chats is: a module with these functions, and nothing else to register.

Must not know Flask, sockets, providers, or any one dialect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from gateway.errors import GatewayError
from gateway.types import ChatCompletion, ChatRequest, Chunk


class ChatDialect(Protocol):
    """One public API for chats, translated to and from the canonical form.

    A request in it may be canonical, or a ``NativeRequest`` that carries the client's own
    body too; answers then are canonical, or native of the same dialect where the
    provider speaks it.
    """

    CONTENT_TYPE: str
    """Of streams."""

    def parse_request(self, body: bytes, headers: Mapping[str, str]) -> ChatRequest:
        """Translate a request; ``stream`` in the result says whether it wants a stream.

        ``headers`` are the client's, by their names in lower case. Raises
        ``InvalidRequestError`` for what is wrong or can't be translated.
        """

    def encode_completion(self, completion: ChatCompletion, request: ChatRequest) -> Any:
        """Return a whole answer to ``request`` as JSON's types, or as bytes that are JSON."""

    def iter_frames(self, batches: Iterator[list[Chunk]], request: ChatRequest) -> Iterator[bytes]:
        """Encode a stream: all chunks of a batch in one piece, and the end mark last.

        A batch without chunks gives b"". A failure becomes the dialect's error event and
        is raised after it; nothing is made up.
        """

    def encode_note(self, note: str, has_begun: bool) -> bytes:
        """Return what keeps a silent stream alive: it tells ``note`` ("" is a ping) where it can.

        ``has_begun`` tells whether a frame was written before. b"" where the format has no
        place for it.
        """

    def encode_error(self, error: GatewayError) -> Any:
        """Return the body of an error answer, as JSON's types."""
