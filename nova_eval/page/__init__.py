"""What people open in a browser: the report of one or more runs, and votes on two of them that show no names."""
