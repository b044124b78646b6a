"""Reading SQLite's write-ahead log from outside: https://sqlite.org/fileformat2.html#walformat."""

import struct
from pathlib import Path

HEADER, FRAME = struct.Struct(">8I"), struct.Struct(">6I")


def beginning(wal: Path) -> bytes:
    """Changes whenever the log begins anew."""
    return wal.read_bytes()[: HEADER.size]


def commits(wal: Path) -> int:
    """How many transactions have written into the log since it began anew."""
    blob = wal.read_bytes()
    if not blob:
        return 0
    _, _, page_size, _, *salts, _, _ = HEADER.unpack_from(blob)
    count, offset = 0, HEADER.size
    while offset + FRAME.size <= len(blob):
        _, pages_after_commit, *frame_salts, _, _ = FRAME.unpack_from(blob, offset)
        if frame_salts != salts:
            break
        count += pages_after_commit > 0
        offset += FRAME.size + page_size
    return count
