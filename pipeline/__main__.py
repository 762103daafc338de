"""The front door: `python -m pipeline` and the console script `cryptoctopus`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from actors.cli import main as run  # noqa: PLC0415 - the one way up, out of every import

        code = run()
    except KeyboardInterrupt:  # while it still loads
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
