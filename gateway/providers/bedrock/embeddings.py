"""Embeddings over Bedrock's InvokeModel, whose body is each model's own.

Knows the bodies of Titan, Nova and Cohere (AWS's documentation, and recorded). Must not
know how vectors are encoded for the client: they are lists of numbers here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.config.settings import Target
from gateway.errors import InvalidRequestError
from gateway.providers.answer import read_count
from gateway.providers.bedrock.request import build_model_path
from gateway.providers.embeddings import build_list, not_embeddings, read_texts
from gateway.providers.request_body import dump_body
from gateway.serialization import loads_lenient
from gateway.types import EmbeddingsAnswer, EmbeddingsRequest, UpstreamRequest
from gateway.validation import check_embeddings_request
from gateway.validation.fields import unsupported_parameter, unsupported_value

MAX_COHERE_TEXTS = 96
MAX_REQUESTS = 64
"""Texts for a model that embeds one a request."""

TOKEN_COUNT_HEADER = "x-amzn-bedrock-input-token-count"

_STRUCTURED = frozenset({"model", "input", "dimensions", "encoding_format", "user"})


@dataclass(frozen=True)
class BedrockEmbeddings:
    """A ``gateway.types.SplitEmbeddingsCall``; ``inputs`` is how many vectors are expected."""

    requests: Sequence[UpstreamRequest]
    model: str
    inputs: int
    dropped_params: Sequence[str] = ()

    @property
    def request(self) -> UpstreamRequest:
        """Return the first request, which is the only one for models that take many texts."""
        return self.requests[0]

    def parse_response(self, body: bytes) -> dict[str, Any]:
        """Translate the answer to the only request."""
        return self.parse_responses([EmbeddingsAnswer(body)])

    def parse_responses(self, answers: Sequence[EmbeddingsAnswer]) -> dict[str, Any]:
        """Translate the answers, in order; raises ``UpstreamError`` where one is none."""
        vectors: list[Any] = []
        tokens = 0
        for answer in answers:
            found, told = _parse(answer.body)
            vectors += found
            tokens += _read_header(answer.headers) or told
        return build_list(vectors, inputs=self.inputs, model=self.model, tokens=tokens)


def build_embeddings(request: EmbeddingsRequest, target: Target) -> BedrockEmbeddings:
    """Translate a request; raises ``InvalidRequestError`` with ``param``."""
    check_embeddings_request(request)
    texts = read_texts(request["input"])
    builder, at_once = _find_builder(target.model)
    limit = MAX_COHERE_TEXTS if at_once > 1 else MAX_REQUESTS
    if len(texts) > limit:
        raise InvalidRequestError(
            f"`input` may hold at most {limit} texts with this model, but holds {len(texts)}.",
            param="input",
            code="array_above_max_length",
        )
    more = {name: value for name, value in request.items() if name not in _STRUCTURED}
    path = f"{build_model_path(target)}/invoke"
    bodies = (
        builder(texts[start : start + at_once], request.get("dimensions"))
        for start in range(0, len(texts), at_once)
    )
    requests = [UpstreamRequest("POST", path, dump_body({**body, **more})) for body in bodies]
    return BedrockEmbeddings(requests, target.requested_model, len(texts))


def _find_builder(model: str) -> tuple[Callable[[list[str], int | None], dict[str, Any]], int]:
    """Return what builds a model's body, and how many texts go into one."""
    if "cohere.embed" in model:
        return _build_cohere, MAX_COHERE_TEXTS
    if "titan-embed" in model:
        return (_build_titan_v1 if "titan-embed-text-v1" in model else _build_titan), 1
    if "nova" in model and "embed" in model:
        return _build_nova, 1
    raise unsupported_value("model", "This model gives no embeddings.")


def _read_header(headers: Mapping[str, str]) -> int:
    count = headers.get(TOKEN_COUNT_HEADER, "")
    return int(count) if count.isascii() and count.isdigit() else 0


def _build_cohere(texts: list[str], dimensions: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {"texts": texts, "input_type": "search_document", "truncate": "NONE"}
    return body if dimensions is None else {**body, "output_dimension": dimensions}


def _build_titan(texts: list[str], dimensions: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {"inputText": texts[0]}
    return body if dimensions is None else {**body, "dimensions": dimensions}


def _build_titan_v1(texts: list[str], dimensions: int | None) -> dict[str, Any]:
    if dimensions is not None:
        raise unsupported_parameter("dimensions", "This model has one number of dimensions only.")
    return {"inputText": texts[0]}


def _build_nova(texts: list[str], dimensions: int | None) -> dict[str, Any]:
    params: dict[str, Any] = {
        "embeddingPurpose": "GENERIC_INDEX",
        "text": {"truncationMode": "NONE", "value": texts[0]},
    }
    if dimensions is not None:
        params["embeddingDimension"] = dimensions
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


def _parse(body: bytes) -> tuple[list[Any], int]:
    try:
        value = loads_lenient(body)
    except ValueError:
        value = None
    value = value if isinstance(value, dict) else {}
    vectors = _find_vectors(value)
    if not isinstance(vectors, list):
        raise not_embeddings()
    return vectors, read_count(value, "inputTextTokenCount")


def _find_vectors(value: dict[str, Any]) -> Any:
    """Return the vectors: Titan's one, Cohere's by type or as a list, Nova's in objects."""
    if "embedding" in value:
        return [value["embedding"]]
    embeddings = value.get("embeddings")
    if isinstance(embeddings, dict):
        return embeddings.get("float")
    if isinstance(embeddings, list):
        return [each["embedding"] if _is_nova(each) else each for each in embeddings]
    return None


def _is_nova(entry: Any) -> bool:
    return isinstance(entry, dict) and "embedding" in entry
