"""The installation as all windows of one QGIS share it: what runs, how far it is, how the last one ended."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QObject, pyqtSignal, pyqtSlot

from qgis_mpsclip.client.blocking import end_shared_engine, renew_shared_engine
from qgis_mpsclip.client.interpreter import PACKAGE, engine_folder
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.background import Background
from qgis_mpsclip.install.connection import connect
from qgis_mpsclip.install.course import Course
from qgis_mpsclip.install.doctor import findings_text
from qgis_mpsclip.install.errors import InstallCancelled, InstallError
from qgis_mpsclip.install.former import forget_removed, former_folders, remember, remember_present, remove
from qgis_mpsclip.install.installed import holds_anything, remove_replaced
from qgis_mpsclip.install.log import new_log_file
from qgis_mpsclip.install.news import news
from qgis_mpsclip.install.places import environments_folder
from qgis_mpsclip.install.plan import Choice, choices
from qgis_mpsclip.install.stage import InstallProgress
from qgis_mpsclip.install.state import EngineState, engine_state
from qgis_mpsclip.install.task import InstallTask
from qgis_mpsclip.settings import Settings

if TYPE_CHECKING:
    from qgis_mpsclip.client import EngineClient
    from qgis_mpsclip.install.device import Device
    from qgis_mpsclip.install.installed import InstalledEnvironment
    from qgis_mpsclip.install.plan import InstallOptions

DIALOG_NAME = "mpsclip_install"  # of the windows that show it
_END_MILLISECONDS = 10_000  # the job ends its children within two seconds


class Installation(QObject):
    """One installation at a time. Belongs to the main thread.

    Args:
        package: the plugin's own folder, links followed.

    Attributes:
        course: how far the running or last installation is; None before the first.
        options: what it installs.
        log_file: all that it said.
        installed: what the last one made; None while one runs, and where it did not succeed.
        check_text: what the engine's check of it found, in short, line by line.
        error: why it did not succeed.

    Signals:
        requested(): a window asks for the dialog.
        changed(): an installation began or ended, or another environment is to be used.
        progressed(): ``course`` has gone on.
        uninstalled(object): a removal has ended; None, or the exception that ended it.
    """

    requested = pyqtSignal()
    changed = pyqtSignal()
    progressed = pyqtSignal()
    uninstalled = pyqtSignal(object)

    def __init__(
        self, settings: Settings, client: EngineClient, parent: QObject | None = None, package: Path = PACKAGE
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._client = client
        self._package = package
        self._task: InstallTask | None = None
        self._removing: list[Path] = []
        self.course: Course | None = None
        self.options: InstallOptions | None = None
        self.log_file: Path | None = None
        self.installed: InstalledEnvironment | None = None
        self.check_text = ""
        self.error: InstallError | None = None
        news().environmentChanged.connect(self.renew)
        remember_present(settings)
        self._remove_replaced()

    @property
    def is_running(self) -> bool:
        return self._task is not None

    @property
    def was_cancelled(self) -> bool:
        return isinstance(self.error, InstallCancelled)

    def state(self) -> EngineState:
        """What there is to search with."""
        return engine_state(self._settings, self._package)

    @property
    def can_uninstall(self) -> bool:
        """Whether anything is installed, be it only a beginning."""
        try:
            return not self.is_running and holds_anything(environments_folder(self._settings))
        except InstallError:  # a folder that cannot be used
            return False

    @property
    def requirements(self) -> Path | None:
        """The folder of the locks that came with the plugin; None: it came without."""
        folder = engine_folder(self._package)
        return folder / "requirements" if folder is not None else None

    def choices(self, device: Device) -> list[Choice]:
        """What can be installed on this machine.

        Raises:
            InstallError: the plugin's locks are missing or not understood.
        """
        return choices(self.requirements, device)

    # ---- installing

    def start(self, options: InstallOptions) -> bool:
        """Begin to install; False where an installation runs already, or cannot begin, as ``error`` then says."""
        if self._task is not None:
            return False
        self.options, self.installed, self.error, self.check_text = options, None, None, ""
        self.log_file = None
        self.course = Course(options.choice.torch_lock is not None)
        try:
            connection = connect(options)  # here: QGIS may ask for a password
        except InstallError as error:
            self.error = error
            self.course.end(False)
            self.changed.emit()
            return False
        remember(self._settings, options.folder)  # be it only for a beginning
        self.log_file = new_log_file()
        self._task = task = InstallTask(options, self.log_file, connection)
        task.progressed.connect(self._progressed)
        task.ended.connect(self._ended)
        QgsApplication.taskManager().addTask(task)
        self.changed.emit()
        return True

    def cancel(self) -> None:
        """Ask for the early end; what was downloaded is kept for the next time."""
        if self._task is not None:
            self._task.cancel()

    def shut_down(self) -> None:
        """End what runs, and wait for it, before the plugin goes."""
        news().environmentChanged.disconnect(self.renew)
        task, self._task = self._task, None
        if task is None:
            return
        task.progressed.disconnect(self._progressed)
        task.ended.disconnect(self._ended)
        task.cancel()
        task.waitForFinished(_END_MILLISECONDS)

    def forget_outcome(self) -> None:
        """The user has seen how the last one ended."""
        if self._task is None:
            self.course = self.installed = self.error = None

    # ---- other environments

    def use(self, python: Path) -> None:
        """Search with another interpreter from now on."""
        self._settings.engine_python = str(python)
        self.renew()

    def former(self) -> list[Path]:
        """Folders of engines that were installed before another folder was chosen."""
        return former_folders(self._settings)

    def uninstall(self, with_former: bool = False) -> None:
        """Remove what was installed, in a thread; ``uninstalled`` follows.

        Args:
            with_former: also from the folders that were used before.
        """
        self._remove([environments_folder(self._settings), *(self.former() if with_former else [])])

    def remove_former(self) -> None:
        """Remove the engines in :meth:`former`, in a thread; ``uninstalled`` follows."""
        self._remove(self.former())

    def _remove(self, folders: list[Path]) -> None:
        self._client.shutdown()  # Windows removes no program that runs
        end_shared_engine()
        self._removing = folders
        task = Background(tr("Removing the search engine"), partial(remove, folders))
        task.done.connect(self._removed)
        task.failed.connect(self._not_removed)
        task.start()

    @pyqtSlot(object)
    def _removed(self, answer: object) -> None:
        if not self.state().is_used:
            self.forget_outcome()
        self._after_removal(None)

    @pyqtSlot(object)
    def _not_removed(self, error: Exception) -> None:
        self._after_removal(error)

    def _after_removal(self, error: Exception | None) -> None:
        forget_removed(self._settings, self._removing)
        self.renew()
        self.uninstalled.emit(error)

    # ---- following the task

    @pyqtSlot(object)
    def _progressed(self, progress: InstallProgress) -> None:
        if self.course is not None:
            self.course.update(progress)
            self.progressed.emit()

    @pyqtSlot()
    def _ended(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        self.installed, self.error = task.installed, task.error
        self.check_text = findings_text(task.report.get("findings", ()))
        if self.installed is None and self.error is None:  # cancelled before it had begun
            self.error = InstallCancelled(str(self.log_file or ""))
        self.course.end(self.installed is not None)
        if self.installed is not None:
            adopt(self._settings, self.options)
            self._settings.engine_python = ""  # it would go before what was just installed
            self.renew()
        else:
            self.changed.emit()

    @pyqtSlot()
    def renew(self) -> None:
        """From their next start on, all engines of this QGIS run in the environment that there is now."""
        self._client.renew()
        renew_shared_engine()
        self._remove_replaced()
        self.changed.emit()

    def _remove_replaced(self) -> None:
        """An environment that an engine ran from when it was replaced, in a thread; later, where one still does."""
        with suppress(InstallError):  # a folder that cannot be used holds nothing
            folder = environments_folder(self._settings)
            Background(tr("Removing replaced packages"), lambda is_cancelled: remove_replaced(folder)).start()


def adopt(settings: Settings, options: InstallOptions) -> None:
    """Have what was installed looked for where it is."""
    try:
        is_found = environments_folder(settings) == options.folder
    except InstallError:  # what was set before cannot be used
        is_found = False
    remember_present(settings)
    remember(settings, options.folder)
    if not is_found:
        settings.install_folder = str(options.folder)
