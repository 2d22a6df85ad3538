"""What ``nova_eval`` offers to Python: runs, their numbers as data frames, comparisons, scores of frames in memory."""
