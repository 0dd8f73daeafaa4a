"""One installation, from the check of the disk to the switch to the new environment.

Whatever ends it early, the environment that was in use before stays in use: the new one is made beside it, and
``current.json`` names it only after the engine's own doctor found it healthy.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from qgis_mpsclip.client.environment import engine_environment
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install import base_python, places
from qgis_mpsclip.install.authorities import write_authorities
from qgis_mpsclip.install.cache import FOLDER as CACHE
from qgis_mpsclip.install.cache import cache_folder, cached_bytes, doubles, drop_unfinished, forget, replaced_packages
from qgis_mpsclip.install.connection import Connection, connect
from qgis_mpsclip.install.device import machine
from qgis_mpsclip.install.download import DownloadProgress
from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.exclusive import exclusive
from qgis_mpsclip.install.installed import (
    REPORT,
    InstalledEnvironment,
    make_current,
    old_environments,
    refuse_others,
    remove_environments,
    write_json,
)
from qgis_mpsclip.install.locks import locked_packages, read_locks
from qgis_mpsclip.install.log import InstallLog, secrets_of
from qgis_mpsclip.install.long_paths import refuse_long
from qgis_mpsclip.install.own import claim
from qgis_mpsclip.install.package_index import index_address, uv_variables
from qgis_mpsclip.install.packages import Request, packages_request, torch_request
from qgis_mpsclip.install.partial import Partial, resumed_or_new
from qgis_mpsclip.install.plan import InstallOptions, check_disk
from qgis_mpsclip.install.process import Finished, Runner
from qgis_mpsclip.install.stage import STEPS, InstallProgress
from qgis_mpsclip.install.tree import tree_bytes
from qgis_mpsclip.install.troubles import recognise
from qgis_mpsclip.install.uv import find_uv, users_uv
from qgis_mpsclip.settings import Settings
from qgis_mpsclip.version import plugin_version

__all__ = ["STEPS", "InstallJob", "InstallProgress"]

_DOCTOR_SECONDS = 900  # torch from a cold disk, past a virus scanner


class InstallJob:
    """An installation; :meth:`run` it once, in any thread.

    Args:
        log_file: gets everything that is run and said; None: no file.
        connection: made in the main thread; None: made here, which fails where QGIS must ask for a password.

    Attributes:
        report: what the doctor said of the new environment, as its ``--json`` has it; empty before.

    Raises:
        InstallError: the plugin's locks are missing or not understood, or the login of the proxy is locked away.
    """

    def __init__(
        self, options: InstallOptions, log_file: Path | None = None, connection: Connection | None = None
    ) -> None:
        self.report: dict[str, Any] = {}
        self._options = options
        self._choice = options.choice
        self._locks = read_locks(options.choice.lock.parent)
        environ = engine_environment()
        self._connection = connection or connect(options)
        # What the engine's doctor gets is what the engine gets; uv has settings of its own.
        self._engine_environ = {**environ, **self._connection.engine, "PYTHONDONTWRITEBYTECODE": "1"}
        self._environ = {**uv_variables(environ), **base_python.python_variables(options.folder)}
        addresses = {"package_index": options.index_url, "torch_index": options.torch_index}
        secrets = [secret for each in (self._environ, addresses) for secret in secrets_of(each)]
        for variables in (self._connection.index, self._connection.torch, self._connection.web):
            secrets += secrets_of(variables)
        self._log = InstallLog(log_file, secrets)
        self._cache = options.folder / CACHE
        self._on_progress: Callable[[InstallProgress], None] = lambda progress: None
        self._runner = Runner(self._log, self._environ, options.folder, lambda: False)

    def run(
        self,
        on_progress: Callable[[InstallProgress], None] = lambda progress: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> InstalledEnvironment:
        """Installs, or goes on with an installation that was cut short.

        Args:
            on_progress: called in this thread, often.
            is_cancelled: asked about ten times a second; from other threads never.

        Raises:
            InstallCancelled: children have been ended, within two seconds.
            InstallError: with its kind and the log's file; an environment in use stays in use.
        """
        self._on_progress = on_progress
        self._runner = Runner(self._log, self._environ, self._options.folder, is_cancelled)
        try:
            places.refuse_taken(self._options.folder)
            refuse_long(self._options.folder)
            with exclusive(self._options.folder):
                return self._install()
        except InstallError as error:
            error.log_file = str(self._log.file or "")
            self._log.write(f"! {error.kind}: {error}")
            raise
        except OSError as error:
            self._log.write(f"! {error!r}")
            raise self._failed(str(error), None) from error

    def _install(self) -> InstalledEnvironment:
        self._say("check", tr("Checking the disk"))
        self._log.write(f"MPS-CLIP {plugin_version()}, {self._choice.id}, {sys.platform}, {machine()}")
        refuse_others(self._options.folder)
        if self._connection.authorities and not self._environ.get("SSL_CERT_FILE"):
            file = write_authorities(self._options.folder, self._connection.authorities)
            self._environ["SSL_CERT_FILE"] = str(file)
        partial = resumed_or_new(self._options)
        self._remove_other_beginnings(partial)
        chosen = self._environ.get("UV_CACHE_DIR", "")
        self._cache = cache_folder(self._options.folder, users_uv(), chosen, self._runner)
        if self._cache == self._options.folder / CACHE:
            claim(self._cache)
            drop_unfinished(self._cache)
        self._environ["UV_CACHE_DIR"] = str(self._cache)
        self._log.write(f"cache: {self._cache}")
        if "packages" not in partial.done:
            self._check_disk(partial)
        uv = self._uv()
        if "environment" not in partial.done:
            self._make(uv, partial)
        if self._choice.torch_lock is not None and "torch" not in partial.done:
            environ = {**self._environ, **self._connection.torch}
            self._pip("torch", uv, partial, torch_request(self._options, environ, partial.folder))
        if "packages" not in partial.done:
            environ = {**self._environ, **self._connection.index}
            request = packages_request(self._options, environ, partial.folder, self._locks.build)
            self._pip("packages", uv, partial, request)
        self._examine(partial)
        return self._switch(uv, partial)

    def _check_disk(self, partial: Partial) -> None:
        wanted = locked_packages(self._choice.lock, self._choice.torch_lock)
        cached, present = cached_bytes(self._cache, wanted), tree_bytes(partial.folder)
        copies = doubles(self._options.folder, self._environ.get("UV_LINK_MODE", ""))
        self._log.write(f"cached: {cached}, present: {present}, copies: {copies}")
        check_disk(self._options.folder, self._choice, self._cache, cached, present, copies)

    def _remove_other_beginnings(self, partial: Partial) -> None:
        """What earlier installations began and cannot be gone on with: its room is needed."""
        remove_environments([path for path in old_environments(self._options.folder) if path != partial.folder])

    def _uv(self) -> Path:
        self._say("uv", tr("Looking for the installer uv"))
        return find_uv(
            self._options.folder,
            self._locks.build,
            self._options.wheels,
            index_address(self._options.index_url, self._environ),
            self._runner.is_cancelled,
            lambda done, total: self._say("uv", tr("Fetching the installer uv"), done, total),
        )

    def _make(self, uv: Path, partial: Partial) -> None:
        self._say("python", tr("Looking for a Python"))
        versions = self._locks.python
        if self._options.base_python is not None:
            python = base_python.check_python(self._options.base_python, versions, self._runner)
        else:
            python = base_python.find_python(uv, versions, self._runner) or self._download_python(uv, versions)
        self._say("environment", tr("Making the environment"))
        partial.folder.mkdir()
        partial.begin("environment")  # first: it marks the folder as one that may be deleted
        options = ["--allow-existing", "--no-project", "--no-python-downloads"]
        self._check(self._runner.run([uv, "venv", *options, "--python", python, partial.folder]), python)
        partial.end("environment")

    def _download_python(self, uv: Path, versions: Sequence[str]) -> Path:
        if self._options.wheels is not None:
            raise InstallError(
                tr("No Python {versions} was found on this machine.").format(versions=", ".join(versions)),
                tr("Install one of them, or name one. None is downloaded in an installation from a folder of wheels."),
                "python-missing",
            )
        progress = DownloadProgress(self._options.folder / base_python.PYTHON_FOLDER / ".temp")

        def on_line(line: str) -> None:
            if progress.read(line):
                self._say("python", progress.text or tr("Fetching a Python"), progress.done, progress.total)

        self._say("python", tr("Fetching a Python"))
        claim(self._options.folder / base_python.PYTHON_FOLDER)
        runner = self._runner.with_environ({**self._environ, **self._connection.web})
        return base_python.download_python(uv, versions, runner, on_line, self._error_of)

    def _pip(self, step: str, uv: Path, partial: Partial, request: Request) -> None:
        progress = DownloadProgress(self._cache)
        waiting = tr("Looking at what is needed")

        def on_line(line: str) -> None:
            if progress.read(line):
                self._say(step, progress.text or waiting, progress.done, progress.total)

        self._say(step, waiting)
        partial.begin(step)
        command = [uv, "pip", "install", "--python", partial.python, *request.arguments]
        runner = self._runner.with_environ(request.environ)
        self._check(runner.run(command, on_line, folder=partial.folder), partial.python)
        partial.end(step)

    def _examine(self, partial: Partial) -> None:
        """The engine's own doctor, as the engine will run."""
        self._say("doctor", tr("Checking the new environment"))
        partial.begin("doctor")
        command = [partial.python, "-s", "-X", "utf8", "-m", "engine", "doctor", "--json"]
        command += ["--profile", self._choice.profile]
        settings = Settings()
        for option, value in (("--cache", settings.cache_folder.strip()), ("--device", settings.device.strip())):
            command += [option, value] if value else []
        runner = self._runner.with_environ(self._engine_environ)
        try:
            done = runner.run(command, seconds=_DOCTOR_SECONDS, folder=self._choice.engine_src)
        except InstallCancelled:
            partial.end("doctor")  # it changes nothing: what was installed is whole
            raise
        self.report = _report(done.stdout)
        if done.returncode == 0 and self.report.get("healthy") is True:
            partial.end("doctor")
            write_json(partial.folder / REPORT, self.report)
            return
        trouble = recognise(done.output, done.returncode, str(partial.python), str(self._log.file or ""))
        if trouble.kind == "unknown":  # it named no finding
            raise InstallError(trouble.problem, trouble.remedy, "doctor")
        problem = tr("The new environment does not pass its checks: {problem}").format(problem=trouble.problem)
        raise InstallError(problem, trouble.remedy, trouble.kind)

    def _switch(self, uv: Path, partial: Partial) -> InstalledEnvironment:
        self._say("switch", tr("Switching to the new environment"))
        created = datetime.now().astimezone().isoformat(timespec="seconds")
        environment = InstalledEnvironment(
            partial.folder,
            partial.python,
            partial.lock_digest,
            self._choice.id,
            self._choice.accelerator,
            plugin_version(),
            created,
        )
        make_current(self._options.folder, environment)
        old = old_environments(self._options.folder)
        replaced = replaced_packages(old, partial.folder)
        for left in remove_environments(old):
            self._log.write(f"{left} is in use and stays; the next installation or removal deletes it")
        if self._cache == self._options.folder / CACHE:
            with contextlib.suppress(InstallError):  # it is installed; a cancellation comes too late
                forget(uv, replaced, self._runner)
        self._say("switch", tr("The engine is installed"), 1, 1)
        return environment

    def _say(self, step: str, text: str, done: int = 0, total: int = 0) -> None:
        self._on_progress(InstallProgress(step, text, done, total, self._choice.torch_lock is not None))

    def _check(self, done: Finished, python: Path) -> None:
        if done.returncode:
            raise self._error_of(done, python)

    def _error_of(self, done: Finished, python: Path | None = None) -> InstallError:
        return self._failed(done.output, done.returncode, python)

    def _failed(self, output: str, code: int | None, python: Path | None = None) -> InstallError:
        file = str(self._log.file or "")
        trouble = recognise(self._log.masked(output), code, str(python or ""), file)
        return InstallError(trouble.problem, trouble.remedy, trouble.kind, file)


def _report(stdout: str) -> dict[str, Any]:
    """The doctor's report; empty where it printed none."""
    with contextlib.suppress(ValueError):
        found = json.loads(stdout)
        return found if isinstance(found, dict) else {}
    return {}
