"""The front door: `python -m pipeline` and the console script `cryptoctopus`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from actors.cli import main as run  # noqa: PLC0415 - the one way up, kept out of every import

    sys.exit(run())


if __name__ == "__main__":
    main()
