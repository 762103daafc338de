"""What runs when nobody says what to run."""

from __future__ import annotations

from pathlib import Path

DEMO_CONFIG = Path(__file__).parent.parent / "configs" / "demo.yaml"

#: And what `chaos` disturbs.
CHAOS_CONFIG = Path(__file__).parent.parent / "configs" / "chaos.yaml"
