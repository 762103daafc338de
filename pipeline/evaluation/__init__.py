"""Yardsticks of detectors: a simulated market, a public benchmark, and recorded market days."""
