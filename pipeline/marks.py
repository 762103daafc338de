"""Integers that stand for something other than a number."""

from __future__ import annotations

import numpy as np

#: In place of a trade id or a count of trades that there is not, or that is not known.
NONE = -1

#: Before every time, grid step and trade id: there has been none yet.
NEVER = np.iinfo(np.int64).min

#: After every time and grid step.
ONWARD = np.iinfo(np.int64).max

#: In place of a clock: no trade will come any more.
ENDED = ONWARD
