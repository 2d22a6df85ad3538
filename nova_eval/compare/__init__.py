"""Two or more runs: what is paired, what differs, what is established, what a gate says. Needs no network."""
