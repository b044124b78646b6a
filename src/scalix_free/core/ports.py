"""All we need from the world, on one page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from scalix_free.core.account import Account, ApiKey, Session, SignIn
from scalix_free.core.budget import Budget, Close, Finding, Scope, Short, Take, Taken
from scalix_free.core.caller import Caller
from scalix_free.core.chat import Call, Chunk
from scalix_free.core.funnel import Lead, Reaction
from scalix_free.core.ledger import Admitted, Ask, Denied, Entry, Level, Subject
from scalix_free.core.outcome import Charge, Day, Ended, Outcome, Receipt
from scalix_free.core.rating import Kept, Opinion, Rating

Clock: TypeAlias = Callable[[], int]
"""Milliseconds since the epoch."""


class Reply(Protocol):
    """An answer on its way. Belongs to the context that gave it."""

    answered_by: str
    attempts: int
    findings: Sequence[Finding]
    """What its headers told about the provider's limits."""

    async def read(self) -> Sequence[Chunk]:
        """The chunks that have arrived, at least one; none once the answer is whole.

        Raises ``Failure`` when it cannot become whole. A read that is cancelled loses nothing: the
        next one gives it.
        """
        ...


class Backend(Protocol):
    """Anything that answers a call: provider, router, cache, budget, a test's script."""

    def open(self, call: Call) -> AbstractAsyncContextManager[Reply]:
        """Begin to answer. Entering raises ``Failure``; leaving closes what was opened."""
        ...


class Ledger(Protocol):
    """People's limits, kept. All of it raises ``StoreUnavailable``.

    Every method is one atomic act; the arithmetic is ``core.ledger``.
    """

    async def admit(self, ask: Ask) -> Admitted | Denied:
        """Judge all limits of a request at once; nothing is written on a denial."""
        ...

    async def settle(
        self, subjects: Sequence[Subject], rid: bytes, tokens: int, *, counts: bool = True
    ) -> tuple[Level, ...]:
        """Close a request at its real price and say how far the caller's own limits are used."""
        ...

    async def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        """Renew the lease of a running request; ``spent`` is its tokens so far."""
        ...

    async def refund(self, subjects: Sequence[Subject], rid: bytes) -> tuple[Level, ...]:
        """Undo an admission."""
        ...

    async def peek(self, subject: Subject) -> tuple[Level, ...]:
        """How far a subject's limits are used; writes nothing."""
        ...

    async def enter(self, subjects: Sequence[Subject], entry: Entry) -> bool:
        """Write down a request that was admitted elsewhere; False where it is known already."""
        ...


class Budgets(Protocol):
    """Providers' limits, kept and shared by all replicas. All of it raises ``StoreUnavailable``.

    Every method is one atomic act for the scopes of one account; the arithmetic is
    ``core.budget``.
    """

    async def take(self, ask: Take) -> Taken | Short:
        """Spend one upstream call from all its scopes, or from none."""
        ...

    async def close(self, end: Close) -> None:
        """Note how a call that was taken ended."""
        ...

    async def beat(self, scopes: Sequence[Scope], rid: bytes) -> None:
        """Keep the slots of a call that is still in flight."""
        ...

    async def look(self, scopes: Sequence[Scope]) -> Sequence[Budget]:
        """The budgets of any scopes, as they stand; writes nothing."""
        ...


class Once(Protocol):
    """Things that may happen once: nonces, solved puzzles. Raises ``StoreUnavailable``."""

    async def claim(self, key: bytes, until_ms: int) -> bool:
        """Whether this is the first claim of the key; it is remembered until then."""
        ...


