"""The instrument itself: recordings replayed, live official packages asked, speed measured."""
