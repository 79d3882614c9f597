"""gunicorn's own lines in the log, in the formats of the gateway's.

Knows gunicorn's logger and how log lines look.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from gunicorn.glogging import Logger

from gateway.log_format import JSONFormatter, TextFormatter


class TextLogger(Logger):  # type: ignore[misc]
    """gunicorn's own lines, in the format of the gateway's."""

    formatter: ClassVar[type[logging.Formatter]] = TextFormatter

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(self.formatter())


class JSONLogger(TextLogger):
    """gunicorn's own lines as one JSON object each."""

    formatter = JSONFormatter
