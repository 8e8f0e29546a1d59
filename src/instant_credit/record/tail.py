"""Edge. The lines of a long file, and where they end, found from its end."""

import os
from collections.abc import Iterator
from typing import BinaryIO, Final

_CHUNK: Final = 1 << 16


def iterate_lines(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines from the file's position on, without their ends; what follows the last end is left out."""
    for line in file:
        if line.endswith(b"\n"):
            yield line[:-1]


def find_last_line(file: BinaryIO) -> int:
    """Where the last whole line begins; 0 also where there is none."""
    return find_end_before(file, find_end_before(file, os.fstat(file.fileno()).st_size)) + 1


def find_end_before(file: BinaryIO, offset: int) -> int:
    """Where the last line end before `offset` lies, -1 = there is none."""
    while offset > 0:
        start = max(0, offset - _CHUNK)
        file.seek(start)
        found = file.read(offset - start).rfind(b"\n")
        if found >= 0:
            return start + found
        offset = start
    return -1
