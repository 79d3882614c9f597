"""A small application with the gateway's request limits, for real gunicorn workers to serve."""

from __future__ import annotations

import math
import os
from pathlib import Path

from flask import Blueprint, Flask, Response, g, jsonify, request

from gateway.accounts.keys.keys import Principal
from gateway.api.limits import init_limits
from gateway.config.settings import Settings
from gateway.errors import GatewayError, InvalidRequestError
from gateway.state import State, open_state


def build_app(rate_limit: str, state: State) -> Flask:
    """Return an application with one limited view, ``POST /chat``, and one that is not."""
    app = Flask(__name__)
    chat = Blueprint("chat", __name__)

    @chat.before_request
    def authenticate() -> None:
        name = request.headers.get("x-caller", "alice")
        g.principal = Principal(name, "user", name)

    @chat.post("/chat")
    def create_chat() -> str:
        if "bad" in request.args:
            raise InvalidRequestError("This is wrong.")
        return str(os.getpid())

    @app.get("/free")
    def free() -> str:
        return "free"

    @app.errorhandler(GatewayError)
    def answer(error: GatewayError) -> Response:
        response = jsonify(error.to_dict())
        response.status_code = error.status
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
        return response

    app.register_blueprint(chat)
    init_limits(app, Settings({}, "", rate_limit=rate_limit), state, ["chat"])
    return app


def create_app(rate_limit: str, path: str) -> Flask:
    """Return the application over a state file, for gunicorn's command line."""
    return build_app(rate_limit, open_state(Path(path)))
