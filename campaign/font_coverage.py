"""Which characters a TrueType font has, read from its `cmap` table.

PDF/UA refuses a document with a missing glyph, so the receipt must know before it prints a name; a picture would show
an empty box. Formats 4 and 12 are read: every font of today has one of them for Unicode. Source: the OpenType
specification, chapter `cmap`.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

_UNICODE_TABLES = frozenset({(0, 3), (0, 4), (0, 6), (3, 1), (3, 10)})  # (platform, encoding)
_NO_GLYPH = 0xFFFF


def covered_characters(path: Path) -> frozenset[str]:
    """Every character that the font at `path` has a glyph for. Raises ValueError for a file that is no such font."""
    font = path.read_bytes()
    cmap = _table(font, b"cmap")
    (count,) = struct.unpack_from(">H", cmap, 2)
    characters: set[str] = set()
    for index in range(count):
        platform, encoding, offset = struct.unpack_from(">HHI", cmap, 4 + 8 * index)
        if (platform, encoding) in _UNICODE_TABLES:
            characters.update(map(chr, _code_points(cmap[offset:])))
    return frozenset(characters)


def _table(font: bytes, name: bytes) -> bytes:
    (count,) = struct.unpack_from(">H", font, 4)
    for index in range(count):
        tag, _, offset, length = struct.unpack_from(">4sIII", font, 12 + 16 * index)
        if tag == name:
            return font[offset : offset + length]
    raise ValueError(f"the font has no table {name.decode()}")


def _code_points(subtable: bytes) -> Iterator[int]:
    (form,) = struct.unpack_from(">H", subtable)
    if form == 4:
        yield from _segments(subtable)
    elif form == 12:
        (groups,) = struct.unpack_from(">I", subtable, 12)
        for index in range(groups):
            first, last, _ = struct.unpack_from(">III", subtable, 16 + 12 * index)
            yield from range(first, last + 1)


def _segments(subtable: bytes) -> Iterator[int]:
    """Format 4: segments of code points, each with an offset to add or a list of glyphs to look in."""
    (double_count,) = struct.unpack_from(">H", subtable, 6)
    count = double_count // 2
    ends = struct.unpack_from(f">{count}H", subtable, 14)
    starts = struct.unpack_from(f">{count}H", subtable, 16 + double_count)
    deltas = struct.unpack_from(f">{count}H", subtable, 16 + 2 * double_count)
    offsets_at = 16 + 3 * double_count
    offsets = struct.unpack_from(f">{count}H", subtable, offsets_at)
    for index, (start, end, delta, offset) in enumerate(zip(starts, ends, deltas, offsets, strict=True)):
        for code_point in range(start, min(end, _NO_GLYPH - 1) + 1):
            if offset == 0:
                glyph = (code_point + delta) & 0xFFFF
            else:
                place = offsets_at + 2 * index + offset + 2 * (code_point - start)
                (listed,) = struct.unpack_from(">H", subtable, place)
                glyph = (listed + delta) & 0xFFFF if listed else 0
            if glyph:
                yield code_point
