# region imports
import asyncio
import selectors
from collections.abc import Callable

# endregion
COST = 0.1  # seconds that each turn of the loop takes longer


class BusySelector(selectors.DefaultSelector):
    lost = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        self.lost += COST
        return super().select(timeout)


class BusyLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.busy = BusySelector()
        super().__init__(self.busy)

    def time(self) -> float:
        return super().time() + self.busy.lost


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], BusyLoop]]:
    return {"busy": BusyLoop}
