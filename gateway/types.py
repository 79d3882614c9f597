"""The canonical form: OpenAI's chat-completion JSON as plain dicts, and what passes between layers.

Knows the names and shapes of OpenAI's API (openai-python 3.3.1). Must not know
any other format. Unknown fields survive, for the dicts are what came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypedDict, runtime_checkable

ChatRequest = dict[str, Any]
"""A chat-completion request as the client sent it, parsed."""

EmbeddingsRequest = dict[str, Any]
"""An embeddings request as the client sent it, parsed."""

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class PromptTokensDetails(TypedDict, total=False):
    """What of a prompt's tokens was there already, in tokens."""

    cached_tokens: int


class CompletionTokensDetails(TypedDict, total=False):
    """What of a completion's tokens the client does not see as text, in tokens."""

    reasoning_tokens: int


class Usage(TypedDict, total=False):
    """Token counts of one request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class ChunkChoice(TypedDict, total=False):
    """One choice's part of a chunk; ``finish_reason`` is None but in its last one."""

    index: int
    delta: dict[str, Any]
    finish_reason: str | None
    logprobs: Any


class Chunk(TypedDict, total=False):
    """One ``chat.completion.chunk``."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None


class RawChunk(dict[str, Any]):
    """A chunk that came in OpenAI's own format, with the event's bytes as they came.

    A dialect of the same format may pass ``raw`` on instead of encoding the dict.
    """

    __slots__ = ("raw",)
    raw: bytes


class NativeRequest(dict[str, Any]):
    """A canonical chat request that came in another API's format, with its body in that format.

    ``dialect`` is the API's name: ``messages`` (Anthropic), ``responses`` (OpenAI),
    ``ollama_chat``, ``ollama_generate``. A provider that speaks it may build its request
    from ``native`` alone, so that nothing which only that API can say is lost; it then
    answers with ``NativeChunk`` or ``NativeCompletion`` of the same dialect.
    ``native_headers`` are the client's headers that belong to that API, in lower case.
    ``untranslated`` names what the canonical request can't say: dropped, where the
    provider doesn't speak the dialect. ``native_only`` names what can't be left out
    without changing the meaning: there the request is refused. ``preferences`` are
    canonical parameters to honour only where the model is known to be able to.
    """

    __slots__ = (
        "dialect",
        "native",
        "native_headers",
        "native_only",
        "preferences",
        "untranslated",
    )

    def __init__(
        self,
        canonical: Mapping[str, Any],
        dialect: str,
        native: dict[str, Any],
        native_headers: Mapping[str, str] | None = None,
        untranslated: tuple[str, ...] = (),
        native_only: tuple[str, ...] = (),
        preferences: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(canonical)
        self.dialect = dialect
        self.native = native
        self.native_headers = native_headers or {}
        self.untranslated = untranslated
        self.native_only = native_only
        self.preferences = preferences or {}


class NativeChunk(dict[str, Any]):
    """A canonical chunk that came as part of another API's stream, with the bytes of that part.

    Chunks of one stream are all native or none is. ``raw`` is as the dialect writes it
    (a framed event, a line), ready to be passed on; ``dialect`` as in ``NativeRequest``.
    The dict is what the part says in canonical form, for metering, caching and
    choosing: its ``choices`` are ``[]`` where that is nothing.
    """

    __slots__ = ("dialect", "raw")
    dialect: str
    raw: bytes


ChatCompletion = dict[str, Any]
"""A whole ``chat.completion``."""


class RawCompletion(dict[str, Any]):
    """A whole answer (completion or embeddings) that came in OpenAI's own format, with its bytes.

    A dialect of the same format may pass ``raw``, one JSON object, on instead of
    encoding the dict: numbers of any size and spelling survive only there.
    """

    __slots__ = ("raw",)
    raw: bytes


class NativeCompletion(dict[str, Any]):
    """A whole answer in canonical form that came in another API's format, with its bytes."""

    __slots__ = ("dialect", "raw")
    dialect: str
    raw: bytes


