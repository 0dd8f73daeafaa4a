"""Files from the network as QGIS itself gets them: through its proxy, with the authorities that it trusts."""

from __future__ import annotations

import base64
from collections.abc import Callable

from qgis.core import QgsBlockingNetworkRequest, QgsFeedback
from qgis.PyQt.QtCore import QCoreApplication, QThread, QUrl
from qgis.PyQt.QtNetwork import QNetworkRequest

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.troubles import recognise

_POLL_MILLISECONDS = 100


class _Request(QThread):
    """One request in a thread of its own, since QGIS's request does not see a cancellation in the main thread."""

    def __init__(self, url: str, login: str, accept: str) -> None:
        super().__init__()
        self.feedback = QgsFeedback()
        self.progress = (0, 0)
        self.content = b""
        self.kind = ""
        self.url = url
        self.error = ""
        self.number = 0  # of QNetworkReply's error: Qt's words are in the user's language
        self._login = login
        self._accept = accept

    def run(self) -> None:
        request = QNetworkRequest(QUrl(self.url))
        request.setRawHeader(b"Accept", self._accept.encode())
        if self._login:
            request.setRawHeader(b"Authorization", b"Basic " + base64.b64encode(self._login.encode()))
        blocking = QgsBlockingNetworkRequest()
        blocking.downloadProgress.connect(self._note)
        code = blocking.get(request, True, self.feedback)
        reply = blocking.reply()
        if code != QgsBlockingNetworkRequest.ErrorCode.NoError:
            self.error = blocking.errorMessage() or reply.errorString() or str(code)
            number = reply.error()
            self.number = int(getattr(number, "value", number))  # an enumeration in Qt 6, a number in Qt 5
            return
        self.content = bytes(reply.content())
        self.kind = bytes(reply.rawHeader(b"Content-Type")).decode("latin-1")
        self.url = bytes(reply.request().url().toEncoded()).decode() or self.url  # after redirections

    def _note(self, done: int, total: int) -> None:
        self.progress = (int(done), max(0, int(total)))


def fetch(
    url: str,
    login: str = "",
    accept: str = "*/*",
    is_cancelled: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[bytes, str, str]:
    """Content, its type, and the address that it came from in the end.

    Args:
        url: without a login, since it stands in messages.
        login: ``user:password``; empty: none.
        on_progress: gets bytes done and in all (0: not known), in this thread.

    Raises:
        InstallCancelled: ``is_cancelled`` returned true.
        InstallError: with what QGIS said and the remedy.
    """
    request = _Request(url, login, accept)
    application = QCoreApplication.instance()
    in_main_thread = application is not None and QThread.currentThread() == application.thread()
    cancelled = False
    request.start()
    while not request.wait(_POLL_MILLISECONDS):
        if in_main_thread:  # which answers questions about proxies and certificates
            QCoreApplication.processEvents()
        cancelled = cancelled or is_cancelled()
        if cancelled:
            request.feedback.cancel()
            request.quit()  # a cancellation just before QGIS listens for it would be lost
        on_progress(*request.progress)
    if cancelled or is_cancelled():
        raise InstallCancelled
    if request.error:
        trouble = recognise(f"{request.error} (QNetworkReply error {request.number})")
        problem = tr("{url} cannot be fetched: {reason}").format(url=url, reason=request.error)
        raise InstallError(problem, trouble.remedy, trouble.kind)
    on_progress(len(request.content), len(request.content))
    return request.content, request.kind, request.url
