"""One attempt at one artifact, wherever it runs: what it is told, how it runs, and how it ends."""
