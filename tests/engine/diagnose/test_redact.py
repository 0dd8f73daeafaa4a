"""A page to paste into an issue tells nothing about who made it and where."""

from __future__ import annotations

import unicodedata

import pytest

from engine.diagnose.redact import Machine, redact, without_folders

LINUX = Machine(("/home/jsmith",), ("jsmith", "John Smith"), ("ws-0815.corp.example.org", "ws-0815"))
WINDOWS = Machine((r"C:\Users\Jürgen Groß",), ("Jürgen Groß", "groszj"), ("DESKTOP-AB12CD", "CORP"))
NOBODY = Machine()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/jsmith/.cache/mpsclip", "~/.cache/mpsclip"),
        ("file:///home/jsmith/a.tif", "file://~/a.tif"),
        ("'/home/jsmith'", "'~'"),
        ("/home/jsmith2/x", "/home/<user>/x"),
        ("/mnt/home/jsmith/x", "/mnt/home/<user>/x"),
        ("/data/jsmith_projects/ortho.tif", "/data/<user>_projects/ortho.tif"),
        ("/data/JSmith/ortho.tif and jsmithson", "/data/<user>/ortho.tif and jsmithson"),
        ("run by John Smith on ws-0815", "run by <user> on <host>"),
        ("at ws-0815.corp.example.org:/srv", "at <host>:/srv"),
        (r"\\wsl$\Ubuntu\home\jsmith\x", r"\\<host>\Ubuntu\home\<user>\x"),
    ],
)
def test_what_is_known_of_a_linux_machine_goes(text: str, expected: str) -> None:
    assert redact(text, LINUX) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"C:\Users\Jürgen Groß\AppData\Local\mpsclip", r"~\AppData\Local\mpsclip"),
        (r"c:\users\JÜRGEN GROSS\AppData", r"c:\users\<user>\AppData"),
        (r"'C:\\Users\\Jürgen Groß\\AppData\\Local'", r"'~\\AppData\\Local'"),
        ("C:/Users/Jürgen Groß/AppData", "~/AppData"),
        ("file:///C:/Users/J%C3%BCrgen%20Gro%C3%9F/a.tif", "file:///~/a.tif"),
        (r"\\?\C:\Users\Jürgen Groß\x", r"\\?\~\x"),
        (r"C:\Users\JRGENG~1\AppData\Local\Temp", r"C:\Users\<user>\AppData\Local\Temp"),
        (r"\\fileserver\share\ortho.tif", r"\\<host>\share\ortho.tif"),
        (r"'\\\\fileserver\\share'", r"'\\\\<host>\\share'"),
        (r"\\?\UNC\fileserver\share", r"\\?\UNC\<host>\share"),
        (r"CORP\groszj may not write D:\gis\groszj.gpkg", r"<host>\<user> may not write D:\gis\<user>.gpkg"),
        (r"~\OneDrive - Groß Vermessung GmbH\gis", r"~\OneDrive - …\gis"),
        (unicodedata.normalize("NFD", "of Jürgen Groß"), "of <user>"),
    ],
)
def test_what_is_known_of_a_windows_machine_goes(text: str, expected: str) -> None:
    assert redact(text, WINDOWS) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/someone/x", "/home/<user>/x"),
        ("/Users/someone/Library/Caches", "/Users/<user>/Library/Caches"),
        ("/mnt/c/Users/someone/x", "/mnt/c/Users/<user>/x"),
        ("/run/media/someone/disk", "/run/media/<user>/disk"),
        (r"D:\Users\Some One\x", r"D:\Users\<user>\x"),
        (r"D:\Users\someone cannot be written", r"D:\Users\<user> cannot be written"),
        (r"C:\Documents and Settings\someone", r"C:\Documents and Settings\<user>"),
        ("path=%2Fhome%2Fsomeone%2Fx", "path=%2Fhome%2F<user>%2Fx"),
    ],
)
def test_homes_of_strangers_go_by_their_form(text: str, expected: str) -> None:
    assert redact(text, NOBODY) == expected


