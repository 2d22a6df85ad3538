"""Recorded decisions of the benchmarks' official rules."""
