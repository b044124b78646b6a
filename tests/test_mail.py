"""Mail, by a real SMTP server and on the screen; and an outbox that nobody waits for."""

import asyncio
import io
import logging
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scalix_free.core.errors import MailError
from scalix_free.mail import (
    MOST_WAITING,
    ConsoleMailer,
    MailServer,
    Outbox,
    SmtpMailer,
    mail_server,
)
from tests import mail_server as smtp

SENDER = "Scalix Free <free@example.org>"
TO, SUBJECT, TEXT = "ann@example.net", "Your sign-in", "Hello,\n\nyour code is 123456.\n"


async def send(url: str) -> None:
    await SmtpMailer(mail_server(url), SENDER).send(TO, SUBJECT, TEXT)


# ── SMTP ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_mail_arrives_as_it_was_written() -> None:
    with smtp.mail_server() as postbox:
        await send(postbox.url)

    (mail,) = postbox.mails
    assert postbox.recipients == [TO]
    assert (mail["to"], mail["from"], mail["subject"]) == (TO, SENDER, SUBJECT)
    assert mail["auto-submitted"] == "auto-generated"
    assert mail["message-id"].endswith("@example.org>")
    assert mail["date"]
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n") == TEXT


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_it_signs_in_where_the_server_wants_it() -> None:
    with smtp.mail_server(login=("us@er", "p@ss/word")) as postbox:
        address = postbox.url.removeprefix("smtp://")
        await send(f"smtp://us%40er:p%40ss%2Fword@{address}")
        assert postbox.users == ["us@er"]
        assert len(postbox.mails) == 1

        with pytest.raises(MailError, match="535") as failed:
            await send(f"smtp://us%40er:wrong@{address}")

    assert "wrong" not in str(failed.value)


