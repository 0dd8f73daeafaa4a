"""Takes out of a text what says whose machine it comes from: names, home folders, addresses, secrets.

What is known of this machine is taken out wherever it stands; of others, what the form gives away.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import re
import socket
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

HOME, USER, HOST, HIDDEN = "~", "<user>", "<host>", "…"
# Names that say nothing about anybody, and that may stand in any report.
_COMMON = frozenset(
    (
        *("root", "user", "users", "admin", "administrator", "guest", "public", "default", "nobody", "runner", "home"),
        *("localhost", "localdomain", "local", "host", "ubuntu", "debian", "fedora", "linux", "windows", "docker"),
        *("python", "qgis", "engine", "torch", "test", "mpsclip", "work", "data"),
    )
)
_SHORT = 2  # names of so few letters are taken out as folders only: they stand within other words
_USER_VARIABLES = ("USER", "USERNAME", "LOGNAME", "SUDO_USER")
_HOST_VARIABLES = ("HOSTNAME", "COMPUTERNAME", "USERDOMAIN", "USERDNSDOMAIN")
# In a path, in a Python or JSON string, in an address.
_SEPARATOR = r"(?:[/\\]+|(?:%5c|%2f)+)"
_NAME = r"(?:(?!%5c|%2f)[^\s\\/:*?\"'`<>|,;()\[\]])+"
_BEFORE, _AFTER = r"(?<![^\W_])", r"(?![^\W_])"  # an underscore ends a word

_FORMS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # Whole addresses: names of servers within a company, credentials, and tokens in paths and queries.
        (r"\b(?!file:)([a-z][a-z0-9+.-]*://)[^\s…]\S*", rf"\1{HIDDEN}"),
        (r"[^\s:/@'\"=]+:[^\s/@]*@[\w.-]+(?::\d+)?", HIDDEN),  # name:password@proxy:3128
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "<mail>"),
        (r"\b(authorization['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+", rf"\1{HIDDEN}"),
        (r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", rf"\1 {HIDDEN}"),
        (
            r"((?:token|api[-_]?key|access[-_]?key|passw(?:or)?d|pwd|secret|credentials?)\w*['\"]?(?:\s*[:=]\s*|\s+is\s+))"
            r"(?:\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s,;]+)",
            rf"\1{HIDDEN}",
        ),
        (r"(?<![a-z0-9])(?:hf|sk|pk|gh[posu]|github_pat|glpat|xox[abp]|pypi)[-_][\w-]{10,}", HIDDEN),
        (r"\beyJ[\w-]{8,}\.[\w-]+\.?[\w-]*", HIDDEN),
        (r"\bAKIA[0-9A-Z]{12,}", HIDDEN),
    )
)
_FOLDERS = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # Names in Windows' folders may have spaces, where a folder follows.
        (rf"(\\+(?:users|documents and settings)\\+)(?:[^\\/:*?\"<>|\r\n]+(?=\\)|{_NAME})", rf"\1{USER}"),
        (rf"({_SEPARATOR}(?:users|home|media){_SEPARATOR}){_NAME}", rf"\1{USER}"),
        (r"(\bOneDrive - )[^\\/\r\n]+", rf"\1{HIDDEN}"),
        # Shares of a server: \\server\share, //server/share and \\?\UNC\server\share.
        (
            rf"((?:^|(?<=[\s'\"`(=,;]))(?:\\{{2,4}}|//)(?:\?\\+UNC\\+)?)(?![?.]\\)(?!UNC\\){_NAME}(?=[\\/])",
            rf"\1{HOST}",
        ),
    )
)
# The value of a variable that is a path, unless it lies in the home folder.
_VARIABLE = re.compile(r"\b([A-Z][A-Z0-9_]*=)(?:[A-Za-z]:)?[/\\][^,\r\n]*")
# The folders of a path say whose work it is; the name of the file is enough to understand a message. Names may have
# spaces: within quotes up to the last separator, elsewhere as long as another follows on the line.
_QUOTED_FOLDERS = re.compile(r"([\"'`])(?:[A-Za-z]:)?[/\\](?:(?!\1)[^\r\n])*[/\\]")
_START, _IN_NAME = r"(?<![\w./~…])(?!(?<=:)//)(?:[A-Za-z]:)?[/\\]+", r"[^/\\:*?\"'`|\r\n…]"
_FOLDER = rf"(?!\s){_IN_NAME}+(?<!\s)[/\\]+"
_UNQUOTED_FOLDERS = re.compile(rf"{_START}(?:{_FOLDER})+")
_FILE_ADDRESS = re.compile(r"\bfile:/+\S*/", re.IGNORECASE)


@dataclass(frozen=True)
class Machine:
    """What must not be told: home folders, names of the user, names of the machine and its domain."""

    homes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @classmethod
    def here(cls, environ: Mapping[str, str] | None = None) -> Machine:
        """This machine and its user, as far as the system knows them."""
        environ = os.environ if environ is None else environ
        homes = [str(Path.home()), environ.get("HOME", ""), environ.get("USERPROFILE", "")]
        homes += [os.path.realpath(home) for home in homes if home]
        users = [environ.get(name, "") for name in _USER_VARIABLES]
        users += [re.split(r"[\\/]", home.rstrip("\\/"))[-1] for home in homes]
        users += [*_account()]
        hosts = [environ.get(name, "") for name in _HOST_VARIABLES]
        hosts += [platform.node(), socket.gethostname()]
        hosts += [host.split(".")[0] for host in hosts]
        return cls(_worth(homes), _worth(users), _worth(hosts))


def redact(text: str, machine: Machine | None = None) -> str:
    """``text`` without names of users and machines, home folders (``~``), servers, addresses and secrets.

    Args:
        machine: what is known; None: :meth:`Machine.here`.
    """
    machine = Machine.here() if machine is None else machine
    text = unicodedata.normalize("NFC", text)
    for pattern, replacement in _FORMS:
        text = pattern.sub(replacement, text)
    for home in machine.homes:
        for pattern in _home_patterns(home):
            text = pattern.sub(HOME, text)
    for pattern, replacement in _FOLDERS:
        text = pattern.sub(replacement, text)
    for names, replacement in ((machine.users, USER), (machine.hosts, HOST)):
        for name in names:
            text = _without(text, name, replacement)
    return text


def without_folders(text: str) -> str:
    """``text`` without the folders of absolute paths and without the paths in variables; the last name stays."""
    text = _VARIABLE.sub(rf"\1{HIDDEN}", text)
    text = _FILE_ADDRESS.sub(f"file:{HIDDEN}/", text)
    text = _QUOTED_FOLDERS.sub(rf"\1{HIDDEN}/", text)
    return _UNQUOTED_FOLDERS.sub(f"{HIDDEN}/", text)


def _account() -> Iterable[str]:
    """The account's name and the person's full name."""
    with contextlib.suppress(OSError, KeyError, ImportError):
        yield getpass.getuser()
    try:
        import pwd
    except ImportError:  # Windows
        return
    try:
        full = pwd.getpwuid(os.getuid()).pw_gecos.split(",")[0]
    except KeyError:
        return
    yield full


def _worth(names: Iterable[str]) -> tuple[str, ...]:
    """Each once, the longest first, without those that name nobody; roots of file systems are no homes."""
    found = {unicodedata.normalize("NFC", name.strip()) for name in names}
    kept = {name for name in found if name.strip("/\\.") and name.casefold() not in _COMMON}
    return tuple(sorted(kept, key=lambda name: (-len(name), name)))


def _home_patterns(home: str) -> list[re.Pattern[str]]:
    """A home folder with any separators, also as in an address."""
    parts = [part for part in re.split(r"[\\/]+", home) if part]
    lead = r"(?:[/\\]|%2f)" if home[:1] in "/\\" else ""
    patterns = []
    for spelled in (parts, [quote(part, safe=":") for part in parts]):
        path = _SEPARATOR.join(re.escape(part) for part in spelled)
        patterns.append(re.compile(rf"(?<![\w.~]){lead}{path}(?![\w-])", re.IGNORECASE))
    return patterns


def _without(text: str, name: str, replacement: str) -> str:
    for spelled in {name, quote(name)}:
        word = re.escape(spelled)
        within_a_path = rf"(?<=[\\/]){word}(?=[\\/\s'\"`]|$)"
        pattern = within_a_path if len(name) <= _SHORT else rf"{_BEFORE}{word}{_AFTER}"
        text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
    return text
