"""Checkpoints tested one after the other: what was found of each, beside a reference and beside the best so far."""
