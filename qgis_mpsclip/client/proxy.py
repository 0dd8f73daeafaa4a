"""The proxy of QGIS's options (Network) as the environment variables that the engine's libraries read."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from qgis.core import QgsApplication, QgsAuthMethodConfig, QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QThread

# A system's proxy ("DefaultProxy") is found by Python itself; SOCKS needs packages that the engine does not have.
_TYPES = ("HttpProxy", "HttpCachingProxy")
_EXCLUDED = ("proxy/noProxyUrls", "proxy/proxyExcludedUrls")
# What runs on this machine, such as a language model, is no proxy's business.
_LOCAL = ("localhost", "127.0.0.1", "::1")


def proxy_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables to add to ``environ``; none where it names a proxy itself, or QGIS uses none.

    They may hold a password: never to be logged.
    """
    given = {name.upper(): name for name in environ}
    if given.keys() & {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}:
        return {}
    settings = QgsSettings()
    url = _url(settings)
    if not url:
        return {}
    name = given.get("NO_PROXY", "NO_PROXY")
    hosts = [*environ.get(name, "").split(","), *_LOCAL, *_excluded(settings)]
    direct = ",".join(dict.fromkeys(host.strip() for host in hosts if host.strip()))
    return {"HTTP_PROXY": url, "HTTPS_PROXY": url, name: direct}


def _url(settings: QgsSettings) -> str:
    host = str(settings.value("proxy/proxyHost", "") or "").strip()
    enabled = settings.value("proxy/proxyEnabled", False, type=bool)
    if not enabled or not host or settings.value("proxy/proxyType", "") not in _TYPES:
        return ""
    user, password = _credentials(settings)
    secret = f":{quote(password, safe='')}" if password else ""
    login = f"{quote(user, safe='')}{secret}@" if user else ""
    port = str(settings.value("proxy/proxyPort", "") or "").strip()
    place = f"[{host}]" if ":" in host else host
    return f"http://{login}{place}" + (f":{port}" if port.isdigit() and int(port) else "")


def _credentials(settings: QgsSettings) -> tuple[str, str]:
    """User and password: of the authentication configuration, else as they stand in the options."""
    user, password = (str(settings.value(f"proxy/proxy{name}", "") or "") for name in ("User", "Password"))
    authcfg = str(settings.value("proxy/authcfg", "") or "")
    if authcfg and _may_decrypt():
        config = QgsAuthMethodConfig()
        if QgsApplication.authManager().loadAuthenticationConfig(authcfg, config, True):
            return config.config("username") or user, config.config("password") or password
    return user, password


def _may_decrypt() -> bool:
    """Whether the authentication store is open, or may ask for its password, which needs the main thread."""
    application = QCoreApplication.instance()
    if application is None:
        return False
    return QThread.currentThread() == application.thread() or QgsApplication.authManager().masterPasswordIsSet()


def _excluded(settings: QgsSettings) -> list[str]:
    """Hosts of the beginnings of URLs for which QGIS uses no proxy."""
    urls: list[str] = []
    for key in _EXCLUDED:
        value = settings.value(key) or []
        urls += [value] if isinstance(value, str) else value
    hosts = (urlsplit(url if "://" in url else f"//{url}").hostname for url in map(str.strip, urls))
    return [host.lstrip("*") for host in hosts if host]
