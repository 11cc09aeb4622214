# region imports
from datetime import UTC, datetime, timedelta

import time_machine

# endregion
END = datetime(2027, 1, 31, 12, tzinfo=UTC)


def is_expired(end: datetime) -> bool:
    return datetime.now(UTC) >= end


def test_an_offer_ends_at_its_end() -> None:
    before = END - timedelta(seconds=1)
    with time_machine.travel(before, tick=False) as clock:
        assert not is_expired(END)  # noqa: S101  it is a test
        clock.shift(1)
        assert is_expired(END)  # noqa: S101  so too
