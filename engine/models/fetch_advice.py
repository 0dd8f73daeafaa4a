"""What keeps a download from its end, in words, and what helps."""

from __future__ import annotations


def fetch_reason(error: Exception) -> str:
    """The first line of what the error says, else its name."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def fetch_advice(error: Exception) -> str:
    """What to check before trying again."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return (
            "A proxy or firewall of your organisation probably has a certificate of its own: add it in QGIS (Settings, "
            "Options, Authentication, Manage Certificates) and start QGIS again, or name its PEM file in SSL_CERT_FILE."
        )
    return "Check the network (HTTPS_PROXY, firewall) and try again."
