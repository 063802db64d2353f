"""From judgements to the numbers of a table."""
