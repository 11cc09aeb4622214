# region imports
import io
import json

import structlog
from structlog.processors import (
    ExceptionRenderer,
    JSONRenderer,
    add_log_level,
)
from structlog.tracebacks import ExceptionDictTransformer

# endregion
log = structlog.get_logger()


def read_price(sku: str) -> int:
    raise ConnectionError("refused")


def total(sku: str, count: int) -> int:
    return count * read_price(sku)


def answer(sku: str) -> int:
    try:
        return 200 if total(sku, 2) else 404
    except ConnectionError:
        log.exception("request_failed", sku=sku)
        return 500


# region main
def main() -> None:
    output, plain = io.StringIO(), ExceptionDictTransformer(show_locals=False)
    structlog.configure(
        processors=[add_log_level, ExceptionRenderer(plain), JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(output),
    )
    print("status", answer("A-1"))
    #> status 500
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    print("errors:", [line["event"] for line in lines])
    #> errors: ['request_failed']


if __name__ == "__main__":
    main()
# endregion
