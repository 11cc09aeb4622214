# region imports
import io
import json
from collections.abc import Iterable

import structlog
from structlog.contextvars import bind_contextvars, merge_contextvars

# endregion
log = structlog.get_logger()


def work(jobs: Iterable[dict[str, int]]) -> None:
    for job in jobs:
        bind_contextvars(**job)
        log.info("mail_sent")


# region main
def main() -> None:
    output = io.StringIO()
    structlog.configure(
        processors=[merge_contextvars, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(output),
    )
    work([{"job_id": 1, "user_id": 7}, {"job_id": 2}])
    for line in map(json.loads, output.getvalue().splitlines()):
        print("job", line["job_id"], "of user", line.get("user_id"))
        #> job 1 of user 7
        #> job 2 of user 7


if __name__ == "__main__":
    main()
# endregion
