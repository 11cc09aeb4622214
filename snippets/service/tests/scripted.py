"""A mail server that says what a test tells it, when the test tells it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

DROP = ""
"""Instead of a reply: the connection ends."""
LARGEST = 2**25
"""Bytes of a mail."""


class Script:
    """What the server says to each command, and what it took."""

    def __init__(self, **replies: str) -> None:
        self.replies = {
            "BANNER": "220 ready",
            "EHLO": "250 ready",
            "MAIL": "250 OK",
            "RCPT": "250 OK",
            "DATA": "354 go on",
            "END": "250 OK",
            "QUIT": "221 bye",
            **replies,
        }
        self.silent = set[str]()
        """The steps that get no reply at all."""
        self.pause = 0.0
        """Seconds before each reply."""
        self.told = Counter[str]()
        """How often each step was reached."""
        self.recipients = list[str]()
        self.mails = list[bytes]()
        """What was sent between DATA and the dot."""
        self.reads = asyncio.Event()
        """Whether the server reads what follows DATA."""
        self.reads.set()
        self.left = asyncio.Queue[bytes]()
        """What each client sent before it left, after the last reply."""

    async def reached(self, step: str) -> None:
        """Return once a client has come to a step."""
        async with asyncio.timeout(60):
            while not self.told[step]:  # noqa: ASYNC110  a counter tells nobody
                await asyncio.sleep(0.01)

    async def talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Talk with one client until either leaves."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            step = "BANNER"
            while await self.reply(step, writer):
                line = await reader.readuntil(b"\r\n")
                step = line[:4].decode().strip().upper()
                if step == "RCPT":
                    self.recipients.append(line.decode().strip())
                if step == "DATA" and await self.reply(step, writer):
                    transport = cast(asyncio.Transport, writer.transport)
                    transport.pause_reading()
                    await self.reads.wait()
                    transport.resume_reading()
                    self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                    step = "END"
        if step in self.silent or step == "DATA":
            sent = b""
            with suppress(ConnectionError):
                sent = await reader.read()
            self.left.put_nowait(sent)
        writer.close()

    async def reply(self, step: str, writer: asyncio.StreamWriter) -> bool:
        """Say what belongs to a step; tell whether the talk goes on."""
        self.told[step] += 1
        if step in self.silent:
            return False
        await asyncio.sleep(self.pause)
        said = self.replies.get(step, "500 what?")
        if said:
            writer.write(said.replace("\n", "\r\n").encode() + b"\r\n")
            await writer.drain()
        return bool(said)


@asynccontextmanager
async def speaking(script: Script) -> AsyncIterator[int]:
    """Serve on a free port of loopback; give the port."""
    server = await asyncio.start_server(script.talk, "127.0.0.1", 0, limit=LARGEST)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
