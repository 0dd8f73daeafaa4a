"""What the installation's windows say about things."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from qgis_mpsclip.durations import duration
from qgis_mpsclip.i18n import tr
from qgis_mpsclip.install.course import step_title
from qgis_mpsclip.install.plan import driver_note
from qgis_mpsclip.sizes import size_text

if TYPE_CHECKING:
    from qgis_mpsclip.install.course import Course
    from qgis_mpsclip.install.device import Device
    from qgis_mpsclip.install.plan import Choice
    from qgis_mpsclip.install.stage import InstallProgress
    from qgis_mpsclip.install.state import EngineState


def title(state: EngineState) -> str:
    """Heading of the dialog before anything is done."""
    if state.environment is None:
        return tr("Install the Search Engine")
    return tr("Update the Search Engine") if state.is_outdated else tr("Install the Search Engine Again")


def outcome_title(succeeded: bool, cancelled: bool) -> str:
    """Heading of the dialog when it is over."""
    if succeeded:
        return tr("The Search Engine Is Ready")
    return tr("The Installation Was Cancelled") if cancelled else tr("The Search Engine Was Not Installed")


def introduction(state: EngineState) -> str:
    """What will be done, where something is installed already and where nothing is."""
    if state.environment is None:
        return tr(
            "Searching needs PyTorch, rasterio and further Python packages. They are installed into a folder of"
            " their own, in tested versions and with their checksums verified. QGIS's own Python is not touched."
        )
    if state.is_outdated:
        return tr(
            "This version of the plugin needs other packages than those that are installed. They are installed beside"
            " the present ones, which go on working and are replaced only after the new ones have passed a check."
        )
    return tr(
        "The search engine is installed and up to date. Installing it again makes a new environment, which replaces"
        " the present one after it has passed a check."
    )


def other_python(state: EngineState) -> str:
    """What stands before the environment that will be installed; empty where nothing does."""
    found = state.interpreter
    origin = found.origin if found is not None else ""
    if origin == "setting":
        return tr(
            "The options name {python} as the engine's Python. After the installation the new environment is used"
            " instead."
        ).format(python=found.python)
    if origin == "environment":
        return tr(
            "The environment variable MPSCLIP_PYTHON names {python}, which goes before what is installed here. Remove"
            " the variable to use the new environment."
        ).format(python=found.python)
    if origin == "checkout":
        return tr(
            "The plugin runs from a checkout with an environment of its own, {python}, which goes before what is"
            " installed here."
        ).format(python=found.python)
    return ""


def device_text(device: Device) -> str:
    """What was found to compute on."""
    if device.kind == "cuda":
        facts = [device.name or tr("NVIDIA GPU")]
        if device.driver:
            facts.append(tr("driver {version}").format(version=device.driver))
        if device.cuda_level:
            facts.append(tr("up to CUDA {version}").format(version=device.cuda_level))
        return ", ".join(facts)
    if device.kind == "mps":
        return tr("{name}, its GPU by Metal").format(name=device.name or tr("Apple silicon"))
    return tr("The processor. No GPU was found that PyTorch can use; searching works without one.")


def version_text(choice: Choice, is_only_one: bool) -> str:
    """One of the builds that can be chosen, with what there is to compare where there are several."""
    if is_only_one:
        return choice.label
    size = size_text(choice.installed_bytes) if choice.installed_bytes else ""
    text = f"{choice.label} – {size}" if size else choice.label
    return tr("{version} (recommended)").format(version=text) if choice.recommended else text


def version_hint(choice: Choice, device: Device) -> str:
    """What is to be known of this build and this graphics card; empty where nothing is to be explained."""
    if device.kind == "cpu" and choice.accelerator == "cuda":
        return tr("It runs on the processor too. This release has no smaller set of packages for the processor alone.")
    if device.kind == "cuda" and choice.accelerator == "cpu":
        return tr("This one does not use the graphics card.")
    return driver_note(choice, device)


def nothing_suits() -> str:
    return tr(
        "This release has no tested set of packages for {system} on {machine}. Use an existing Python in which the"
        " engine's packages are installed."
    ).format(system=platform.system(), machine=platform.machine())


def needs_text(choice: Choice, free: int | None, offline: bool) -> str:
    """Download and disk against what is free."""
    parts = []
    if offline:
        parts.append(tr("No download"))
    elif choice.download_bytes:
        parts.append(tr("{size} download").format(size=size_text(choice.download_bytes)))
    if choice.installed_bytes:
        parts.append(tr("{size} on disk").format(size=size_text(choice.installed_bytes)))
    text = ", ".join(parts) or tr("How much is not known")
    return text if free is None else tr("{needs}; {free} are free").format(needs=text, free=size_text(free))


def course_text(course: Course) -> str:
    """``Installing packages: 1.2 GB of 2.9 GB · 3 min 20 s so far``."""
    what = stage_text(course.latest) if course.latest is not None else tr("Beginning…")
    return f"{what} · {tr('{time} so far').format(time=duration(course.seconds()))}"


def stage_text(progress: InstallProgress) -> str:
    """``Installing packages: 1.2 GB of 2.9 GB``, as far as it is known."""
    text = progress.text or step_title(progress.step)
    if not progress.total or progress.step == "switch" or size_text(progress.total) in text:
        return text
    return tr("{what}: {done} of {total}").format(
        what=text, done=size_text(progress.done), total=size_text(progress.total)
    )
