"""Trees of hashes as RFC 6962 writes them down: by halving at the largest power of two below the size."""

from hashlib import sha256


def split_size(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of section 2.1, over leaves that are hashed already."""
    if len(leaves) == 1:
        return leaves[0]
    half = split_size(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def naive_path(leaves: list[bytes], index: int) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(leaves) == 1:
        return []
    half = split_size(len(leaves))
    if index < half:
        return [*naive_path(leaves[:half], index), naive_root(leaves[half:])]
    return [*naive_path(leaves[half:], index - half), naive_root(leaves[:half])]
