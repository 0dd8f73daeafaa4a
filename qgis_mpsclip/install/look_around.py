"""Run by an interpreter that is to be examined, whatever its age: says on one line of JSON what it is and has.

Standard library alone and nothing newer than Python 3.4, so without annotations; before Python 3.8, which has no
``importlib.metadata``, it names no packages.
"""

import json
import platform
import re
import struct
import sys
import sysconfig
from pathlib import Path

# What else starts with the interpreter may print too.
MARK = "mpsclip-examination "


def packages():
    """Version of each installed package by its normalised name; the first on the path counts, as for imports."""
    try:
        from importlib import metadata
    except ImportError:
        return {}
    found = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]  # None where a removal was cut short
        if name:
            found.setdefault(re.sub("[-_.]+", "-", name).lower(), distribution.version)
    return found


def main():
    """Prints it."""
    externally_managed = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    is_environment = sys.prefix != getattr(sys, "base_prefix", sys.prefix)
    said = {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "bits": 8 * struct.calcsize("P"),
        "prefix": sys.prefix,
        "base_prefix": getattr(sys, "base_prefix", sys.prefix),
        "managed": not is_environment and externally_managed.exists(),
        "packages": packages(),
    }
    print(MARK + json.dumps(said))


if __name__ == "__main__":
    main()
