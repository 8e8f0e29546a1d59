"""Lines out of a stream of bytes, each of a bounded length. Pure."""

from typing import Final

LINE_BYTES_MAX: Final = 8_192


class LineSplitter:
    """Cuts blocks into lines, without their line ends. Of a line that is longer than `LINE_BYTES_MAX` one byte more than that is kept, so
    that whoever reads it sees that it is too long; the rest of it is thrown away as it comes.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, block: bytes) -> list[bytes]:
        """The lines that end in `block`, in order."""
        *lines, rest = block.split(b"\n")
        if not lines:
            self._rest = (self._rest + rest)[: LINE_BYTES_MAX + 1]
            return []
        lines[0] = self._rest + lines[0]
        self._rest = rest[: LINE_BYTES_MAX + 1]
        return [line[: LINE_BYTES_MAX + 1].removesuffix(b"\r") for line in lines]

    def end(self) -> list[bytes]:
        """The last line, where the stream does not end with a line end."""
        rest, self._rest = self._rest, b""
        return [rest.removesuffix(b"\r")] if rest else []
