"""The proxy of QGIS's options (Network) as the environment variables that other programs read."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from qgis.core import Qgis, QgsApplication, QgsAuthMethodConfig, QgsMessageLog, QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QThread, QUrl
from qgis.PyQt.QtNetwork import QNetworkProxy, QNetworkProxyFactory, QNetworkProxyQuery

from qgis_mpsclip.client.log_files import LOG_TAG
from qgis_mpsclip.i18n import tr

# Names are looked up by the proxy, as Qt has it done.
_SCHEMES = {"HttpProxy": "http", "HttpCachingProxy": "http", "Socks5Proxy": "socks5h"}
_SYSTEM = "DefaultProxy"
_KINDS = {
    QNetworkProxy.ProxyType.HttpProxy: "http",
    QNetworkProxy.ProxyType.HttpCachingProxy: "http",
    QNetworkProxy.ProxyType.Socks5Proxy: "socks5h",
}
_EXCLUDED = ("proxy/noProxyUrls", "proxy/proxyExcludedUrls")
# What runs on this machine, such as a language model, is no proxy's business.
_LOCAL = ("localhost", "127.0.0.1", "::1")
_VARIABLES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})
SOMEWHERE = "https://www.example.org/"  # a server of the web like any other


def proxy_variables(environ: Mapping[str, str], url: str = SOMEWHERE, socks: bool = False) -> dict[str, str]:
    """Variables to add to ``environ``; none where it names a proxy itself, or QGIS uses none.

    They may hold a password: never to be logged.

    Args:
        url: what is to be reached; the system may name another proxy for each server.
        socks: the program knows SOCKS. The engine's libraries do not.
    """
    if is_given(environ):
        return {}
    settings = QgsSettings()
    address = _address(settings, url)
    if not address or (address.startswith("socks") and not socks):
        return {}
    name = next((name for name in environ if name.upper() == "NO_PROXY"), "NO_PROXY")
    hosts = [*environ.get(name, "").split(","), *_LOCAL, *_excluded(settings)]
    direct = ",".join(dict.fromkeys(host.strip() for host in hosts if host.strip()))
    return {"HTTP_PROXY": address, "HTTPS_PROXY": address, name: direct}


def is_given(environ: Mapping[str, str]) -> bool:
    """Whether variables name a proxy, which goes before QGIS's."""
    return any(value and name.upper() in _VARIABLES for name, value in environ.items())


def kind_of_proxy(url: str = SOMEWHERE) -> str:
    """What QGIS reaches a server through: ``http``, ``socks5h``, or nothing where it is reached directly."""
    return _address(QgsSettings(), url).partition("://")[0]


def login_is_readable() -> bool:
    """Whether the login of QGIS's proxy can be read, or it has none.

    In the main thread a locked authentication store is opened, for which QGIS asks the user.
    """
    settings = QgsSettings()
    authcfg = str(settings.value("proxy/authcfg", "") or "")
    is_used = settings.value("proxy/proxyEnabled", False, type=bool) and _host(settings)
    if not authcfg or not is_used or settings.value("proxy/proxyType", "") not in _SCHEMES:
        return True
    manager = QgsApplication.authManager()
    if manager.isDisabled() or authcfg not in manager.configIds():
        return True  # nothing that a password would open: QGIS does without it too
    return _stored_login(authcfg) is not None


def _address(settings: QgsSettings, url: str) -> str:
    if not settings.value("proxy/proxyEnabled", False, type=bool):
        return ""
    kind, host = settings.value("proxy/proxyType", ""), _host(settings)
    if kind == _SYSTEM:
        return _of_system(url)
    if kind not in _SCHEMES or not host:
        return ""
    port = str(settings.value("proxy/proxyPort", "") or "").strip()
    return _joined(_SCHEMES[kind], host, int(port) if port.isdigit() else 0, *_credentials(settings))


def _of_system(url: str) -> str:
    """The first proxy that the system's settings, or the script that they name, give for a server."""
    for proxy in QNetworkProxyFactory.systemProxyForQuery(QNetworkProxyQuery(QUrl(url))):
        if proxy.type() == QNetworkProxy.ProxyType.NoProxy:
            return ""
        if proxy.type() in _KINDS and proxy.hostName():
            return _joined(_KINDS[proxy.type()], proxy.hostName(), proxy.port(), proxy.user(), proxy.password())
    return ""


def _joined(scheme: str, host: str, port: int, user: str, password: str) -> str:
    secret = f":{quote(password, safe='')}" if password else ""
    login = f"{quote(user, safe='')}{secret}@" if user else ""
    place = f"[{host}]" if ":" in host else host
    return f"{scheme}://{login}{place}" + (f":{port}" if port else "")


def _host(settings: QgsSettings) -> str:
    return str(settings.value("proxy/proxyHost", "") or "").strip()


def _credentials(settings: QgsSettings) -> tuple[str, str]:
    """User and password: of the authentication configuration, else as they stand in the options."""
    user, password = (str(settings.value(f"proxy/proxy{name}", "") or "") for name in ("User", "Password"))
    authcfg = str(settings.value("proxy/authcfg", "") or "")
    config = _stored_login(authcfg) if authcfg else None
    if config is not None:
        return config.config("username") or user, config.config("password") or password
    if authcfg:
        text = tr(
            "The login of the proxy cannot be read from QGIS's authentication store. Unlock it with the master password"
            " under Settings ▸ Options ▸ Authentication where the engine is to download something."
        )
        QgsMessageLog.logMessage(text, LOG_TAG, Qgis.MessageLevel.Warning, notifyUser=False)
    return user, password


def _stored_login(authcfg: str) -> QgsAuthMethodConfig | None:
    """An authentication configuration; None where there is none, or the store stays locked."""
    if not _may_decrypt():
        return None
    loaded, config = QgsApplication.authManager().loadAuthenticationConfig(authcfg, QgsAuthMethodConfig(), True)
    return config if loaded else None


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
