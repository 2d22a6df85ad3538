"""Recordings of reference code whose replay needs judges and scorers together, and the inputs they were made on."""
