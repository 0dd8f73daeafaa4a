"""The language model that finds keywords, where the settings name one."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsApplication, QgsAuthMethodConfig

from qgis_mpsclip.settings import Settings


def keyword_params(settings: Settings) -> dict[str, Any] | None:
    """The parameter ``keywords`` of a request; None: the engine's own rules find them."""
    if not settings.llm_url:
        return None
    return {
        "extractor": "llm",
        "llm_url": settings.llm_url,
        "llm_model": settings.llm_model or None,
        "llm_api_key": _key(settings.llm_authcfg),
    }


def _key(authcfg: str) -> str | None:
    """The password of an authentication configuration, or the header's value of one of the method "API Header"."""
    if not authcfg:
        return None
    config = QgsAuthMethodConfig()
    if not QgsApplication.authManager().loadAuthenticationConfig(authcfg, config, True):
        return None
    if config.method() == "APIHeader":
        header = next(iter(config.configMap().values()), "")
        return header.removeprefix("Bearer ").strip() or None
    return config.config("password") or None
