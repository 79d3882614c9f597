"""What all encoders of streams do: a batch in, its bytes out, and an honest end.

Must not know any one API's format.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from gateway.errors import GatewayError, InternalServerError
from gateway.types import Chunk

logger = logging.getLogger("gateway.stream")


def iter_encoded(
    batches: Iterator[list[Chunk]],
    encode: Callable[[list[Chunk]], bytes],
    encode_error: Callable[[GatewayError], bytes],
) -> Iterator[bytes]:
    """Yield what ``encode`` makes of each batch; b"" for one without chunks.

    A failure becomes what ``encode_error`` makes of it, and is raised after that.
    """
    try:
        for batch in batches:
            yield encode(batch) if batch else b""
    except GatewayError as error:
        yield encode_error(error)
        raise
    except Exception as error:
        logger.exception("a stream failed")
        failure = InternalServerError("The gateway failed while it streamed the answer.")
        yield encode_error(failure)
        raise failure from error
