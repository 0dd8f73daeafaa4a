"""Where packages come from: the setting, else what the environment and pip's files name, else PyPI."""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

# The public index, as pip and uv know it by themselves.
_PYPI = ("pypi", "org")
_UV_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_FURTHER_INDEXES = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
# uv's settings that say how it reaches the network and where it keeps things. Others would change what is installed or
# drop a check, such as an override of versions or a host whose certificate is not looked at. uv's files may hold those
# too, and none is read.
_KEPT = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|INDEX_\w+_(USERNAME|PASSWORD)|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER"
    r"|CACHE_DIR|HTTP_\w+|REQUEST_TIMEOUT|CONCURRENT_\w+|NATIVE_TLS|SYSTEM_CERTS|CREDENTIALS_DIR"
    r"|LINK_MODE|OFFLINE|PYTHON_DOWNLOADS|PYTHON_INSTALL_MIRROR|PYTHON_DOWNLOADS_JSON_URL)"
)
_TIMEOUT_SECONDS = "60"
# As QGIS does: uv's own list lacks the authority of a company's proxy. The name depends on uv's version.
_SYSTEM_CERTIFICATES = ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS")


def index_address(chosen: str, environ: Mapping[str, str], home: Path | None = None) -> str:
    """Address of the simple index that holds uv, with a slash at its end. It may hold a password.

    Args:
        chosen: as the setting ``package_index`` says.
    """
    named = [chosen, *(environ.get(name, "") for name in _UV_INDEXES), _pip_setting("index-url", environ, home)]
    found = next((address.strip() for address in named if address.strip()), f"https://{'.'.join(_PYPI)}/simple")
    return re.sub(r"^[\w.-]+=(?=\w+://)", "", found).rstrip("/") + "/"  # uv's indexes may have a name


def uv_variables(environ: Mapping[str, str], home: Path | None = None) -> dict[str, str]:
    """``environ`` for uv: less the settings that change what is installed, and with pip's, which uv does not read.

    uv's own files are left aside.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("UV_") or _KEPT.fullmatch(name)}
    if kept.get("UV_LINK_MODE") == "symlink":  # such an environment breaks when something is taken out of the cache
        del kept["UV_LINK_MODE"]
    kept.setdefault("UV_HTTP_TIMEOUT", _TIMEOUT_SECONDS)
    for name in _SYSTEM_CERTIFICATES:
        kept.setdefault(name, "1")
    kept["NO_COLOR"] = kept["UV_NO_CONFIG"] = "1"
    index, certificate = (_pip_setting(name, environ, home) for name in ("index-url", "cert"))
    if index and not any(kept.get(name) for name in _UV_INDEXES):
        kept["UV_DEFAULT_INDEX"] = index
    if certificate and not kept.get("SSL_CERT_FILE"):
        kept["SSL_CERT_FILE"] = certificate
    return kept


def only_index(environ: Mapping[str, str], address: str) -> dict[str, str]:
    """``environ`` for uv with one index and no other; the address stays out of the command line, which others see.

    Args:
        address: empty: none at all is named, so that an option of uv's says which.
    """
    kept = {name: value for name, value in environ.items() if name not in (*_UV_INDEXES, *_FURTHER_INDEXES)}
    return {**kept, "UV_DEFAULT_INDEX": address} if address else kept


def _pip_setting(name: str, environ: Mapping[str, str], home: Path | None) -> str:
    """A setting of pip's: of its environment variable, else of the last of its files that has it."""
    value = environ.get(f"PIP_{name.upper().replace('-', '_')}", "")
    if value:
        return value.strip()
    for file in reversed(_pip_files(environ, home or Path.home())):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(file, encoding="utf-8")
            value = parser.get("install", name, fallback="") or parser.get("global", name, fallback="")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        if value.strip():
            return value.strip()
    return ""


def _pip_files(environ: Mapping[str, str], home: Path) -> list[Path]:
    chosen = environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return []
    if os.name == "nt":
        folders = [Path(environ.get("PROGRAMDATA", "C:/ProgramData"), "pip"), home / "pip"]
        folders += [Path(environ["APPDATA"], "pip")] if environ.get("APPDATA") else []
        files = [folder / "pip.ini" for folder in folders]
    else:
        system = Path("/Library/Application Support/pip") if sys.platform == "darwin" else Path("/etc/xdg/pip")
        user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip")
        if sys.platform == "darwin" and (home / "Library/Application Support/pip").is_dir():
            user = home / "Library/Application Support/pip"
        files = [folder / "pip.conf" for folder in (system, Path("/etc"), home / ".pip", user)]
    return [*files, *([Path(chosen)] if chosen else [])]
