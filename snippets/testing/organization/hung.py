# region imports
import asyncio
import threading


# endregion
async def deliver() -> None:
    threading.Event().wait()  # stands for a call that blocks and never ends


async def send() -> None:
    worker = asyncio.create_task(deliver())
    await asyncio.wait([worker])


def test_a_mail_is_sent() -> None:
    asyncio.run(send())


def test_an_order_is_listed() -> None:
    listed = sorted(["pen", "book"])
    assert listed == ["book", "pen"]  # noqa: S101  it is a test
