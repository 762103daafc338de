"""The pages that `cryptoctopus evaluate --html` writes, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipeline.errors import OutputError
from viz.reports.page import write_report

OpenPage = Callable[..., Page]


def figures(recalls: list[float], false: float) -> dict[str, Any]:
    points = [
        {"recall": at, "threshold": 8 - at, "false_alarms_per_day": false * at} for at in recalls
    ]
    return {"curve": points}


def of_detector(false: float) -> dict[str, Any]:
    harder = {name: figures([0.5, 0.8], 2 * false) for name in ("wide_spread", "heavy_tails")}
    thin = {"3.3 s": {"per_day": false / 2}, "10 s": {"per_day": 0.0}}
    return {**figures([0.5, 0.8], false), "settings": {**harder, "illiquid": thin}}


SIM = {
    "seeds": [600, 601],
    "chosen_on": [200, 211],
    "warning": None,
    "detectors": {"multi_horizon": of_detector(0.0), "zscore": of_detector(300.0)},
}

NAB = {
    "table": [
        {
            "detector": name,
            "source": source,
            "scores": {
                "standard": score, "reward_low_FP_rate": score / 2, "reward_low_FN_rate": score,
            },
        }
        for name, source, score in (("ours", "measured", 52.5), ("<b>", "published", 74.9))
    ]
}  # fmt: skip

ALERT = {"start": "2024-08-05T01:14:00+00:00", "severity": "major", "score": 9.1, "move_bp": -120.0}
OUTAGE = {
    "kind": "outage", "start": "2024-08-05T02:00:00+00:00", "end": "2024-08-05T03:00:00+00:00",
}  # fmt: skip
TIMES = {"minor": 1.2, "major": 0.0, "critical": None}
KLINES = {
    "months/BTCUSDT-1m.csv": {
        "alerts": [ALERT],
        "data_quality": [OUTAGE, {"kind": "rejected", "rows": 1}],
        "budget": {"times_budget": TIMES},
    },
    "months/USDCUSDT-1m.csv": {
        "alerts": [],
        "data_quality": [],
        "budget": {"times_budget": dict.fromkeys(TIMES)},
    },
    "all": {
        "budget": {},
        "budget_by_symbol": {"symbols": {"BTCUSDT": {"times_budget": TIMES}}},
        "trade_off": [
            {"enter": 6.0, "alerts_per_day": 1.0, "symbols_found": 0.9},
            {"enter": 20.0, "alerts_per_day": 0.0, "symbols_found": 0.0},
        ],
        "budget_trade_off": [{"budget_per_day": 0.5, "alerts_per_day": 0.5, "symbols_found": None}],
    },
}

REPORTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "sim": (SIM, ["False alarms against jumps found", "Thin markets in which nothing happens"]),
    "nab": (NAB, [f"Profile {name}" for name in NAB["table"][0]["scores"]]),  # type: ignore[attr-defined]
    "klines": (
        KLINES,
        [
            "Alerts in months",
            "Alarms against their budget in months",
            "Alarms against their budget by symbol",
            "What is found for how many alarms",
        ],
    ),
}


@pytest.mark.parametrize("kind", REPORTS)
def test_report_is_one_page_with_a_plot_a_section(
    tmp_path: Path, open_page: OpenPage, kind: str
) -> None:
    report, titles = REPORTS[kind]
    write_report(kind, report, tmp_path / "report.html")
    page = open_page(f"file://{tmp_path / 'report.html'}", wait=False)
    expect(page.locator("h2")).to_have_text(titles)
    expect(page.locator(".bk-Figure")).to_have_count(len(titles))
    for plot in page.locator(".bk-Figure").all():
        assert plot.bounding_box()["height"] > 100  # type: ignore[index]


def test_report_of_bars_alone_has_no_budgets_and_no_trade_off(
    tmp_path: Path, open_page: OpenPage
) -> None:
    bars = {"months/BTCUSDT-1m.csv": {"alerts": [ALERT], "data_quality": []}}
    write_report("klines", bars, tmp_path / "report.html")
    page = open_page(f"file://{tmp_path / 'report.html'}", wait=False)
    expect(page.locator("h2")).to_have_text(["Alerts in months"])


def test_report_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "report.html"
    with pytest.raises(OutputError, match=f"^--html {path}: expected to write here: "):
        write_report("nab", NAB, path)
