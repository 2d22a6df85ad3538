"""Faults done to small runs on purpose, and what is lost, doubled or silently changed by them."""
