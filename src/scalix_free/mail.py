"""Mail: by SMTP, or to the operator's own screen. The one file that knows aiosmtplib."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Final, NamedTuple, TextIO
from urllib.parse import unquote, urlsplit

import aiosmtplib

from scalix_free.core.errors import MailError
from scalix_free.core.ports import Mailer

log = logging.getLogger(__name__)

PORTS: Final = {"smtp": 587, "smtps": 465}
STEP_S: Final = 10.0
"""How long each step of a delivery may take."""
DELIVERY_S: Final = 30.0
PAUSES_S: Final = (2.0, 30.0)
"""Before a mail that could not be handed over is tried again."""
MOST_WAITING: Final = 200
CLOSING_S: Final = 5.0
"""How long mails on their way may take when the service ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """An SMTP server and the account on it. ``tls`` says that it is spoken from the first byte.

    Otherwise it is used from ``STARTTLS`` on, where the server offers that.
    """

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def mail_server(url: str) -> MailServer:
    """The server of an ``smtp://`` or ``smtps://`` URL. Raises ``ValueError`` for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("no address of a mail server")
    return MailServer(
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


class SmtpMailer:
    """The ``Mailer`` port on an SMTP server: one connection for each mail, within a deadline."""

    def __init__(
        self, server: MailServer, sender: str, *, trust: ssl.SSLContext | None = None
    ) -> None:
        self._server = server
        self._sender = sender
        self._trust = trust

    async def send(self, to: str, subject: str, text: str) -> None:
        """Deliver one plain text."""
        server = self._server
        try:
            async with asyncio.timeout(DELIVERY_S):
                await aiosmtplib.send(
                    _message(self._sender, to, subject, text),
                    hostname=server.host,
                    port=server.port,
                    username=server.user,
                    password=server.password,
                    use_tls=server.tls,
                    tls_context=self._trust,
                    timeout=STEP_S,
                )
        except aiosmtplib.SMTPResponseException as error:  # its text may name the address
            raise MailError(f"{server.host} refused it with code {error.code}") from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise MailError(f"{server.host} gave {type(error).__name__}") from None


def _message(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("> "))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


class ConsoleMailer:
    """The ``Mailer`` port where nobody set up a server: the operator reads the mail instead."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def send(self, to: str, subject: str, text: str) -> None:
        """Print it."""
        lines = [f"Mail to {to}: {subject}", "", *text.splitlines()]
        print("\n".join(f"  | {line}" for line in lines), file=self._out or sys.stderr, flush=True)


class _Letter(NamedTuple):
    to: str
    subject: str
    text: str


class Outbox:
    """A ``Mailer`` around a mailer: takes a mail at once, and delivers it while nobody waits.

    A context, which carries the mails and leaves with them delivered or given up. What fails is
    tried again after each of the pauses; a failure is logged without a word of the mail.
    """

    def __init__(self, mailer: Mailer, *, pauses_s: Sequence[float] = PAUSES_S) -> None:
        self._mailer = mailer
        self._pauses_s = pauses_s
        self._on_their_way: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Outbox:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._on_their_way:
            _, late = await asyncio.wait(self._on_their_way, timeout=CLOSING_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def send(self, to: str, subject: str, text: str) -> None:
        """Take a mail. Raises ``MailError`` where too many are waiting already."""
        if len(self._on_their_way) >= MOST_WAITING:
            raise MailError(f"{MOST_WAITING} others are waiting to be sent")
        task = asyncio.create_task(self._deliver(_Letter(to, subject, text)))
        self._on_their_way.add(task)
        task.add_done_callback(self._on_their_way.discard)

    async def _deliver(self, letter: _Letter) -> None:
        for pause_s in (*self._pauses_s, None):
            try:
                await self._mailer.send(*letter)
                return
            except MailError as error:
                what = "is tried again" if pause_s is not None else "is given up"
                log.warning("a mail could not be sent and %s: %s", what, error)
            if pause_s is not None:
                await asyncio.sleep(pause_s)
