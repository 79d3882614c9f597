"""``wsgi:app``, for gunicorn and any other WSGI server."""

import sys

from app import create_app
from gateway.api.services import EXTENSION
from gateway.errors import ConfigurationError
from gateway.transport import restart_on_sigterm

_GUNICORN_APP_LOAD_ERROR = 4

try:
    app = create_app()
except ConfigurationError as error:
    print(error, file=sys.stderr, flush=True)
    # gunicorn gives up on this status, where it would start other workers on others.
    sys.exit(_GUNICORN_APP_LOAD_ERROR)

restart_on_sigterm(app.extensions[EXTENSION].current.settings.graceful_timeout)
