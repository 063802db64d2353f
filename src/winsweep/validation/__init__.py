"""Whether a judge is any good: it is asked about pairs whose better answer people have named, or is known."""
