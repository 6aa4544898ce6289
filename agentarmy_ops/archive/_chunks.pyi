from typing_extensions import Buffer

def unwrap(
    source: Buffer, start: int, stop: int, target: Buffer, int_size: int, /
) -> tuple[int, int, int, bool]: ...
