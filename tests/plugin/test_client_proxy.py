"""QGIS's proxy, as the engine's process gets it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from qgis.core import QgsApplication, QgsAuthMethodConfig

from qgis_mpsclip.client.proxy import proxy_variables

Choose = Callable[..., None]
URL = "http://proxy.example:3128"
LOCAL = "localhost,127.0.0.1,::1"


def test_a_proxy_of_qgis_leads_to_the_web_and_not_to_this_machine(proxy: Choose) -> None:
    proxy()
    assert proxy_variables({}) == {"HTTP_PROXY": URL, "HTTPS_PROXY": URL, "NO_PROXY": LOCAL}


@pytest.mark.parametrize(
    "values",
    [
        {"Enabled": False},
        {"Host": ""},
        {"Type": "DefaultProxy"},
        {"Type": "Socks5Proxy"},
    ],
)
def test_without_an_http_proxy_nothing_is_set(proxy: Choose, values: dict[str, object]) -> None:
    proxy(**values)
    assert proxy_variables({}) == {}


def test_socks_is_for_programs_that_know_it(proxy: Choose) -> None:
    proxy(Type="Socks5Proxy")
    assert proxy_variables({}, socks=True)["HTTPS_PROXY"] == "socks5h://proxy.example:3128"


def test_the_system_is_asked_for_the_proxy_of_each_server(proxy: Choose, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy(Type="DefaultProxy", Host="")
    monkeypatch.setenv("https_proxy", "http://system.example:99")  # what Qt takes for the system's setting here
    monkeypatch.setenv("no_proxy", "intranet.example")
    assert proxy_variables({}, "https://index.example/simple/")["HTTPS_PROXY"] == "http://system.example:99"
    assert proxy_variables({}, "https://intranet.example/simple/") == {}


def test_without_any_setting_nothing_is_set(proxy: Choose) -> None:
    assert proxy_variables({}) == {}


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_stays(proxy: Choose, name: str) -> None:
    proxy()
    assert proxy_variables({name: "http://other:80"}) == {}


def test_exceptions_of_the_environment_are_kept_under_their_name(proxy: Choose) -> None:
    proxy()
    assert proxy_variables({"no_proxy": ".example.org, localhost"})["no_proxy"] == ".example.org," + LOCAL


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ("http://intranet.example.org/maps", "intranet.example.org"),
        (["https://a.example:8443/x", "*.example.net", " "], "a.example,.example.net"),
    ],
)
@pytest.mark.parametrize("key", ["noProxyUrls", "proxyExcludedUrls"])
def test_urls_that_qgis_excludes_become_their_hosts(proxy: Choose, key: str, given: object, hosts: str) -> None:
    proxy(**{key: given})
    assert proxy_variables({})["NO_PROXY"] == f"{LOCAL},{hosts}"


def test_a_host_without_a_port_and_one_by_number(proxy: Choose) -> None:
    proxy(Port="0")
    assert proxy_variables({})["HTTP_PROXY"] == "http://proxy.example"
    proxy(Host="fd00::1", Port="")
    assert proxy_variables({})["HTTP_PROXY"] == "http://[fd00::1]"


def test_user_and_password_may_have_any_characters(proxy: Choose) -> None:
    proxy(User="DOMAIN\\me", Password="p@ss:/ä")  # pragma: allowlist secret
    login, _, place = proxy_variables({})["HTTPS_PROXY"].rpartition("@")
    assert (login, place) == ("http://DOMAIN%5Cme:p%40ss%3A%2F%C3%A4", "proxy.example:3128")


def test_user_and_password_come_from_the_authentication_store(proxy: Choose) -> None:
    manager = QgsApplication.authManager()
    assert manager.setMasterPassword("a test", True)  # that of the other tests of this run
    config = QgsAuthMethodConfig("Basic")
    config.setName("proxy")
    config.setConfigMap({"username": "me", "password": "top-key"})  # pragma: allowlist secret
    stored, config = manager.storeAuthenticationConfig(config)
    assert stored
    proxy(User="old", Password="old", authcfg=config.id())
    assert proxy_variables({})["HTTPS_PROXY"] == "http://me:top-key@proxy.example:3128"  # pragma: allowlist secret
    found: list[dict] = []
    thread = threading.Thread(target=lambda: found.append(proxy_variables({})))
    thread.start()
    thread.join()
    assert found == [proxy_variables({})]
