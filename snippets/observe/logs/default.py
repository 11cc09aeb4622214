# region imports
import io
from typing import TextIO

import structlog

# endregion
BANKS = {"5": "First Bank"}  # by the first digit of a card
log = structlog.get_logger()


def configure(output: TextIO) -> None:  # sys.stdout in production
    structlog.configure(
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
    print("lines:", len(output.getvalue().splitlines()) > 1)
    #> lines: True
    print("the card is there:", "4000-0000" in output.getvalue())
    #> the card is there: True


if __name__ == "__main__":
    main()
# endregion
