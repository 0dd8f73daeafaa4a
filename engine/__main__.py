"""``python -m engine`` is the command ``mpsclip``."""

from __future__ import annotations

import sys

from engine.cli.environment import hold_environment


def main() -> int:
    """The doctor by itself, since it must speak where the packages that other commands load are broken."""
    hold_environment()
    if sys.argv[1:2] == ["doctor"]:
        from engine.diagnose.command import main as doctor

        return doctor(sys.argv[2:])
    from engine.cli.main import main as command

    return command()


if __name__ == "__main__":
    sys.exit(main())
