"""A small invented world of facts: the corpus, tasks and test instructions of the study that runs on a laptop."""
