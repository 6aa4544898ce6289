"""CRC32C, the checksum that Cloud Storage keeps of every object."""

import base64

import google_crc32c


def extend(crc: int, data: bytes) -> int:
    """The checksum of some bytes followed by ``data``; ``crc`` is that of the former, or 0."""
    extended: int = google_crc32c.extend(crc, data)
    return extended


def encode(crc: int) -> str:
    """As the JSON API writes it: four bytes, big-endian, in base64."""
    return base64.b64encode(crc.to_bytes(4, "big")).decode()
