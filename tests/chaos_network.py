"""A network between a client and a server that can be cut: a proxy for TCP on loopback."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

_BYTES = 64 * 1024


class Proxy:
    """Forwards connections from one port to another, until it is cut.

    While it is cut no connection comes about, and those that there were are gone.
    """

    def __init__(self, *, listens_on: int, leads_to: int) -> None:
        self.listens_on = listens_on
        self.leads_to = leads_to
        self.is_cut = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", listens_on))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut all connections, and let none come about."""
        with self._lock:
            self.is_cut = True
            self._close_all()

    def mend(self) -> None:
        """Let connections come about again."""
        self.is_cut = False

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
        with self._lock:
            self._close_all()

    def _close_all(self) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self.is_cut:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self.leads_to), timeout=5)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                self._open |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_BYTES):
                target.sendall(data)
        with self._lock:
            for connection in (source, target):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
                self._open.discard(connection)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
