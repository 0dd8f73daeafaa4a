"""A company's certificate authority that only QGIS knows: its index can be installed from."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtNetwork import QSslCertificate

from qgis_mpsclip.install.authorities import authorities
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.fetch import fetch
from qgis_mpsclip.install.installed import uninstall
from qgis_mpsclip.install.job import InstallJob
from tests.plugin.support.index_server import IndexServer
from tests.plugin.support.tiny_engine import TinyPlugin, ordinary_settings

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@pytest.fixture
def company(tmp_path: Path) -> Path:
    """A folder with an authority, ``ca.pem``, and a server's certificate and key that it has signed."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is not on PATH")
    limits = ["-addext", "basicConstraints=critical,CA:TRUE", "-days", "2"]
    openssl("req", "-x509", *KEY, *limits, "-subj", "/CN=Company", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *KEY, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem")
    (tmp_path / "names").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    signed_by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2"]
    openssl("x509", "-req", "-in", "request.pem", *signed_by, "-out", "certificate.pem")
    return tmp_path


@pytest.fixture
def known_to_qgis(company: Path) -> Iterator[None]:
    """QGIS trusts the company, as after Settings, Options, Authentication, Manage Certificates."""
    manager = QgsApplication.authManager()
    (authority,) = QSslCertificate.fromPath(str(company / "ca.pem"))
    assert manager.storeCertAuthority(authority)
    manager.initSslCaches()
    yield
    assert manager.removeCertAuthority(authority)
    manager.initSslCaches()


@pytest.fixture
def plugin(company: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyPlugin]:
    ordinary_settings(monkeypatch, company / "programs")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with IndexServer(tls=(company / "certificate.pem", company / "key.pem")) as index:
        index.add("alpha", "1.0")
        made = TinyPlugin(company, index)
        made.write_locks()
        yield made


def test_authority_of_qgis_holds_for_qgis_and_for_uv(plugin: TinyPlugin, known_to_qgis: None) -> None:
    content, _, _ = fetch(f"{plugin.index.url}/alpha/")
    assert b"alpha-1.0" in content
    mine = plugin.folder / "authorities.pem"
    mine.parent.mkdir()
    mine.write_text("mine")
    environment = InstallJob(plugin.options()).run()
    assert environment.python.exists()
    uninstall(plugin.folder)
    assert [(path, path.read_text()) for path in plugin.folder.iterdir()] == [(mine, "mine")]


def test_authority_that_nobody_knows_is_trusted_by_neither(plugin: TinyPlugin) -> None:
    assert authorities() == b""
    for install in (lambda: fetch(f"{plugin.index.url}/alpha/"), InstallJob(plugin.options()).run):
        with pytest.raises(InstallError) as caught:
            install()
        assert caught.value.kind == "tls"
    assert plugin.index.downloads() == set()
