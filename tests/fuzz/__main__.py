"""`python -m tests.fuzz --frames 1000000 --seed 1`: how venues' messages are read when broken."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.run import Progress, fuzz


def main() -> None:
    """Run, with a progress line, and print what became of the frames."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started_s = told_s = time.monotonic()
    progress = Progress()
    for progress in fuzz(options.frames, options.seed):
        if time.monotonic() - told_s >= 1.0:
            told_s = time.monotonic()
            rate = progress.frames / (told_s - started_s)
            sys.stderr.write(f"\r{progress.frames:,} of {options.frames:,} frames, {rate:,.0f}/s ")
            sys.stderr.flush()
    seconds = time.monotonic() - started_s
    sys.stderr.write("\r")
    sys.stdout.write(f"{progress.frames:,} frames in {seconds:.1f} s, seed {options.seed}\n")
    for name, outcomes in progress.outcomes.items():
        sys.stdout.write(f"\n{name}: {sum(outcomes.values()):,}\n")
        for outcome, count in outcomes.most_common():
            sys.stdout.write(f"{count:>10,}  {outcome}\n")


if __name__ == "__main__":
    main()
