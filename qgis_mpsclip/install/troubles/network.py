"""Troubles on the way to the package index: proxy, certificates, no answer, refusals."""

from __future__ import annotations

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.troubles.log import Log, Rule, Trouble

# Where QGIS keeps variables for itself and for all that it starts.
_ENVIRONMENT = "Settings ▸ Options ▸ System ▸ Environment"


def _proxy_login(log: Log) -> Trouble | None:
    if not (
        log.find(r"\b407\b.{0,30}proxy|proxy authorization required|proxy (?:requires )?authentication")
        or log.find_reply(105)
    ):
        return None
    return Trouble(
        "proxy-auth",
        tr("The proxy asks for a user name and a password that it did not get, or that are wrong."),
        tr(
            "Enter both under Settings ▸ Options ▸ Network ▸ Proxy and try again. A proxy that accepts Windows logins"
            " only (NTLM, Kerberos) needs a helper program of your organisation: ask its help desk."
        ),
    )


def _proxy(log: Log) -> Trouble | None:
    if not (
        log.find(
            r"tunnel error|unsuccessful tunnel|cannot connect to proxy|ProxyError"
            r"|proxy (?:connection|server|denied|not found)"
        )
        or log.find_reply(101, 102, 103, 104, 199)
    ):
        return None
    if log.find(r"tunnel error: uns|unsuccessful tunnel|tunnel connection failed|proxy denied") or log.find_reply(199):
        problem = tr("The proxy refuses a connection to {host}.")
        remedy = tr(
            "Ask your help desk to allow this host, or to name a package index inside your network, and enter that one"
            " under Settings ▸ Options ▸ MPS-CLIP. Without any: install from a folder of wheels."
        )
    else:
        problem = tr("The proxy that leads to {host} cannot be reached.")
        remedy = tr(
            "Check host and port of the proxy under Settings ▸ Options ▸ Network ▸ Proxy, and the variables HTTPS_PROXY"
            " and ALL_PROXY."
        )
    return Trouble("proxy", problem.format(host=_host(log)), remedy)


def _tls(log: Log) -> Trouble | None:
    found = log.find(
        r"invalid peer certificate: (?P<why>\w+)|CERTIFICATE_VERIFY_FAILED|SSL handshake failed"
        r"|received corrupt message|received fatal alert|self.signed certificate"
    ) or log.find_reply(6)
    if found is None:
        return None
    why = found.groupdict().get("why") or ""
    if why.startswith(("Expired", "NotValidYet")):
        return Trouble(
            "tls",
            tr("The certificate of {host} is not valid at this time ({why}).").format(host=_host(log), why=why),
            tr("Check date and time of this computer. If they are right, tell whoever runs the host."),
        )
    return Trouble(
        "tls",
        tr("The certificate of {host} is not trusted ({why}).").format(
            host=_host(log), why=why or found[0].strip("()")
        ),
        tr(
            "A firewall or virus scanner of your organisation probably reads encrypted connections with a certificate"
            " of its own. Have that certificate added to those that the operating system trusts, or set the variable"
            " SSL_CERT_FILE to its PEM file under {where}; then start QGIS again. Certificates are always checked."
        ).format(where=_ENVIRONMENT),
    )


def _python_download(log: Log) -> Trouble | None:
    # uv fetches a Python where it finds none that suits; its address is often out of reach where an index is not.
    if not log.find(r"Failed to (?:download|fetch|install)[^`]*`?https?://\S*/cpython-\d"):
        return None
    return Trouble(
        "python-missing",
        tr("No suitable Python was found on this computer, and none could be fetched from {host}.").format(
            host=_host(log)
        ),
        tr(
            "Install Python 3.10, 3.11, 3.12 or 3.13 (64 bit) and try again, or choose one that you have as base"
            " Python."
        ),
    )


def _timeout(log: Log) -> Trouble | None:
    if not (
        log.find(r"operation timed out|network timeout|UV_HTTP_TIMEOUT|read timed out|Socket operation timed out")
        or log.find_number((110, 60), (10060,))
        or log.find_reply(4)
    ):
        return None
    return Trouble(
        "timeout",
        tr("No answer came in time from {host}.").format(host=_host(log)),
        tr(
            "Try again: what was fetched is kept. If the connection is slow, set the variable UV_HTTP_TIMEOUT to 600"
            " (seconds) under {where} and start QGIS again."
        ).format(where=_ENVIRONMENT),
    )


