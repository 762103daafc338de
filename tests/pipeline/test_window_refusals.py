from __future__ import annotations

import pytest

from pipeline.windows import RollingSum, Windows


@pytest.mark.parametrize(
    ("sums", "timed", "message"),
    [
        ([[RollingSum("squares")]], True, "expected a length, or with times a duration"),
        ([[RollingSum("squares", 5, duration_us=5)]], True, "expected a length, or with times"),
        ([[RollingSum("squares", duration_us=5)]], False, "expected a length, or with times"),
        ([[RollingSum("deviations", 5, need=0)]], False, "expected to need at least one term"),
        ([[RollingSum("trimmed_squares", 5)]], False, "before what it trims"),
        (
            [[RollingSum("trimmed_squares", 5), RollingSum("squares", 5)]],
            False,
            "before what it trims",
        ),
        (
            [[RollingSum("squares", 5)], [RollingSum("squares", 5, horizon=2)]],
            False,
            "expected sums of the same kinds and horizons",
        ),
        (
            [[RollingSum("squares", 5)], [RollingSum("products", 5)]],
            False,
            "expected sums of the same kinds and horizons",
        ),
    ],
)
def test_windows_refuse_what_they_would_sum_wrongly(
    sums: list[list[RollingSum]],
    timed: bool,  # noqa: FBT001
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        Windows(sums, timed=timed)