class UpstreamRequest(NamedTuple):
    """What to send to a provider: ``path`` is relative to its base URL and already quoted."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = {}


class PassthroughRequest(NamedTuple):
    """A request whose body goes on as it came, but for the name of its model.

    ``operation`` is OpenAI's path below the base URL, such as ``/audio/speech``;
    ``build_body`` returns the body for a target's model, of the type ``content_type``;
    ``size`` is that of the client's, in bytes.
    """

    operation: str
    model: str
    content_type: str
    build_body: Callable[[str], bytes]
    size: int


class Signer(Protocol):
    """Signs requests for a provider that has no key to show."""

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Mapping[str, str]:
        """Return the headers that are added to a request; raises ``GatewayError``.

        ``headers`` are those that say what the body is; ``url`` is absolute, and quoted as sent.
        """


class ModelInfo(NamedTuple):
    """What a provider's own list tells of one of its models.

    ``capabilities`` are Ollama's names (``completion``, ``tools``, ``vision``,
    ``thinking``, ``audio``, ``embedding`` …); None where the provider doesn't say.
    ``created`` is in Unix seconds, ``context_length`` in tokens.
    """

    id: str
    created: int = 0
    owned_by: str = ""
    capabilities: frozenset[str] | None = None
    context_length: int | None = None


class ChatCall(Protocol):
    """One chat request, translated for one provider, with what is needed to read its answer.

    ``requests`` has one entry a choice for providers that give one choice a call
    (``n`` > 1); the results are merged. ``streamed`` tells whether the upstream
    answers with a stream (then ``iter_chunks`` reads it, also for clients that
    asked for a whole answer) or with one JSON body (``parse_response``).
    """

    @property
    def requests(self) -> Sequence[UpstreamRequest]: ...

    @property
    def dropped_params(self) -> Sequence[str]:
        """Names of what was asked and can't be honoured, for ``x-gateway-dropped-params``."""

    @property
    def streamed(self) -> bool: ...

    def iter_chunks(self, pieces: Iterator[bytes], index: int) -> Iterator[list[Chunk]]:
        """Translate the bytes of the answer to ``requests[index]`` into canonical chunks.

        Yields one list for each piece, ``[]`` when it completed nothing (an empty
        piece says that nothing came for a while). Raises a ``GatewayError`` for an
        error in the stream, garbage, or an end without the format's own end mark,
        after all chunks before it were yielded. A usage chunk (``choices: []``) is
        yielded wherever the provider tells it, asked for or not.
        """

    def parse_response(self, body: bytes) -> ChatCompletion:
        """Translate a whole answer; raises ``UpstreamError`` where it is not one."""


class EmbeddingsAnswer(NamedTuple):
    """One answer to a request for embeddings; ``headers`` have lower-case names."""

    body: bytes
    headers: Mapping[str, str] = {}


@runtime_checkable
class SplitEmbeddingsCall(Protocol):
    """One embeddings request that takes several upstream, or whose usage is told in headers.

    An ``EmbeddingsCall`` in all else; its ``requests`` are made at the same time, or in turn
    where the target has limits to how many that may be.
    """

    @property
    def requests(self) -> Sequence[UpstreamRequest]: ...

    def parse_responses(self, answers: Sequence[EmbeddingsAnswer]) -> dict[str, Any]:
        """Translate the answers, in the order of ``requests``, into one list of embeddings."""


class EmbeddingsCall(Protocol):
    """One embeddings request, translated for one provider."""

    @property
    def request(self) -> UpstreamRequest: ...

    @property
    def dropped_params(self) -> Sequence[str]: ...

    def parse_response(self, body: bytes) -> dict[str, Any]:
        """Translate the answer into OpenAI's ``list`` of embeddings.

        As floats, unless it came in OpenAI's format (a ``RawCompletion``), where the
        upstream has honoured ``encoding_format``.
        """