def _switched_off(log: Log) -> Trouble | None:
    if not log.find(r"because the network was disabled|set to offline mode"):
        return None
    return Trouble(
        "offline",
        tr("uv is told to work offline, and a package is not in its cache."),
        tr("Remove the variable UV_OFFLINE, or install from a folder of wheels."),
    )


def _forbidden(log: Log) -> Trouble | None:
    login = log.find(r"\b401\b.{0,20}Unauthorized|Host requires authentication") or log.find_reply(204)
    if not login and not (log.find(r"\b403\b.{0,20}Forbidden|server replied: Forbidden") or log.find_reply(201, 202)):
        return None
    if login:
        problem = tr("A user name and a password are asked for by {host} (401).")
        remedy = tr(
            "Put both before the host in the index's address under Settings ▸ Options ▸ MPS-CLIP, parted by a colon and"
            " followed by @, or put them into a file .netrc in your home folder."
        )
    else:
        problem = tr("The request was refused by {host} (403).")
        remedy = tr(
            "Your network or the index allows no such download: ask whoever runs it, or choose another index under"
            " Settings ▸ Options ▸ MPS-CLIP, or install from a folder of wheels."
        )
    return Trouble("forbidden", problem.format(host=_host(log)), remedy)


def _server(log: Log) -> Trouble | None:
    found = log.find(
        r"\b(?P<status>429 Too Many Requests|500 Internal Server Error|502 Bad Gateway|503 Service Unavailable"
        r"|504 Gateway Time-?out)|status server error \((?P<other>[^)]+)\)"
        r"|server replied: (?P<reply>Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)"
    ) or log.find_reply(401, 402, 403, 499)
    if found is None:
        return None
    status = next((group for group in found.groups() if group), found[0].strip("()"))
    return Trouble(
        "server-error",
        tr("There is a fault at {host} ({status}).").format(host=_host(log), status=status),
        tr("Try again in a while: what was fetched is kept."),
    )


def _interrupted(log: Log) -> Trouble | None:
    if not (
        log.find(
            r"connection closed before message|before message length reached|error decoding response body"
            r"|error reading a body|IncompleteRead|unexpected EOF|peer closed connection|RemoteDisconnected"
            r"|^Connection closed"
        )
        or log.find_reply(2, 7)
        or log.find_number((104, 54, 32), (10053, 10054))
    ):
        return None
    return Trouble(
        "interrupted",
        tr("The connection to {host} broke off.").format(host=_host(log)),
        tr(
            "Try again: what was fetched is kept. If it always breaks off, a firewall may end long downloads: ask your"
            " help desk, or install from a folder of wheels."
        ),
    )


def _offline(log: Log) -> Trouble | None:
    unknown = log.find(
        r"dns error|failed to lookup address|Name or service not known|getaddrinfo failed|host \S+ not found"
    )
    if unknown or log.find_reply(3):
        problem = tr("The name of {host} is not known: there is no connection to the internet, or the name is wrong.")
    elif (
        log.find(r"tcp connect error|connection refused|network is unreachable|no route to host")
        or log.find_number((111, 101, 113, 61, 51, 65), (10061, 10051, 10065))
        or log.find_reply(1, 8, 99)
    ):
        problem = tr("There is no connection to {host}.")
    else:
        return None
    return Trouble(
        "offline",
        problem.format(host=_host(log)),
        tr(
            "Check the connection, the proxy under Settings ▸ Options ▸ Network and the package index under Settings ▸"
            " Options ▸ MPS-CLIP. Without internet: install from a folder of wheels."
        ),
    )


def _host(log: Log) -> str:
    return log.host() or tr("the package index")


RULES: tuple[Rule, ...] = (
    _proxy_login,
    _proxy,
    _tls,
    _python_download,
    _timeout,
    _switched_off,
    _forbidden,
    _server,
    _interrupted,
    _offline,
)
