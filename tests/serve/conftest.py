"""People at the desk: real stores in memory, a clock that is held, mails that are kept."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import altcha
import pytest

from scalix_free.admission.quotas import mail_policy, mint_policy
from scalix_free.core.account import Session
from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.errors import MailError, Refusal
from scalix_free.identity.identify import Identifier
from scalix_free.identity.keyring import Keyring
from scalix_free.identity.known import KnownKeys
from scalix_free.identity.minted import Mint
from scalix_free.identity.proof import Mode, Puzzles
from scalix_free.serve import (
    Accounts,
    Callers,
    MailLimits,
    NewSession,
    OwnData,
    Pricing,
    Revocations,
    Sessions,
    Verified,
)
from scalix_free.storage.accounts import SqlAccounts
from scalix_free.storage.database import Database
from scalix_free.storage.redis_ledger import RedisLedger
from scalix_free.storage.sqlite_ledger import SqliteLedger
from tests.core.held_clock import HeldClock
from tests.identity.test_identify import LIMITS
from tests.storage.servers import Running

HERE = Visitor("1.2.3.4")


@dataclass
class KeptMail:
    """A mailer that keeps what it is given, until it is full."""

    sent: list[tuple[str, str, str]] = field(default_factory=list)
    is_full: bool = False

    async def send(self, to: str, subject: str, text: str) -> None:
        if self.is_full:
            raise MailError("it is full")
        self.sent.append((to, subject, text))

    @property
    def token(self) -> str:
        """That of the last mail's link."""
        return self._found(r"https://free\.example/verify\?token=([\w-]+)")

    @property
    def code(self) -> str:
        """The digits of the last mail."""
        return self._found(r"^ +(\d{6})$")

    def _found(self, pattern: str) -> str:
        (found,) = re.findall(pattern, self.sent[-1][2], re.MULTILINE)
        return str(found)


@dataclass
class Desk:
    """All that people can do about being somebody, in one worker or in a second one."""

    ledger: SqliteLedger | RedisLedger
    store: SqlAccounts
    clock: HeldClock
    mail: KeptMail = field(default_factory=KeptMail)
    secret: bytes = b"a secret"
    mode: Mode = "auto"
    forgotten: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        keyring = Keyring(self.secret)
        self.known = KnownKeys(self.clock)
        self.revocations = Revocations(self.store, self.clock)
        identifier = Identifier(LIMITS, keyring, self.clock, self.revocations.__contains__)
        self.callers = Callers(identifier, self.store, self.known, self.clock)
        self.sessions = Sessions(
            keyring=keyring,
            mint=Mint(keyring),
            puzzles=Puzzles(keyring, self.clock, below=lambda most: 0),
            pricing=Pricing(
                mode=self.mode,
                address=mint_policy("address", 4),
                network=mint_policy("network", 8),
                address_most=4,
                network_most=8,
            ),
            ledger=self.ledger,
            once=self.ledger,
            accounts=self.store,
            clock=self.clock,
        )
        self.accounts = Accounts(
            keyring=keyring,
            known=self.known,
            ledger=self.ledger,
            store=self.store,
            mailer=self.mail,
            mail_limits=MailLimits(
                mailbox=mail_policy("mailbox"),
                address=mail_policy("address"),
                network=mail_policy("network"),
            ),
            disposable=frozenset({"thrown.example"}),
            public_url="https://free.example",
            clock=self.clock,
        )
        self.own_data = OwnData(
            accounts=self.store,
            known=self.known,
            revocations=self.revocations,
            forget_answers=self.forgotten.append,
        )

    def beside(self, secret: bytes | None = None) -> "Desk":
        """Another worker on the same stores, perhaps under a later secret."""
        return Desk(self.ledger, self.store, self.clock, self.mail, secret or self.secret)

    async def minted(self, visitor: Visitor = HERE) -> NewSession:
        """A session, paid for if need be."""
        begun = await self.sessions.begin(visitor, "a browser", None)
        if isinstance(begun, Refusal):
            begun = await self.sessions.begin(visitor, "a browser", solve(begun))
        assert isinstance(begun, NewSession)
        return begun

    async def registered(self, email: str = "ann@example.org", visitor: Visitor = HERE) -> Verified:
        """Somebody with an account and a key, signed in by the link."""
        assert await self.accounts.sign_in(visitor, email) is None
        verified = await self.accounts.verify_token(self.mail.token)
        assert isinstance(verified, Verified)
        return verified

    async def caller(self, credential: str, address: str = "1.2.3.4") -> Caller:
        """Who shows this."""
        found = await self.callers.caller(Visitor(address, credential))
        assert isinstance(found, Caller)
        return found

    async def is_known(self, credential: str) -> bool:
        """Whether a credential is good here."""
        return isinstance(await self.callers.caller(Visitor("1.2.3.4", credential)), Caller)

    async def session(self, user_id: str) -> Session | None:
        """What is kept of a session."""
        return await self.store.session(user_id)


def solve(refusal: Refusal) -> str:
    """What a client answers to a challenge."""
    assert refusal.challenge is not None
    challenge = altcha.Challenge.from_dict(dict(refusal.challenge))
    doublings = challenge.parameters.data["doublings"]  # type: ignore[index]
    solution = altcha.solve_challenge(challenge, counter_start=500 << doublings)
    assert solution is not None
    return altcha.Payload(challenge, solution).to_base64()


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def desk(clock: HeldClock) -> AsyncIterator[Desk]:
    ledger, database = SqliteLedger(":memory:", clock=clock), Database(":memory:")
    await ledger.open()
    await database.open()
    try:
        yield Desk(ledger, SqlAccounts(database), clock)
    finally:
        await database.close()
        await ledger.close()


@pytest.fixture
async def shared_desk(clock: HeldClock, valkey: Running) -> AsyncIterator[Desk]:
    """One whose limits are kept on a server."""
    valkey.empty()
    ledger, database = RedisLedger(valkey.url), Database(":memory:")
    await ledger.open()
    await database.open()
    try:
        yield Desk(ledger, SqlAccounts(database), clock)
    finally:
        await database.close()
        await ledger.close()