@pytest.mark.parametrize(
    "secret",
    [
        "https://me:p@ss/w0rd@proxy.corp.example:3128/simple?token=abc#frag",
        "http://10.1.2.3:8080",
        "socks5h://me:topsecret@proxy",  # pragma: allowlist secret
        "me:topsecret@proxy.corp.example:3128",
        "someone@corp.example",
        "Authorization: Basic bWU6dG9wc2VjcmV0",
        "Bearer abcdef0123456789",
        "password=topsecret",
        "'api_key': 'topsecret'",  # pragma: allowlist secret
        "HF_TOKEN: topsecret",
        "MPSCLIP_LLM_API_KEY=topsecret",
        "the secret is topsecret",
        "hf_abcdefghijklmnop",
        "ghp_abcdefghijklmnop0123",
        "sk-abcdefghijklmnop",
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl",
        "AKIAABCDEFGHIJKLMNOP",  # pragma: allowlist secret
    ],
)
def test_addresses_and_secrets_go(secret: str) -> None:
    told = redact(f"before {secret} after", NOBODY)
    assert told.startswith("before ")
    told_parts = ("me", "p@ss", "w0rd", "corp", "topsecret", "abc", "10.1", "c2ln", "bWU6", "AKIAA", "someone", "proxy")
    assert [part for part in told_parts if part in told.removeprefix("before ")] == []


def test_the_rest_stays_as_it_is() -> None:
    text = (
        "PyTorch 2.15.0+cu132, cligj 1.1.1.2, numpy/core/_multiarray.py: DLL load failed, 12.5 GB // a comment,"
        " C:\\Windows\\System32, /usr/lib/x86_64-linux-gnu/libc.so.6 (GLIBC_2.28), 5 tokens a word, 100 % of a/b"
    )
    assert redact(text, LINUX) == text
    assert redact(text, WINDOWS) == text


def test_redacting_twice_changes_nothing() -> None:
    text = r"/home/jsmith/x C:\Users\someone\y https://me:pw@host/z \\server\share ws-0815"  # pragma: allowlist secret
    once = redact(text, LINUX)
    assert redact(once, LINUX) == once


def test_names_of_few_letters_go_where_they_are_folders() -> None:
    short = Machine(("/srv/people/jo",), ("jo",), ())
    assert (
        redact("/srv/people/jo/x, /data/jo/y, a job of joined words", short)
        == "~/x, /data/<user>/y, a job of joined words"
    )


def test_this_machine_is_asked_for_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {
        "HOME": "/srv/people/mmuster",
        "USERPROFILE": r"D:\people\mmuster",
        "USERNAME": "m.muster",
        "COMPUTERNAME": "GIS-17",
        "USERDNSDOMAIN": "geo.example.net",
    }
    machine = Machine.here(environ)
    text = r"/srv/people/mmuster/x D:\people\mmuster\y mmuster m.muster gis-17 geo.example.net"
    assert redact(text, machine) == r"~/x ~\y <user> <user> <host> <host>"


def test_a_machine_without_names_loses_nothing() -> None:
    machine = Machine.here({"USER": "root", "HOME": "/", "HOSTNAME": "localhost"})
    assert "/" not in machine.homes
    assert "root" not in machine.users
    assert redact("/opt/python/localhost/root", machine) == "/opt/python/localhost/root"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"engines in D:\Kunden\Stadtwerke Ulm\engines", "engines in …/engines"),
        (r"'C:\\Users\\Anna Meier\\a b.tif' is gone", "'…/a b.tif' is gone"),
        (r"C:\\Users\\Anna Meier\\a.tif: gone", "…/a.tif: gone"),
        ("virtual environment /srv/Stadt Ulm/env, venv, on /usr/bin", "virtual environment …/env, venv, on …/bin"),
        ("PYTHONPATH=/srv/Kunden:/data/Ulm, MPSCLIP_CACHE=D:\\Ulm", "PYTHONPATH=…, MPSCLIP_CACHE=…"),
        ("MPSCLIP_CACHE=~/gis cache", "MPSCLIP_CACHE=~/gis cache"),
        ("file:///srv/Kunden/a.tif, 12/03 tiles/s, https://…", "file:…/a.tif, 12/03 tiles/s, https://…"),
    ],
)
def test_folders_outside_the_home_go(text: str, expected: str) -> None:
    assert without_folders(redact(text, NOBODY)) == expected
    assert without_folders(expected) == expected
