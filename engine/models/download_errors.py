"""What keeps a download from its end, in words, and what helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import DownloadError, EngineError


@contextmanager
def download_errors(what: str, by_hand: str, **facts: str) -> Iterator[None]:
    """Turns whatever keeps a download from its end into a :class:`DownloadError`.

    Args:
        what: is fetched, the first words of the message.
        by_hand: how to fetch it otherwise, a sentence.
        facts: for the error's data.
    """
    try:
        yield
    except EngineError:
        raise
    except Exception as error:  # the hub's client changed its HTTP library twice, and with it what it lets through
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise DownloadError(
            f"{what} could not be fetched: {reason}.", f"{_advice(error)} {by_hand}", **facts, reason=reason
        ) from error


def _advice(error: Exception) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return (
            "A proxy or firewall of your organisation probably has a certificate of its own: add it in QGIS (Settings, "
            "Options, Authentication, Manage Certificates) and start QGIS again, or name its PEM file in SSL_CERT_FILE."
        )
    return "Check the network (HTTPS_PROXY, firewall) and try again."
