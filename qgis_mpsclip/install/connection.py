"""How uv and the new engine reach the network: QGIS's proxy and the certificate authorities that it trusts.

Made before an installation begins, in the main thread where there is one: only there may QGIS ask for the password of
its authentication store.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from qgis_mpsclip.client.authorities import authorities
from qgis_mpsclip.client.environment import engine_environment
from qgis_mpsclip.client.proxy import SOMEWHERE, is_given, kind_of_proxy, login_is_readable, proxy_variables
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.package_index import index_address, uv_variables
from qgis_mpsclip.install.plan import InstallOptions


@dataclass(frozen=True)
class Connection:
    """What child processes get besides the user's environment variables. It may hold passwords: never logged.

    Attributes:
        index, torch, web: variables for uv where it asks the package index, PyTorch's index, or any other server.
        engine: variables for the engine.
        authorities: certificates in PEM form; empty where the system's are enough.
    """

    index: dict[str, str] = field(default_factory=dict, repr=False)
    torch: dict[str, str] = field(default_factory=dict, repr=False)
    web: dict[str, str] = field(default_factory=dict, repr=False)
    engine: dict[str, str] = field(default_factory=dict, repr=False)
    authorities: bytes = field(default=b"", repr=False)


def connect(options: InstallOptions) -> Connection:
    """What the settings of QGIS are now.

    Raises:
        InstallError: of kind ``proxy-auth``: the login of the proxy is locked away.
    """
    environ = engine_environment()
    if options.wheels is not None:  # nothing is fetched
        return Connection()
    if not is_given(environ) and not login_is_readable():
        raise InstallError(
            tr("The login of the proxy is in QGIS's authentication store, which is locked."),
            tr(
                "Unlock it with the master password (Settings ▸ Options ▸ Authentication) and install again; for"
                " qgis_process, name a file that holds the password in QGIS_AUTH_PASSWORD_FILE."
            ),
            "proxy-auth",
        )
    index = index_address(options.index_url, uv_variables(environ))
    return Connection(
        index=proxy_variables(environ, index, socks=True),
        torch=proxy_variables(environ, options.torch_index or SOMEWHERE, socks=True),
        web=proxy_variables(environ, SOMEWHERE, socks=True),
        engine=proxy_variables(environ),
        authorities=authorities(),
    )


def connection_note() -> str:
    """What of QGIS's proxy cannot be handed on, and what helps, translated; empty where all can."""
    if is_given(os.environ) or not kind_of_proxy().startswith("socks"):
        return ""
    return tr(
        "Packages are fetched through QGIS's SOCKS proxy, but the engine cannot use it to download models. Set an HTTP"
        " proxy under Settings ▸ Options ▸ Network where you want further models."
    )
