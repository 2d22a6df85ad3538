"""Speed measurements behind the ``bench`` verb. Every ratio is taken side by side in one run."""