def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server shows, and what believes it."""
    certificate = Path(__file__).with_name("certificate.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    return server, ssl.create_default_context(cafile=certificate)


async def test_it_goes_over_to_tls_where_that_is_offered() -> None:
    shown, trust = tls()
    with smtp.mail_server(tls=shown) as postbox:
        mailer = SmtpMailer(mail_server(postbox.url), SENDER, trust=trust)
        await mailer.send(TO, SUBJECT, TEXT)

    assert postbox.over_tls == [True]


async def test_it_speaks_tls_from_the_first_byte_where_it_is_told_to() -> None:
    shown, trust = tls()
    with smtp.mail_server(tls=shown, from_the_start=True) as postbox:
        assert postbox.url.startswith("smtps://")
        mailer = SmtpMailer(mail_server(postbox.url), SENDER, trust=trust)
        await mailer.send(TO, SUBJECT, TEXT)

    assert postbox.over_tls == [True]


async def test_a_certificate_that_nobody_vouches_for_is_not_believed() -> None:
    shown, _ = tls()
    with smtp.mail_server(tls=shown) as postbox, pytest.raises(MailError):
        await send(postbox.url)

    assert postbox.mails == []


async def test_a_refused_mail_is_told_by_its_code_without_the_address() -> None:
    with smtp.mail_server() as postbox:
        postbox.replies.append(f"550 no such mailbox {TO}")
        with pytest.raises(MailError, match="code 550") as failed:
            await send(postbox.url)

    assert TO not in str(failed.value)
    assert failed.value.__cause__ is None


async def test_a_server_that_is_not_there() -> None:
    with smtp.mail_server() as postbox:
        pass

    with pytest.raises(MailError, match=r"127\.0\.0\.1"):
        await send(postbox.url)


async def test_no_answer_is_waited_for_longer_than_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scalix_free.mail.DELIVERY_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(MailError, match="TimeoutError"):
            await send(f"smtp://127.0.0.1:{port}")


async def test_a_mail_that_can_be_none_is_told_like_any_other() -> None:
    with smtp.mail_server() as postbox:
        for sender, to in ((f"a@b.org\n{TO}", TO), (SENDER, "ann@example.net\nbcc: x@y.org")):
            with pytest.raises(MailError, match="ValueError"):
                await SmtpMailer(mail_server(postbox.url), sender).send(to, SUBJECT, TEXT)

    assert postbox.mails == []


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://a.b", MailServer(host="a.b", port=587, tls=False)),
        ("smtps://a.b", MailServer(host="a.b", port=465, tls=True)),
        ("smtp://a.b:25", MailServer(host="a.b", port=25, tls=False)),
        (
            "smtps://me%40a.b:p%3Aw@a.b",
            MailServer(host="a.b", port=465, tls=True, user="me@a.b", password="p:w"),
        ),
    ],
)
def test_the_server_of_a_url(url: str, server: MailServer) -> None:
    assert mail_server(url) == server
    assert "p:w" not in repr(mail_server(url))


@pytest.mark.parametrize("url", ["console", "http://a.b", "smtp://", "smtp://a.b:x"])
def test_no_server_s_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"no address|Port|port"):
        mail_server(url)


# ── The screen ───────────────────────────────────────────────────────────────────────────────


async def test_without_a_server_the_operator_reads_it() -> None:
    screen = io.StringIO()
    await ConsoleMailer(screen).send(TO, SUBJECT, TEXT)

    shown = screen.getvalue()
    assert f"Mail to {TO}: {SUBJECT}" in shown
    assert "your code is 123456." in shown


async def test_by_default_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    await ConsoleMailer().send(TO, SUBJECT, TEXT)

    out, err = capsys.readouterr()
    assert out == ""
    assert "123456" in err


# ── The outbox ───────────────────────────────────────────────────────────────────────────────


@dataclass
class ScriptedMailer:
    """Fails so often, then delivers, once it may."""

    failures: int = 0
    may: asyncio.Event = field(default_factory=asyncio.Event)
    tried: int = 0
    delivered: list[str] = field(default_factory=list)

    async def send(self, to: str, subject: str, text: str) -> None:
        await self.may.wait()
        self.tried += 1
        if self.tried <= self.failures:
            raise MailError("the server gave code 451")
        self.delivered.append(to)


async def test_nobody_waits_for_a_delivery() -> None:
    mailer = ScriptedMailer()
    async with Outbox(mailer) as outbox:
        await outbox.send(TO, SUBJECT, TEXT)
        assert mailer.delivered == []
        mailer.may.set()

    assert mailer.delivered == [TO]


async def test_what_fails_is_tried_again_and_no_log_names_anybody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mailer = ScriptedMailer(failures=2)
    mailer.may.set()
    with caplog.at_level(logging.DEBUG):
        async with Outbox(mailer, pauses_s=(0, 0)) as outbox:
            await outbox.send(TO, SUBJECT, TEXT)

    assert (mailer.tried, mailer.delivered) == (3, [TO])
    assert caplog.text.count("is tried again: the server gave code 451") == 2
    assert TO not in caplog.text
    assert "123456" not in caplog.text


async def test_in_the_end_it_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    mailer = ScriptedMailer(failures=9)
    mailer.may.set()
    async with Outbox(mailer, pauses_s=(0, 0)) as outbox:
        await outbox.send(TO, SUBJECT, TEXT)

    assert (mailer.tried, mailer.delivered) == (3, [])
    assert "is given up" in caplog.text


async def test_too_many_are_not_taken() -> None:
    mailer = ScriptedMailer()
    async with Outbox(mailer) as outbox:
        for _ in range(MOST_WAITING):
            await outbox.send(TO, SUBJECT, TEXT)
        with pytest.raises(MailError, match="waiting"):
            await outbox.send(TO, SUBJECT, TEXT)
        mailer.may.set()

    assert len(mailer.delivered) == MOST_WAITING


async def test_who_leaves_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalix_free.mail.CLOSING_S", 0.01)
    mailer = ScriptedMailer()
    async with Outbox(mailer) as outbox:
        await outbox.send(TO, SUBJECT, TEXT)

    assert mailer.delivered == []
