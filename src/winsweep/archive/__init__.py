"""A study's results as one file for others: what goes in, how it is written and read, and what differs elsewhere."""
