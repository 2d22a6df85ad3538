"""Recorded outputs of official code against this install."""