class Accounts(Protocol):
    """People and what is theirs, kept. All of it raises ``StoreUnavailable``.

    Every method is one transaction: of several at once each sees the others whole or not at all,
    and all of them by every process that shares the store. Digests are keyed, and found by being
    equal; neither they nor keyed hashes are ever given back by ``export``.
    """

    async def expect(self, sign_in: SignIn) -> None:
        """Remember a sign-in that was mailed; one that was pending for the mailbox is void."""
        ...

    async def redeem_token(self, token_digest: bytes, now_ms: int) -> SignIn | None:
        """The pending sign-in that this link belongs to, used up; None where there is none.

        Of several that come with one link, one gets it. Its digits are used up as well.
        """
        ...

    async def redeem_code(
        self, mailbox: str, code_digest: bytes, now_ms: int, *, tries: int
    ) -> SignIn | None:
        """The same by its digits; a wrong guess counts, and after ``tries`` of them it is void.

        Void is all of it, the link too. No more than ``tries`` guesses are ever compared, however
        many come at once.
        """
        ...

    async def enrol(self, account: Account) -> Account:
        """The account of this mailbox: the one there is, unchanged, else this one, now kept."""
        ...

    async def account(self, account_id: str) -> Account | None:
        """The account of this id."""
        ...

    async def add_key(self, key: ApiKey, digest: bytes, *, most: int) -> bool:
        """Keep a key; False where its account already has that many, or is not there."""
        ...

    async def by_key(self, digest: bytes) -> tuple[Account, ApiKey] | None:
        """Whose key this is."""
        ...

    async def keys(self, account_id: str) -> Sequence[ApiKey]:
        """The keys of an account, oldest first."""
        ...

    async def remove_key(self, account_id: str, key_id: str) -> bool:
        """Forget a key of this account; False where it has none of that id."""
        ...

    async def note_key_used(self, key_id: str, now_ms: int) -> None:
        """Note when a key was last used; an earlier moment than the one noted changes nothing."""
        ...

    async def begin_session(self, session: Session) -> None:
        """Remember a minted identity; one whose user id is known already stays as it is."""
        ...

    async def session(self, user_id: str) -> Session | None:
        """The session of a minted identity, also of one that is revoked; None once erased."""
        ...

    async def revoke(self, user_id: str) -> bool:
        """Make a minted identity invalid from now on; False where it is not known."""
        ...

    async def revoked(self, now_ms: int) -> frozenset[str]:
        """The minted identities that are revoked and have not expired.

        By their ids; those that were erased, by the ``fingerprint`` of their ids.
        """
        ...

    async def export(self, owner: str) -> Mapping[str, Sequence[Mapping[str, object]]]:
        """All rows about an account or a minted identity, by table; digests are left out.

        ``owner`` is an account's id or a user id. Values are texts, whole numbers, floats, truths
        and None, names those of the columns. A table without such rows is left out.
        """
        ...

    async def erase(self, owner: str) -> bool:
        """Delete all of that, sign-ins of its mailbox too; False where there was nothing.

        An erased minted identity counts as revoked.
        Requests that end later leave no row: the usage log keeps none of an owner it does not
        know.
        """
        ...


class UsageLog(Protocol):
    """What requests cost and how they ended, each kept once. Raises ``StoreUnavailable``.

    Kept are the requests of whoever has limits, also of who has none but an address; those of
    strangers are left out, and so are those of an owner (see ``Outcome``) who is not known to
    ``Accounts``, having been erased.
    """

    async def write(self, events: Sequence[Outcome]) -> None:
        """Keep these, all or none; one whose request id is already kept changes nothing.

        The sessions of minted identities are brought up to date with them.
        """
        ...

    async def recent(self, subject: bytes, since_ms: int) -> Sequence[Charge]:
        """What a subject was charged at or after that moment, oldest first.

        The subject is a caller's own, an address or a network, by the key that the ledger counts
        it under.
        """
        ...

    async def days(self, own: bytes, since_ms: int) -> Sequence[Day]:
        """What a caller was charged on each day, oldest first; days without a charge are left out.

        ``own`` is the key of the caller's own subject. Counted is from that moment on.
        """
        ...

    async def receipts(self, owner: str, *, most: int) -> Sequence[Receipt]:
        """The newest requests of an owner (see ``Outcome``), however they ended, newest first."""
        ...

    async def forget(self, before_ms: int, *, most: int) -> int:
        """Delete requests from before that moment, at most so many; how many there were.

        What people thought of them goes with them.
        """
        ...


class Traffic(Protocol):
    """How requests ended, of everybody together. Raises ``StoreUnavailable``."""

    async def ended(self, since_ms: int) -> Sequence[Ended]:
        """By hour and model, of those that the usage log knows since then, oldest first.

        Refused and abandoned ones are left out.
        """
        ...


class Ratings(Protocol):
    """What people thought of the answers that the usage log knows. Raises ``StoreUnavailable``."""

    async def answered(self, caller: Caller, rid: bytes) -> str | None:
        """The model that answered this caller's request; None where it is not theirs, or none."""
        ...

    async def rate(self, caller: Caller, rating: Rating) -> Kept | None:
        """Keep what a caller thought of an answer, and say what counts; None as above.

        The first rating of an answer counts, however many come at once. The same again may add the
        comment that it lacks; another changes nothing.
        """
        ...

    async def opinions(self, since_ms: int, *, most: int) -> Sequence[Opinion]:
        """The newest ratings at or after that moment, at most so many, oldest first."""
        ...


class Funnel(Protocol):
    """What people did about what they were offered, kept. Raises ``StoreUnavailable``."""

    async def keep_lead(self, lead: Lead) -> bool:
        """Keep an address; False, and nothing is changed, where its owner left it before.

        Of each owner, and of those without one, the first consent for a mailbox stands.
        """
        ...

    async def note(self, reaction: Reaction) -> None:
        """Keep what somebody did about a prompt; what is older than 90 days goes."""
        ...


class Mailer(Protocol):
    """Whatever delivers mail. Raises ``MailError``."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Deliver one plain text."""
        ...


class Listener(Protocol):
    """Whoever wants to know how requests end. Must not block."""

    def hear(self, outcome: Outcome) -> None:
        """Take note of one ended request."""
        ...
