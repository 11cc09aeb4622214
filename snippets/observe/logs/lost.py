# region imports
import asyncio
import io
import json

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars

# endregion
log = structlog.get_logger()


def write_invoice(order_id: int) -> None:  # a blocking call
    log.info("invoice_written", order_id=order_id)


async def close_order(order_id: int, request_id: str) -> None:
    with bound_contextvars(request_id=request_id):
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, write_invoice, order_id)
        log.info("order_closed", order_id=order_id)


# region main
def main() -> None:
    output = io.StringIO()
    structlog.configure(
        processors=[merge_contextvars, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(output),
    )
    asyncio.run(close_order(7, "r-1"))
    for line in map(json.loads, output.getvalue().splitlines()):
        print(line["event"], line.get("request_id"))
        #> invoice_written None
        #> order_closed r-1


if __name__ == "__main__":
    main()
# endregion
