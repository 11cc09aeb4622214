# region imports
import io
import json
import logging
from typing import TextIO

import structlog

# endregion
BANKS = {"5": "First Bank"}  # by the first digit of a card
log = structlog.get_logger()


def configure(output: TextIO) -> None:  # sys.stdout in production
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(output),
    )


def charge(order_id: int, card: str) -> None:
    try:
        log.info("charged", bank=BANKS[card[0]])
    except KeyError:
        log.exception("charge_failed", order_id=order_id)


# region main
def main() -> None:
    output = io.StringIO()
    configure(output)
    charge(7, card="4000-0000")
    (line,) = map(json.loads, output.getvalue().splitlines())
    print(line["level"], line["event"], line["order_id"])
    #> error charge_failed 7
    print("the card is there:", "4000-0000" in output.getvalue())
    #> the card is there: True


if __name__ == "__main__":
    main()
# endregion
