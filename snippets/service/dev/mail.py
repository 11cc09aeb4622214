"""A mail server that delivers to nobody and remembers what it took."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message

from aiosmtpd.smtp import SMTP, Envelope, Session


class Inbox:
    """The mails in the order of their arrival, and how to treat the next ones."""

    def __init__(self, tell: Callable[[Message], None] = lambda mail: None) -> None:
        self.mails: list[Message] = []
        self.answer = "250 OK"
        self.taking = threading.Event()
        self.take = threading.Event()
        self.take.set()
        self.tell = tell

    async def handle_DATA(  # noqa: N802  the library calls it so
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail, or refuse it as was told; answer once `take` is set.

        A sender that is gone by then gets no answer, but its mail was taken.
        """
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)  # noqa: S101  as SMTP decodes nothing
            mail = message_from_bytes(envelope.content)
            self.mails.append(mail)
            self.tell(mail)
        self.taking.set()
        await asyncio.to_thread(self.take.wait)
        return self.answer


@contextmanager
def running(inbox: Inbox) -> Iterator[int]:
    """Serve SMTP in a thread, on a free port of loopback; give the port."""
    loop = asyncio.new_event_loop()
    protocols = loop.create_server(lambda: SMTP(inbox, loop=loop), "127.0.0.1", 0)
    server = loop.run_until_complete(protocols)
    port: int = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        inbox.take.set()
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
