"""What the stage prepare makes of a source, as lists."""

from winsweep.attempt.job import Job
from winsweep.text.prepare import rows_of


def examples(job: Job) -> list[dict]:
    return list(rows_of("examples", job.params["source"], job.file))


def instructions(job: Job) -> list[dict]:
    return list(rows_of("instructions", job.params["source"], job.file))
