"""Accounts: registered and entered by mail, used by keys."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scalix_free.admission.refusals import refusal as refusal_of
from scalix_free.core import ports
from scalix_free.core.account import Account, ApiKey, SignIn
from scalix_free.core.caller import Caller, Visitor
from scalix_free.core.errors import Code, MailError, Refusal, StoreUnavailable
from scalix_free.core.ledger import Admitted, Ask, Policy, Subject
from scalix_free.core.ports import Clock, Ledger, Mailer
from scalix_free.identity.address import address_bucket, network_bucket
from scalix_free.identity.api_key import MOST_KEYS, is_key_id, new_key, new_key_id, shown
from scalix_free.identity.identify import ANONYMOUS, REGISTERED
from scalix_free.identity.keyring import Keyring
from scalix_free.identity.known import KnownKeys
from scalix_free.identity.mailbox import is_disposable, mailbox_of, parse_email
from scalix_free.serve.answering import STORE_AWAY

log = logging.getLogger(__name__)

SIGN_IN_MS: Final = 15 * 60_000
CODE_DIGITS: Final = 6
MOST_TRIES: Final = 5


@dataclass(frozen=True, kw_only=True)
class MailLimits:
    """How many mails may be caused, by the mailbox, the address and the network of a visitor."""

    mailbox: Policy
    address: Policy
    network: Policy


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key, told this once. ``replaced`` is the beginning of the one that had to go for it."""

    key: str
    entry: ApiKey
    replaced: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """A sign-in that was completed."""

    account: Account
    new_key: NewKey


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """What a person can do about having an account."""

    keyring: Keyring
    known: KnownKeys
    ledger: Ledger
    store: ports.Accounts
    mailer: Mailer
    mail_limits: MailLimits
    disposable: frozenset[str]
    public_url: str
    clock: Clock

    # ── Signing in ──────────────────────────────────────────────────────────────────────────

    async def sign_in(self, visitor: Visitor, written: str) -> Refusal | None:
        """Mail a link and a code to somebody, whether there is an account or not.

        Nothing here looks for one, so that neither the answer nor its time can tell.
        """
        email = parse_email(written)
        if email is None:
            return NO_EMAIL
        mailbox = mailbox_of(email)
        token, code = secrets.token_urlsafe(32), f"{secrets.randbelow(10**CODE_DIGITS):06}"
        try:
            asked = Ask(os.urandom(16), self._mail_books(visitor, mailbox), 0, 0)
            verdict = await self.ledger.admit(asked)
            if not isinstance(verdict, Admitted):
                # Of a mailbox's own limit nobody is told: what was sent last is still good.
                return None if verdict.own else refusal_of(verdict)
            await self.store.expect(
                SignIn(
                    email=email,
                    mailbox=mailbox,
                    token_digest=self.keyring.digest("sign_in", token),
                    code_digest=self._code_digest(mailbox, code),
                    expires_ms=self.clock() + SIGN_IN_MS,
                )
            )
        except StoreUnavailable:
            return STORE_AWAY
        try:
            await self.mailer.send(email, SUBJECT, self._letter(token, code))
        except MailError as error:
            log.warning("a mail was not sent: %s", error)
        return None

    async def verify_token(self, token: str) -> Verified | Refusal:
        """Complete a sign-in by its link."""
        try:
            digest = self.keyring.digest("sign_in", token)
            return await self._complete(await self.store.redeem_token(digest, self.clock()))
        except StoreUnavailable:
            return STORE_AWAY

    async def verify_code(self, written: str, code: str) -> Verified | Refusal:
        """Complete a sign-in by the digits that were mailed."""
        email = parse_email(written)
        if email is None:
            return NO_EMAIL
        mailbox = mailbox_of(email)
        try:
            digest = self._code_digest(mailbox, code.strip())
            return await self._complete(
                await self.store.redeem_code(mailbox, digest, self.clock(), tries=MOST_TRIES)
            )
        except StoreUnavailable:
            return STORE_AWAY

    async def _complete(self, sign_in: SignIn | None) -> Verified | Refusal:
        if sign_in is None:
            return NOT_PENDING
        thrown_away = is_disposable(sign_in.email, self.disposable)
        account = await self.store.enrol(
            Account(
                id=f"acc_{secrets.token_hex(12)}",
                email=sign_in.email,
                mailbox=sign_in.mailbox,
                tier=ANONYMOUS if thrown_away else REGISTERED,
                created_ms=self.clock(),
            )
        )
        if account.email.lower() != sign_in.email.lower():
            return OTHER_SPELLING
        return Verified(account, await self._key_in_any_case(account.id))

    # ── Keys ────────────────────────────────────────────────────────────────────────────────

    async def keys(self, caller: Caller) -> Sequence[ApiKey] | Refusal:
        """The keys of the caller's account."""
        if (account_id := _account_of(caller)) is None:
            return NO_ACCOUNT
        try:
            return await self.store.keys(account_id)
        except StoreUnavailable:
            return STORE_AWAY

    async def add_key(self, caller: Caller) -> NewKey | Refusal:
        """One more key."""
        if (account_id := _account_of(caller)) is None:
            return NO_ACCOUNT
        try:
            made = await self._key(account_id)
        except StoreUnavailable:
            return STORE_AWAY
        return TOO_MANY_KEYS if made is None else made

    async def remove_key(self, caller: Caller, key_id: str) -> Refusal | None:
        """Make a key of the caller's account invalid."""
        if (account_id := _account_of(caller)) is None:
            return NO_ACCOUNT
        if not is_key_id(key_id):
            return NO_KEY
        try:
            removed = await self.store.remove_key(account_id, key_id)
        except StoreUnavailable:
            return STORE_AWAY
        self.known.forget(account_id=account_id, key_id=key_id)
        return None if removed else NO_KEY

    async def _key(self, account_id: str) -> NewKey | None:
        key = new_key(secrets.choice)
        entry = ApiKey(
            id=new_key_id(os.urandom),
            account_id=account_id,
            shown=shown(key),
            created_ms=self.clock(),
        )
        digest = self.keyring.digest("api_key", key)
        kept = await self.store.add_key(entry, digest, most=MOST_KEYS)
        return NewKey(key, entry) if kept else None

    async def _key_in_any_case(self, account_id: str) -> NewKey:
        """A new key; where there are too many, in place of the one unused for longest.

        Whoever has the mailbox but no key left could not remove one (docs/decisions/0014).
        """
        replaced = None
        while (made := await self._key(account_id)) is None:
            kept = await self.store.keys(account_id)
            stalest = min(kept, key=lambda key: max(key.created_ms, key.used_ms or 0))
            await self.store.remove_key(account_id, stalest.id)
            self.known.forget(account_id=account_id, key_id=stalest.id)
            replaced = stalest.shown
        return NewKey(made.key, made.entry, replaced)

    # ── Parts ───────────────────────────────────────────────────────────────────────────────

    def _mail_books(self, visitor: Visitor, mailbox: str) -> tuple[Subject, ...]:
        subject, limits = self.keyring.subject, self.mail_limits
        return (
            Subject(subject("mail_mailbox", mailbox), limits.mailbox),
            Subject(subject("mail_address", address_bucket(visitor.address)), limits.address),
            Subject(subject("mail_network", network_bucket(visitor.address)), limits.network),
        )

    def _code_digest(self, mailbox: str, code: str) -> bytes:
        return self.keyring.digest("sign_in_code", f"{mailbox} {code}")

    def _letter(self, token: str, code: str) -> str:
        return LETTER.format(
            code=code, url=f"{self.public_url}/verify?token={token}", host=self.public_url
        )


