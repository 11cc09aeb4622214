import tracemalloc

REPORTS: dict[int, bytes] = {}


def load_prices() -> list[bytes]:
    return [bytes(1000) for _ in range(5000)]


def report(order: int) -> bytes:
    if order not in REPORTS:
        REPORTS[order] = bytes(1000)
    return REPORTS[order]


def culprit() -> str:
    tracemalloc.start()
    prices = load_prices()
    for order in range(1000):
        report(order)
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    del prices  # they stayed until here
    largest = after.statistics("lineno")[0]
    return largest.traceback.format()[-1].strip()


if __name__ == "__main__":
    print(culprit())
    #> return [bytes(1000) for _ in range(5000)]
