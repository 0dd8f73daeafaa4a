"""What is copied into an issue when an installation has failed, or to keep it when one has succeeded."""

from __future__ import annotations

from qgis_mpsclip.diagnostics import install_report
from qgis_mpsclip.durations import duration
from qgis_mpsclip.install.course import FAILED
from qgis_mpsclip.install.session import Installation
from qgis_mpsclip.settings import Settings


def session_report(settings: Settings, session: Installation) -> str:
    """The last installation as Markdown, without the user's name, folders and secrets. In English, as issues are."""
    error, options, course = session.error, session.options, session.course
    problem = "installed and checked"
    facts: list[tuple[str, str]] = []
    if error is not None:
        problem = " ".join(f"{error.problem} {error.remedy}".split())
        facts.append(("Kind", error.kind))
    if options is not None:
        facts.append(("Choice", options.choice.id))
        facts.append(("Packages from", "a folder of wheels" if options.wheels else "an index"))
        facts.append(("Base Python", "chosen" if options.base_python else "found by uv"))
    if course is not None:
        failed = [step for step in course.steps if course.state(step) == FAILED]
        facts += [("Failed step", step) for step in failed]
        facts += [("Time", duration(course.seconds()))]
    facts += [("Check", line) for line in session.check_text.splitlines()]
    return install_report(settings, problem, facts, session.log_file)
