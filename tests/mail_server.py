"""A real SMTP server on loopback that keeps what it was sent."""

import socket
import ssl
from asyncio import Server
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

OK = "250 OK"


@dataclass
class Postbox:
    """What came, and what the server says to it. ``replies`` are said before anything is kept."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    url: str = ""

    async def handle_DATA(  # noqa: N802  (aiosmtpd's spelling)
        self, server: Any, session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail, unless another reply is due."""
        if self.replies and (reply := self.replies.pop(0)) != OK:
            return reply
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        self.over_tls.append(server.transport.get_extra_info("ssl_object") is not None)
        return OK


class _OnAnyPort(Controller):
    """A controller that finds out which port the system chose."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        socket.create_connection((self.hostname, self.port)).close()


@contextmanager
def mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    from_the_start: bool = False,
    login: tuple[str, str] | None = None,
) -> Iterator[Postbox]:
    """Serve until left. With ``tls`` it offers STARTTLS, or speaks nothing else ``from_the_start``;
    with ``login`` it asks for one.
    """
    postbox = Postbox()

    def check(server: Any, session: Any, envelope: Any, how: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and login == (
            data.login.decode(),
            data.password.decode(),
        )
        if good:
            postbox.users.append(data.login.decode())
        return AuthResult(success=good, handled=good)

    controller = _OnAnyPort(
        postbox,
        hostname="127.0.0.1",
        port=0,
        ssl_context=tls if from_the_start else None,
        tls_context=None if from_the_start else tls,
        authenticator=check if login else None,
        auth_required=login is not None,
        auth_require_tls=False,
    )
    controller.start()
    try:
        postbox.url = f"{'smtps' if from_the_start else 'smtp'}://127.0.0.1:{controller.port}"
        yield postbox
    finally:
        controller.stop()
