"""A company's certificate authority that only QGIS knows: its index can be installed from, and its mirror of models."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtNetwork import QSslCertificate

from qgis_mpsclip.client.authorities import authorities, authorities_file
from qgis_mpsclip.client.launch import engine_variables
from qgis_mpsclip.install.errors import InstallError
from qgis_mpsclip.install.fetch import fetch
from qgis_mpsclip.install.installed import uninstall
from qgis_mpsclip.install.job import InstallJob
from tests.plugin.support.index_server import IndexServer
from tests.plugin.support.tiny_engine import TinyPlugin, ordinary_settings

ROOT = Path(__file__).resolve().parents[2]
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


ASK_HUB = "from huggingface_hub import HfApi; import sys; HfApi(endpoint=sys.argv[1]).model_info('someone/something')"
FETCH_MODEL = (
    "from engine.models.catalogue import catalogue; from engine.models.fetch import fetch_weights\n"
    "fetch_weights(catalogue().get('openai-vit-b-32'))"
)
FETCH = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])"


def run_in_engine(python: Path, code: str, address: str) -> str:
    """What the engine's Python says on stderr, with the variables that the plugin starts it with."""
    command = [python, "-c", code, address]
    environ = {**engine_variables(), "HF_ENDPOINT": address}
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    return done.stderr


def test_the_engine_downloads_from_whom_qgis_trusts(
    plugin: TinyPlugin, known_to_qgis: None, engine_python: Path
) -> None:
    assert "not here" in run_in_engine(engine_python, ASK_HUB, plugin.index.url)  # reached, and no hub
    assert run_in_engine(engine_python, FETCH, f"{plugin.index.url}/alpha/") == ""
    assert authorities_file().read_bytes() == authorities()


def test_a_model_from_whom_nobody_trusts_is_refused_with_what_helps(plugin: TinyPlugin, engine_python: Path) -> None:
    said = run_in_engine(engine_python, FETCH_MODEL, plugin.index.url)
    assert "openai-vit-b-32 could not be fetched: [SSL: CERTIFICATE_VERIFY_FAILED]" in said
    assert "name its PEM file in SSL_CERT_FILE" in said


@pytest.mark.parametrize("code", [ASK_HUB, FETCH])
def test_the_engine_trusts_nobody_whom_qgis_does_not(plugin: TinyPlugin, engine_python: Path, code: str) -> None:
    assert "CERTIFICATE_VERIFY_FAILED" in run_in_engine(engine_python, code, f"{plugin.index.url}/alpha/")


def test_authorities_that_the_environment_names_go_before_those_of_qgis(
    known_to_qgis: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/company/all.pem")
    assert engine_variables()["SSL_CERT_FILE"] == "/company/all.pem"
    monkeypatch.delenv("SSL_CERT_FILE")
    assert engine_variables()["SSL_CERT_FILE"] == str(authorities_file())


def test_the_engine_starts_where_the_authorities_cannot_be_written(
    known_to_qgis: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    file = authorities_file()
    file.unlink(missing_ok=True)
    file.mkdir(parents=True)
    try:
        assert "SSL_CERT_FILE" not in engine_variables()
    finally:
        file.rmdir()
    assert list(file.parent.glob("*.part")) == []
