"""Thin shells around `pipeline`: they own threads, sockets and time."""

import os

# Read by Ray when it is imported, so it must stand before any import of it. Under `uv run` Ray
# would otherwise install the environment anew for every worker.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
# A monitor that watches other people's markets does not report on itself.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
