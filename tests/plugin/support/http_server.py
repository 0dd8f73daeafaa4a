"""A server in a thread, and pictures for it to send."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from osgeo import gdal


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Answers requests while it is entered."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def png(picture: gdal.Dataset) -> bytes:
    """A dataset as PNG; for several threads at once."""
    name = f"/vsimem/{threading.get_ident()}.png"
    gdal.GetDriverByName("PNG").CreateCopy(name, picture)
    file = gdal.VSIFOpenL(name, "rb")
    content = bytes(gdal.VSIFReadL(1, 1 << 22, file))
    gdal.VSIFCloseL(file)
    gdal.Unlink(name)
    return content
