"""People's limits in one SQLite file, shared by all processes of a machine.

Group commit
    All operations that arrive in one turn of the event loop run in one transaction, in the order
    of arrival: one lock, one commit. The transaction runs on the loop itself: in WAL mode with
    ``synchronous = NORMAL`` a commit is a write to the page cache and waits for no disk. What does
    wait for the disk, the checkpoint, runs in a thread with a connection of its own. Where another
    process holds the lock, the loop does not wait for it but tries again a moment later.

Cache
    Books stay decoded in memory. They are valid while nobody else has written to the file, which
    SQLite tells by its ``data_version``; after that a book whose bytes did not change is still
    good. A request refused for a reason that only time can change is refused again from memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from scalix_free.core import ledger
from scalix_free.core.errors import StoreUnavailable
from scalix_free.core.ledger import Admitted, Ask, Book, Denied, Entry, Level, Subject
from scalix_free.core.ports import Clock
from scalix_free.storage.denials import Denials

T = TypeVar("T")

PATIENCE_S: Final = 5.0
"""How long a transaction tries to get the lock before the store counts as unavailable."""
CHECKPOINT_S: Final = 5.0
CHECKPOINT_COMMITS: Final = 2_000
"""A checkpoint is due after so much time or so many commits, whichever comes first."""
MOST_LOG_BYTES: Final = 64 * 1024 * 1024
FORGET_S: Final = 60.0
"""How often books that their policy needs no longer are dropped."""

PAGE_BYTES: Final = 2_048
"""Of a file that is made. A book is about as large, and whole pages are written."""

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS books (
    subject    INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    touched_ms INTEGER NOT NULL,
    kept_until_ms INTEGER NOT NULL,
    state      BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS claims (
    key      BLOB PRIMARY KEY,
    until_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS budgets (
    key   TEXT PRIMARY KEY,
    state BLOB NOT NULL
) WITHOUT ROWID
"""
"""``subject`` is the first 64 bits of its key, a keyed hash: as a row id it costs half of what the
whole key costs as a primary key (see docs/decisions/0003)."""


@dataclass(slots=True)
class _Shelved:
    """A book in memory, with the bytes it has in the file and when it was last looked at."""

    book: Book
    stored: bytes | None
    version: int
    loaded_ms: int


@dataclass(slots=True)
class _Operation(Generic[T]):
    """Something to do in the next transaction, and whom to tell."""

    act: Callable[[], T]
    done: asyncio.Future[T]


class Transaction(NamedTuple):
    """A running transaction, for whoever keeps something else in the same file.

    What was read in an earlier one of the same ``era`` still holds. What is put among ``at_end`` is
    called before the commit, once.
    """

    file: sqlite3.Connection
    now_ms: int
    era: tuple[int, int]
    at_end: list[Callable[[], None]]


