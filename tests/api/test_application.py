"""Flask as the gateway uses it: what was left out is not missed."""

from __future__ import annotations

import pytest
from flask import Response, request, session
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from gateway.api.application import GatewayFlask


@pytest.fixture
def client() -> FlaskClient:
    app = GatewayFlask("app")

    @app.get("/echo/<path:name>")
    def echo(name: str) -> Response:
        headers = {"x-method": request.method, "x-query": request.args.get("q", "")}
        return Response(name, headers=headers, content_type="text/plain; charset=utf-8")

    @app.get("/none")
    def nothing() -> Response:
        return Response(b"dropped", 204)

    @app.get("/moved")
    def moved() -> Response:
        return Response(status=307, headers={"Location": "/echo/x y"})

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter([b"one", b"two"]))

    @app.get("/remembers")
    def remember() -> Response:
        session["name"] = "value"
        return Response()

    return app.test_client()


@pytest.mark.parametrize(
    ("path", "name"),
    [("/echo/a/b", "a/b"), ("/echo/%C3%A9", "é"), ("/echo/%FF", "\N{REPLACEMENT CHARACTER}")],
)
def test_a_path_is_matched_as_utf_8(client: FlaskClient, path: str, name: str) -> None:
    assert client.get(path).text == name


def test_a_query_is_no_part_of_the_path(client: FlaskClient) -> None:
    assert client.get("/echo/a?q=1%2B1").headers["x-query"] == "1+1"


def test_slashes_are_not_merged(client: FlaskClient) -> None:
    assert client.get("/echo/a//b").text == "a//b"


@pytest.mark.parametrize("host", ["", "a b", "example.com", "[::1]:8080"])
def test_any_host_will_do(client: FlaskClient, host: str) -> None:
    assert client.get("/echo/a", headers={"Host": host}).status_code == 200


def test_a_head_has_no_body_and_the_length_of_one(client: FlaskClient) -> None:
    answer = client.head("/echo/abc")
    assert answer.data == b""
    assert (answer.headers["Content-Length"], answer.headers["x-method"]) == ("3", "HEAD")


def test_an_answer_without_content_has_no_length(client: FlaskClient) -> None:
    answer = client.get("/none")
    assert answer.data == b""
    assert "Content-Length" not in answer.headers


def test_a_location_is_made_a_url(client: FlaskClient) -> None:
    assert client.get("/moved").headers["Location"] == "/echo/x%20y"


def test_a_stream_has_no_length(client: FlaskClient) -> None:
    answer = client.get("/stream")
    assert answer.data == b"onetwo"
    assert "Content-Length" not in answer.headers


def test_wrong_methods_are_told_the_right_ones(client: FlaskClient) -> None:
    answer = client.post("/echo/a")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_there_are_no_sessions(client: FlaskClient) -> None:
    assert client.get("/remembers").status_code == 500


def test_a_path_that_a_server_leaves_out_is_an_empty_one(client: FlaskClient) -> None:
    app = client.application
    environ = EnvironBuilder(path="/").get_environ()
    answers = []
    for path in ({"PATH_INFO": ""}, {}):
        given = {name: value for name, value in environ.items() if name != "PATH_INFO"} | path
        answers.append(run_wsgi_app(app, given)[1])
    assert answers == ["404 NOT FOUND"] * 2
