"""Benchmark suites: `python -m benchmarks SUITE --json OUT`."""
