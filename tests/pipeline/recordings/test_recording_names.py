from __future__ import annotations

import pytest

from pipeline.recordings.names import bar_length_in_name_us, symbol_in_name


@pytest.mark.parametrize(
    ("name", "symbol", "length_us"),
    [
        ("BTCUSDT-aggTrades-2025-01-01.zip", "BTCUSDT", None),
        ("1000SATSUSDT-trades-2025-01.csv.gz", "1000SATSUSDT", None),
        ("BTCUSDT-1m-2025-02.csv.gz", "BTCUSDT", 60_000_000),
        ("BTC_USDT-1m.json.gz", "BTCUSDT", 60_000_000),
        ("XRP_ETH-5m.feather", "XRPETH", 300_000_000),
        ("BTC_USDT_USDT-1h-futures.feather", "BTCUSDT", 3_600_000_000),
        ("BTCUSDT-1s-2025-02-01.zip", "BTCUSDT", 1_000_000),
        ("ETHUSDT-1d.csv", "ETHUSDT", 86_400_000_000),
        ("2024-01-01.csv", None, None),
        ("BTCUSDT-0m.csv", "BTCUSDT", None),
        ("btcusdt.csv", None, None),
    ],
)
def test_name_of_a_file_tells_symbol_and_bar_length(
    name: str, symbol: str | None, length_us: int | None
) -> None:
    assert symbol_in_name(name) == symbol
    assert bar_length_in_name_us(name) == length_us
