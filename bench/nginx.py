"""nginx that passes everything through to the mock: the least that any gateway could cost.

Knows nginx's configuration. Must not know what is measured.
"""

from __future__ import annotations

from pathlib import Path

from bench.processes import Server, find_free_port
from bench.programs import find_program

CONFIGURATION = """\
daemon off;
worker_processes {workers};
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 64m;
    client_body_buffer_size 4m;
    keepalive_requests 1000000;
    upstream mock {{
        server 127.0.0.1:{mock_port};
        keepalive 512;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


def start_nginx(directory: Path, mock_port: int, workers: int) -> Server:
    """Start nginx with its files in ``directory``, before the mock on ``mock_port``."""
    directory.mkdir()
    port = find_free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(workers=workers, directory=directory, mock_port=mock_port, port=port)
    )
    error_log = str(directory / "error.log")
    nginx = find_program("nginx") or "nginx"
    command = [nginx, "-p", str(directory), "-c", str(configuration), "-e", error_log]
    return Server("nginx", command, port, directory / "output.log", cwd=directory)
