"""Where plugin modules are found."""

from __future__ import annotations

import sys
from pathlib import Path


def look_here() -> None:
    """Let modules of the current directory be imported, whatever script was started.

    Ray's workers look in the driver's current directory too.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
