"""gunicorn's side: its worker, its log, and each client's socket.

gunicorn's master loads this before gevent has patched the standard library: no part of it may
import the rest of the gateway at its top.
"""

from gateway.worker.client_socket import ClientSocket
from gateway.worker.loggers import JSONLogger, TextLogger
from gateway.worker.worker import GatewayWorker

__all__ = ["ClientSocket", "GatewayWorker", "JSONLogger", "TextLogger"]
