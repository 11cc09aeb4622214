# region imports, and what a mailer does
import asyncio
from typing import Protocol


class Mailer(Protocol):
    async def send(self, mail: str) -> None: ...


# endregion
async def work(jobs: asyncio.Queue[str], mailer: Mailer) -> None:
    while True:
        await mailer.send(await jobs.get())


class FakeMailer:
    def __init__(self) -> None:
        self.mails, self.sent = list[str](), asyncio.Event()

    async def send(self, mail: str) -> None:
        await asyncio.sleep(0.05)  # stands for a mail server
        self.mails.append(mail)
        self.sent.set()


async def test_a_job_is_mailed() -> None:
    jobs, mailer = asyncio.Queue[str](), FakeMailer()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(work(jobs, mailer))
        jobs.put_nowait("welcome")
        await asyncio.sleep(0.1)
        worker.cancel()
    assert mailer.mails == ["welcome"]  # noqa: S101  it is a test