class SqliteLedger:
    """The ports ``Ledger`` and ``Once`` on SQLite. ``open`` before use, ``close`` after.

    ``cache_books`` and ``cache_ms`` bound the memory of books; ``notice`` hears after
    each transaction how many of its books were found there and how many were not.
    """

    def __init__(
        self,
        path: str,
        *,
        clock: Clock,
        cache_books: int = 10_000,
        cache_ms: int = 300_000,
        notice: Callable[[int, int], None] = lambda hits, misses: None,
    ) -> None:
        self._path = path
        self._clock = clock
        self._cache_books = cache_books
        self._cache_ms = cache_ms
        self._notice = notice
        self._shelf: OrderedDict[bytes, _Shelved] = OrderedDict()
        self._denials = Denials(clock, cache_books)
        self._queue: list[_Operation[object]] = []
        self._dirty: dict[bytes, _Shelved] = {}
        self._now_ms = 0
        self._version = 0
        self._busy_since: float | None = None
        self._scheduled = False
        self._commits = self._undone = 0
        self._at_end: list[Callable[[], None]] = []
        self._hits = self._misses = 0
        self._tasks: list[asyncio.Task[None]] = []

    # ── Life ────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Open the file, make its table if it is new, start the care in the background."""
        self._loop = asyncio.get_running_loop()
        self._checkpoint_due = asyncio.Event()
        self._connection = connect(self._path)
        if self._path != ":memory:":
            self._tasks = [self._loop.create_task(self._care())]

    async def close(self) -> None:
        """Finish what was asked, write everything down and close the file."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._queue:
            await asyncio.wait([operation.done for operation in self._queue])
        self._connection.close()

    # ── The port ────────────────────────────────────────────────────────────────────────────

    async def admit(self, ask: Ask) -> Admitted | Denied:
        """See ``core.ledger.admit``."""
        if (denied := self._denials.find(ask.subjects[0])) is not None:
            return denied

        def act() -> Admitted | Denied:
            shelved = [self._find(subject) for subject in ask.subjects]
            books = [item.book for item in shelved]
            verdict = ledger.admit(books, ask, self._now_ms)
            if isinstance(verdict, Admitted):
                for subject, item in zip(ask.subjects, shelved, strict=True):
                    self._dirty[subject.key] = item
            else:
                self._denials.remember(ask.subjects[0], verdict)
            return verdict

        return await self._do(act)

    async def settle(
        self, subjects: Sequence[Subject], rid: bytes, tokens: int, *, counts: bool = True
    ) -> tuple[Level, ...]:
        """See ``core.ledger.settle``."""

        def change(books: Sequence[Book]) -> bool:
            return ledger.settle(books, rid, tokens, self._now_ms, counts=counts)

        return await self._change(subjects, change)

    async def beat(self, subject: Subject, rid: bytes, spent: int) -> None:
        """See ``core.ledger.beat``."""

        def change(books: Sequence[Book]) -> bool:
            return ledger.beat(books[0], rid, spent, self._now_ms)

        await self._change((subject,), change)

    async def refund(self, subjects: Sequence[Subject], rid: bytes) -> tuple[Level, ...]:
        """See ``core.ledger.refund``."""

        def change(books: Sequence[Book]) -> bool:
            return ledger.refund(books, rid)

        return await self._change(subjects, change)

    async def peek(self, subject: Subject) -> tuple[Level, ...]:
        """See ``core.ledger.levels``."""
        return await self._change((subject,), lambda _: False)

    async def enter(self, subjects: Sequence[Subject], entry: Entry) -> bool:
        """See ``core.ledger.enter``."""
        entered = False

        def change(books: Sequence[Book]) -> bool:
            nonlocal entered
            entered = ledger.enter(books, entry, self._now_ms)
            return entered

        await self._change(subjects, change)
        return entered

    async def claim(self, key: bytes, until_ms: int) -> bool:
        """See ``core.ports.Once``."""

        def act() -> bool:
            claimed = self._connection.execute(
                "INSERT INTO claims VALUES (?, ?) ON CONFLICT (key) DO UPDATE"
                " SET until_ms = excluded.until_ms WHERE claims.until_ms <= ?",
                (key, until_ms, self._now_ms),
            )
            return claimed.rowcount == 1

        return await self._do(act)

    async def _change(
        self, subjects: Sequence[Subject], change: Callable[[Sequence[Book]], bool]
    ) -> tuple[Level, ...]:
        def act() -> tuple[Level, ...]:
            shelved = [self._find(subject) for subject in subjects]
            if change([item.book for item in shelved]):
                for subject, item in zip(subjects, shelved, strict=True):
                    self._dirty[subject.key] = item
                self._denials.forget(subjects[0].key)
            return ledger.levels(shelved[0].book, self._now_ms)

        return await self._do(act)

    # ── Transactions ────────────────────────────────────────────────────────────────────────

    def transact(self, act: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Do something else in the transaction of this turn. Fails with ``StoreUnavailable``."""
        return self._do(lambda: act(self._transaction))

    def _do(self, act: Callable[[], T]) -> asyncio.Future[T]:
        done: asyncio.Future[T] = self._loop.create_future()
        self._queue.append(_Operation(act, done))  # type: ignore[arg-type]
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._commit_queue)
        return done

    def _commit_queue(self) -> None:
        """Run everything that has been asked since the last turn, in one transaction."""
        self._scheduled = False
        if not self._queue:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._wait_for_lock(error)
            return
        self._busy_since = None
        queue, self._queue = self._queue, []
        try:
            answers = self._run(queue)
            self._write()
            self._connection.execute("COMMIT")
        except Exception as error:  # whatever it was: nobody may hang on it
            self._give_up(queue, error)
            return
        self._tidy()
        self._notice(self._hits, self._misses)
        self._hits = self._misses = 0
        for operation, answer in zip(queue, answers, strict=True):
            if not operation.done.done():
                operation.done.set_result(answer)

    def _run(self, queue: Sequence[_Operation[object]]) -> list[object]:
        self._now_ms = self._clock()
        (self._version,) = self._connection.execute("PRAGMA data_version").fetchone()
        era = self._version, self._undone
        self._transaction = Transaction(self._connection, self._now_ms, era, self._at_end)
        return [operation.act() for operation in queue]

    def _write(self) -> None:
        for write in self._at_end:
            write()
        self._at_end.clear()
        if not self._dirty:
            return
        rows = []
        for key, item in self._dirty.items():
            item.stored = ledger.pack(item.book)
            policy, now_ms = item.book.policy, self._now_ms
            until_ms = now_ms + policy.memory_ms
            rows.append((_row_id(key), policy.kind, now_ms, until_ms, item.stored))
        self._dirty.clear()
        self._connection.executemany(
            "INSERT INTO books VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE"
            " SET state = excluded.state, touched_ms = excluded.touched_ms,"
            " kept_until_ms = excluded.kept_until_ms",
            rows,
        )
        self._commits += 1
        if self._commits == CHECKPOINT_COMMITS:
            self._checkpoint_due.set()

    def _wait_for_lock(self, error: sqlite3.Error) -> None:
        now = self._loop.time()
        self._busy_since = self._busy_since or now
        locked = getattr(error, "sqlite_errorcode", 0) & 0xFF in {
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_LOCKED,
        }
        if locked and now - self._busy_since < PATIENCE_S:
            self._scheduled = True
            self._loop.call_later(random.uniform(0.0002, 0.002), self._commit_queue)
            return
        queue, self._queue, self._busy_since = self._queue, [], None
        self._give_up(queue, error)

    def _give_up(self, queue: Sequence[_Operation[object]], error: Exception) -> None:
        """Undo the transaction, forget what memory believes, tell everybody who waits."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.rollback()
        self._undone += 1
        self._at_end.clear()
        self._dirty.clear()
        self._shelf.clear()
        self._denials.clear()
        for operation in queue:
            if not operation.done.done():
                unavailable = StoreUnavailable(f"the ledger's store failed: {error}")
                unavailable.__cause__ = error
                operation.done.set_exception(unavailable)

    # ── Books ───────────────────────────────────────────────────────────────────────────────

    def _find(self, subject: Subject) -> _Shelved:
        """The book of a subject, from memory where that still holds."""
        item = self._shelf.get(subject.key)
        if subject.key in self._dirty and item is not None:
            if item.book.policy is not subject.policy:
                item.book = ledger.unpack(ledger.pack(item.book), subject.policy)
            return item
        if (
            item is not None
            and item.book.policy is subject.policy
            and item.version == self._version
            and self._now_ms - item.loaded_ms < self._cache_ms
        ):
            self._hits += 1
            self._shelf.move_to_end(subject.key)
            return item
        self._misses += 1
        query = "SELECT state FROM books WHERE subject = ?"
        row = self._connection.execute(query, (_row_id(subject.key),)).fetchone()
        stored: bytes | None = row[0] if row else None
        if item is None or item.stored != stored or item.book.policy is not subject.policy:
            book = ledger.unpack(stored, subject.policy) if stored else Book(subject.policy)
            item = _Shelved(book, stored, self._version, self._now_ms)
        item.version, item.loaded_ms = self._version, self._now_ms
        self._shelf[subject.key] = item
        self._shelf.move_to_end(subject.key)
        return item

    def _tidy(self) -> None:
        """Keep memory bounded; only between transactions, which may need what they changed."""
        while len(self._shelf) > self._cache_books:
            self._shelf.popitem(last=False)

    # ── Care ────────────────────────────────────────────────────────────────────────────────

    async def _care(self) -> None:
        """Checkpoint the log away from the loop; now and then forget books nobody needs."""
        forget_at = self._loop.time() + FORGET_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECKPOINT_S * random.uniform(0.8, 1.2)):
                    await self._checkpoint_due.wait()
            self._checkpoint_due.clear()
            if self._commits:
                self._commits = 0
                await asyncio.to_thread(checkpoint, self._path)
            if self._loop.time() > forget_at:
                forget_at = self._loop.time() + FORGET_S
                with contextlib.suppress(StoreUnavailable):
                    await self._forget()

    async def _forget(self) -> None:
        def act() -> None:
            self._connection.execute(
                "DELETE FROM books WHERE subject IN"
                " (SELECT subject FROM books WHERE kept_until_ms < ? LIMIT 500)",
                (self._now_ms,),
            )
            self._connection.execute(
                "DELETE FROM claims WHERE key IN"
                " (SELECT key FROM claims WHERE until_ms <= ? LIMIT 500)",
                (self._now_ms,),
            )

        await self._do(act)


def _row_id(key: bytes) -> int:
    return int.from_bytes(key[:8], "big", signed=True)


def connect(path: str) -> sqlite3.Connection:
    """A connection set up for the ledger, with its table made."""
    connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.executescript(SCHEMA)
    connection.execute("PRAGMA busy_timeout = 0")
    return connection


def checkpoint(path: str) -> None:
    """Move what the log holds into the file.

    The bulk is moved beside writers, and the log begins anew by itself when nothing was added
    meanwhile. Under a load that never pauses it has to be made to, and writers wait for the disk.
    """
    connection = sqlite3.connect(path, timeout=1.0)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        if os.path.getsize(f"{path}-wal") > MOST_LOG_BYTES:
            connection.execute("PRAGMA wal_checkpoint(RESTART)")
    except (sqlite3.OperationalError, OSError):
        pass  # another process is at it, or there is nothing to do
    finally:
        connection.close()


def count_active(path: str, since_ms: int) -> dict[str, int]:
    """How many subjects of each kind have called since then; none where that cannot be read.

    Reads the whole file.
    """
    query = "SELECT kind, count(*) FROM books WHERE touched_ms > ? GROUP BY kind"
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1.0)) as connection:
            return dict(connection.execute(query, (since_ms,)).fetchall())
    except sqlite3.Error:
        return {}