def _account_of(caller: Caller) -> str | None:
    return caller.owner if caller.has_account else None


SUBJECT: Final = "Your sign-in to Scalix Free"
LETTER: Final = """\
Hello,

somebody, probably you, asked for a key to Scalix Free at {host}.

Your code is

    {code}

Or open this page and confirm there:

    {url}

Both are good for 15 minutes, and one of them once. If it was not you, do nothing: without this
mail nobody gets in.
"""

NO_EMAIL: Final = Refusal(
    code=Code.INVALID_REQUEST, message="This is no mail address.", param="email"
)
NOT_PENDING: Final = Refusal(
    code=Code.INVALID_REQUEST,
    message=(
        "This link or code is not valid, was used before, or is older than 15 minutes. "
        "POST /api/v1/free/sign-in sends a new one."
    ),
)
OTHER_SPELLING: Final = Refusal(
    code=Code.INVALID_REQUEST,
    message=(
        "There is an account for this mailbox under another spelling of its address. Sign in with "
        "the one that you registered."
    ),
    param="email",
)
NO_ACCOUNT: Final = Refusal(
    code=Code.INVALID_API_KEY,
    message=(
        "This takes the key of an account: Authorization: Bearer scalix_key_… "
        "POST /api/v1/free/register gets you one."
    ),
)
TOO_MANY_KEYS: Final = Refusal(
    code=Code.INVALID_REQUEST,
    message=(
        f"An account has at most {MOST_KEYS} keys, and all of them share its limits. Remove one "
        "first: DELETE /api/v1/free/keys/{id}."
    ),
)
NO_KEY: Final = Refusal(code=Code.NOT_FOUND, message="Your account has no key of this id.")
