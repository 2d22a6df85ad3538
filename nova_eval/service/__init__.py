"""Judges over HTTP: what a request says, who may ask, what is at work, what is counted."""
