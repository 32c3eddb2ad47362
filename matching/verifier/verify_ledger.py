#!/usr/bin/env python3
"""Check the match ledger of a giving site: one file, Python 3.11 or later, nothing to install.

    python3 verify_ledger.py https://give.example.org                       the ledger as it stands now
    python3 verify_ledger.py https://give.example.org --reference M-7K3QX9AB2C
    python3 verify_ledger.py https://give.example.org --head 3f5a9c0e11d2b477    a head printed on a receipt
    python3 verify_ledger.py https://give.example.org --save ledger.jsonl   and keep what was checked
    python3 verify_ledger.py ledger.jsonl   or   ledger.csv ledger.json     files downloaded before
    python3 verify_ledger.py ledger.jsonl head.json                         is a head kept earlier still in it?

It recomputes every hash and every balance from the first entry, compares them with what the site publishes, checks
the signatures (Ed25519) and that no balance was ever below zero. It takes nothing on trust but the public key: note
the key that it prints, all 64 digits, and give it with --key next time. Exit code: 0 all is well, 1 a fault was found
or a reference is not there, 2 it could not check.
The site's /match/ledger.md describes every field, for whoever would rather write a program of their own.
"""

import argparse
import csv
import hashlib
import http.client
import io
import json
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any

GENESIS = "0" * 64
FIELDS = ("pool", "seq", "from", "to", "amount", "currency", "reason", "reference", "actor", "at", "prev", "hash")
# Which accounts each reason moves money between; there are no other moves.
MOVES = {
    "pledge": ("pledged", "free"),
    "unpledge": ("free", "pledged"),
    "hold": ("free", "held"),
    "commit": ("held", "matched"),
    "release": ("held", "free"),
    "expire": ("held", "free"),
    "reverse": ("matched", "free"),
    "restore": ("free", "matched"),
    "offer": ("free", "matched"),
    "award": ("free", "matched"),
    "withdraw": ("matched", "free"),
}
PLAIN = {
    "currency": re.compile(r"[A-Z]{3}"),
    "reference": re.compile(r"(M-[0-9A-Z]{10})?"),
    "actor": re.compile(r"[a-z]+(:[0-9]+)?"),
    "at": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"),
    "prev": re.compile(r"[0-9a-f]{64}"),
    "hash": re.compile(r"[0-9a-f]{64}"),
}
BALANCES = ("limit", "free", "held", "matched")
HEAD_TITLE = "twofold-ledger-head"
LONGEST_LINE = 1_000_000
LONGEST_ANSWER = 50_000_000
FAULTS_SHOWN = 20
PAGE = 1000
TRIES, TIMEOUT_SECONDS = 3, 30
_DIGITS = dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0)
_DIGITS |= dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)

Record = dict[str, Any]


class CannotCheck(Exception):
    """The ledger could not be had at all; the message says why and what to do."""


class Unreadable(Exception):
    """A line is not what the format says; the message says where and how."""


# Ed25519 (RFC 8032, section 5.1), verification alone: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_NOTHING = (0, 1, 1, 0)
Point = tuple[int, int, int, int]


def signature_is_good(*, public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this key signed these bytes. False for anything malformed."""
    key = _point(public_key)
    if key is None or len(signature) != 64:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    if scalar >= _ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    minus_key = (-key[0] % _P, key[1], key[2], -key[3] % _P)
    return _bytes_of(_sum(_times(scalar, _BASE), _times(challenge, minus_key))) == signature[:32]


def _point(encoded: bytes) -> Point | None:
    """The point with this y and this sign of x; None when there is none, or when y is not written as it must be."""
    if len(encoded) != 32:
        return None
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _P:
        return None
    above, below = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = above * below**3 * pow(above * below**7, (_P - 5) // 8, _P) % _P
    if (below * x * x + above) % _P == 0:
        x = x * _ROOT_OF_MINUS_1 % _P
    if (below * x * x - above) % _P or (x == 0 and sign):
        return None
    x = x if x & 1 == sign else _P - x
    return (x, y, 1, x * y % _P)


def _sum(one: Point, two: Point) -> Point:
    minus = (one[1] - one[0]) * (two[1] - two[0]) % _P
    plus = (one[1] + one[0]) * (two[1] + two[0]) % _P
    cross = 2 * _D * one[3] * two[3] % _P
    depth = 2 * one[2] * two[2] % _P
    e, f, g, h = plus - minus, depth - cross, depth + cross, plus + minus
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(factor: int, point: Point) -> Point:
    total = _NOTHING
    while factor:
        if factor & 1:
            total = _sum(total, point)
        point, factor = _sum(point, point), factor >> 1
    return total


def _bytes_of(point: Point) -> bytes:
    unit = pow(point[2], -1, _P)
    x, y = point[0] * unit % _P, point[1] * unit % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE = _point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little")) or _NOTHING


# What is checked


@dataclass
class Report:
    """Everything found, in plain words. faults: things that are wrong; notes: things that could not be checked."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fault_count: int = 0

    def fault(self, text: str) -> None:
        self.fault_count += 1
        if len(self.faults) < FAULTS_SHOWN:
            self.faults.append(text)


@dataclass
class Claim:
    """What was published of one chain: after entry `seq` it has this hash and these balances. by: who says so."""

    seq: int
    hash: str
    balances: dict[str, int]
    by: str
    is_signed: bool = False


@dataclass
class Chain:
    """One pool's entries as they are read, in order; memory stays the same however many there are.

    may_begin_after: where a file was asked to begin, so that the entries before are not missing. began_after: the entry
    after which the first one here comes; what was before is known from a signed head, or else no balance is.
    """

    pool: int
    report: Report
    currency: str = ""
    seq: int = 0
    head: str = GENESIS
    may_begin_after: set[int] = field(default_factory=set)
    began_after: int = 0
    knows_balances: bool = True
    awarded: int = 0
    balances: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("pledged", "free", "held", "matched"), 0))
    claims: dict[int, list[Claim]] = field(default_factory=dict)
    below_zero: set[str] = field(default_factory=set)

    def follow(self, entry: Record) -> None:
        """Take the next entry: its place, its hash, its move, and what it does to the balances."""
        where = f"Pool {self.pool}, entry {entry['seq']}"
        if self.seq == 0 and entry["seq"] > 1:
            self._begin_later(entry, where)
        if entry["seq"] != self.seq + 1:
            self.report.fault(f"{where} follows entry {self.seq}: an entry is missing, doubled or out of place.")
        elif entry["prev"] != self.head:
            self.report.fault(f"{where} does not carry the hash of the entry before it.")
        text = "|".join(str(entry[name]) for name in FIELDS[:-1])
        if hashlib.sha256(text.encode()).hexdigest() != entry["hash"]:
            self.report.fault(f"{where} was changed after it was written: its hash does not fit its text.")
        self._move(entry, where)
        self.seq, self.head = entry["seq"], entry["hash"]
        for claim in self.claims.pop(self.seq, ()):
            self._compare(claim)

    def finish(self) -> None:
        for claims in self.claims.values():
            for claim in claims:
                if claim.seq < self.began_after or (not self.seq and claim.seq <= max(self.may_begin_after, default=0)):
                    continue  # it speaks of entries before those that were asked for
                self.report.fault(
                    f"Pool {self.pool} ends at entry {self.seq} here, but {claim.by} goes on to entry {claim.seq}: "
                    "entries were cut off, or history was rewritten."
                )

    def _begin_later(self, entry: Record, where: str) -> None:
        """The first entry here is not the pool's first: go on from a signed head of that place, or without balances."""
        self.began_after = self.seq = entry["seq"] - 1
        here = f"{where} is the first one here"
        claims = self.claims.pop(self.seq, [])
        known = next((claim for claim in claims if claim.is_signed), None)
        self.head, self.knows_balances = known.hash if known else entry["prev"], known is not None
        if known:
            self.balances = {**known.balances, "pledged": -known.balances["limit"]}
            self.report.notes.append(f"{here}; what came before is taken from {known.by}.")
        elif self.began_after in self.may_begin_after:
            self.report.notes.append(
                f"{here}, as was asked for: its hashes were checked, its balances were not. They want a file with the "
                f"entries before it, or a signed head that ends at entry {self.began_after}."
            )
        else:
            self.report.fault(f"{here}: entries 1 to {self.began_after} are missing.")
        for claim in claims:
            self._compare(claim)

    def _move(self, entry: Record, where: str) -> None:
        amount, currency = entry["amount"], entry["currency"]
        if MOVES.get(entry["reason"]) != (entry["from"], entry["to"]) or amount <= 0:
            self.report.fault(f"{where} is not a move that the ledger knows.")
        self.currency = self.currency or currency
        if currency != self.currency:
            self.report.fault(f"{where} is in {currency}, the pool in {self.currency}.")
        self.balances[entry["from"]] -= amount
        self.balances[entry["to"]] += amount
        self.awarded += {"award": amount, "withdraw": -amount}.get(entry["reason"], 0)
        if self.awarded < 0 and not self.began_after:
            self.report.fault(f"{where} withdraws {self.money(-self.awarded)} more than was ever awarded.")
        account = entry["from"]
        if self.balances[account] < 0 and self.knows_balances and account not in {"pledged", *self.below_zero}:
            self.below_zero.add(account)  # said once: one wrong amount leaves all that follows below zero
            self.report.fault(f"{where}: after it “{account}” stood at {self.money(self.balances[account])}.")

    def _compare(self, claim: Claim) -> None:
        if claim.hash != self.head:
            self.report.fault(
                f"Pool {self.pool}, entry {claim.seq}: {claim.by} has it with another hash. History was rewritten "
                "since then."
            )
        found = self.balances | {"limit": -self.balances["pledged"]}
        for account in BALANCES if self.knows_balances else ():
            said = claim.balances[account]
            if said != found[account]:
                self.report.fault(
                    f"Pool {self.pool}: “{account}” is off by {self.money(said - found[account])}: {claim.by} says "
                    f"{self.money(said)}, the entries give {self.money(found[account])}."
                )

    def money(self, amount: int) -> str:
        return money(amount, self.currency)


class Audit:
    """One run: documents and heads first, then every entry, then what is still missing."""

    def __init__(self, *, references: Iterable[str] = (), trusted_keys: Iterable[str] = ()) -> None:
        self.report = Report()
        self.documents: list[Record] = []
        self.heads: dict[str, Record] = {}
        self.found: dict[str, list[Record]] = {reference: [] for reference in references}
        self.entry_count = 0
        self._keys: dict[str, Record] = {}
        self._trusted = {key.strip().lower() for key in trusted_keys}
        self._chains: dict[int, Chain] = {}

    def add_document(self, record: Record) -> None:
        _require(record, "the document", {"format": int, "made_at": str, "pools": list, "keys": list})
        if record["format"] != 1:
            raise CannotCheck(f"This ledger has format {record['format']}, this program reads 1: download a newer one.")
        self.documents.append(record)
        for key in record["keys"]:
            _require(key, "a public key", {"key": str, "public_key": str, "from": str})
            if key.get("until") is not None:
                _require(key, "a public key", {"until": str})
            self._keys[key["key"]] = key
        self._asked_for(record)
        for pool in record["pools"]:
            of_pool: dict[str, type] = dict.fromkeys(("pool", "entries", *BALANCES), int) | {
                "hash": str,
                "currency": str,
            }
            _require(pool, "a pool of the document", of_pool)
            by = f"the site's document of {moment(record['made_at'])}"
            balances = {account: pool[account] for account in BALANCES}
            self._claim(pool["pool"], pool["currency"], Claim(pool["entries"], pool["hash"], balances, by))
        if record.get("head"):
            self.add_head(record["head"])

    def _asked_for(self, record: Record) -> None:
        """A document says itself which pool, and after which entry, its file was asked for."""
        pool, after = record.get("only_pool"), record.get("after")
        if type(pool) is int and type(after) is int:
            self._chain(pool).may_begin_after.add(after)

    def add_head(self, record: Record) -> None:
        _require(record, "a signed head", dict.fromkeys(("text", "sha256", "key", "signature"), str))
        self.heads[record["sha256"]] = record

    def check_heads(self) -> None:
        """Every head's hash and signature; what each says of the chains is claimed, to be met by the entries."""
        by_number: dict[int, tuple[str, str]] = {}
        for record in self.heads.values():
            number, previous = self._check_head(record)
            by_number[number] = (record["sha256"], previous)
        for number, (_, previous) in by_number.items():
            before = by_number.get(number - 1)
            if before and before[0] != previous:
                self.report.fault(f"Signed head {number} does not continue head {number - 1}: one was replaced.")
        for key in sorted(self._trusted):
            if len(key) < 64:
                self.report.notes.append(f"--key {key} is a key's name, which can be imitated: give its 64 digits.")
        if not self.heads:
            self.report.notes.append("No signed head was given: that history was never rewritten cannot be shown.")

    def add_entry(self, record: Record, where: str) -> None:
        entry = checked_entry(record, where)
        self.entry_count += 1
        self._chain(entry["pool"]).follow(entry)
        if entry["reference"] in self.found:
            self.found[entry["reference"]].append(entry)

    def finish(self) -> None:
        whole = [document for document in self.documents if document.get("only_pool") is None]
        asked = {document.get("only_pool") for document in self.documents}
        published = {pool["pool"] for document in self.documents for pool in document["pools"]}
        absent = []
        for pool, chain in sorted(self._chains.items()):
            if chain.seq == 0 and not whole and pool not in asked:
                absent.append(str(pool))
                continue
            chain.finish()
            if whole and pool not in published:
                self.report.fault(f"Pool {pool} is not in the site's document: a pool was taken out.")
        if absent:
            self.report.notes.append(f"Named by a head but not part of these files: pool {', '.join(absent)}.")
        if not self.documents:
            self.report.notes.append("No document (ledger.json) was given: entries cut off at the end go unnoticed.")

    @property
    def missing(self) -> list[str]:
        """The references that were asked for and are not there."""
        return [reference for reference, entries in self.found.items() if not entries]

    @property
    def is_partial(self) -> bool:
        """Whether some pool was not read from its first entry."""
        return any(
            chain.began_after or (not chain.seq and any(chain.may_begin_after)) for chain in self._chains.values()
        )

    def pool_lines(self) -> Iterator[str]:
        sponsors = {pool["pool"]: pool.get("sponsor", "") for found in self.documents for pool in found["pools"]}
        for pool, chain in sorted(self._chains.items()):
            if chain.seq and chain.knows_balances:
                named = f" ({sponsors[pool]})" if sponsors.get(pool) else ""
                parts = [f"{account} {chain.money(chain.balances[account])}" for account in ("matched", "held", "free")]
                total = chain.money(-chain.balances["pledged"])
                yield f"Pool {pool}{named}: {count(chain.seq, 'entry')}; {', '.join(parts)}; of {total}"

    def head_lines(self) -> Iterator[str]:
        for record in self.heads.values():
            title = record["text"].split("\n")[0].split("|")
            if len(title) == 6:
                yield f"Signed head {title[3]} of {moment(title[4])}, key {record['key']}, sha256 {record['sha256']}"

    def key_lines(self) -> Iterator[str]:
        """The public keys of the heads that were checked, whole, for the reader to compare and to keep."""
        for name in sorted({record["key"] for record in self.heads.values()} & set(self._keys)):
            public_key = self._keys[name]["public_key"]
            known = ", as you gave it" if public_key in self._trusted else "; keep it for --key"
            yield f"Key {name}: {public_key}{known}"

    def _chain(self, pool: int, currency: str = "") -> Chain:
        chain = self._chains.setdefault(pool, Chain(pool, self.report))
        chain.currency = chain.currency or currency
        return chain

    def _claim(self, pool: int, currency: str, claim: Claim) -> None:
        self._chain(pool, currency).claims.setdefault(claim.seq, []).append(claim)

    def _check_head(self, record: Record) -> tuple[int, str]:
        """Its number and the hash of the head before it; (0, "") when it cannot be read."""
        message = record["text"].encode()
        title, *lines = record["text"].split("\n")
        named = f"signed head {record['sha256'][:16]}"
        if hashlib.sha256(message).hexdigest() != record["sha256"]:
            self.report.fault(f"The text of {named} was changed: its hash does not fit.")
        try:
            kind, _, _, number, made_at, previous = title.split("|")
            named = f"signed head {int(number)} of {moment(made_at)}"
            if kind != HEAD_TITLE:
                raise ValueError(kind)
            for line in lines:
                pool, currency, seq, entry_hash, *balances = line.split("|")
                said = dict(zip(BALANCES, map(int, balances), strict=True))
                self._claim(int(pool), currency, Claim(int(seq), entry_hash, said, named, is_signed=True))
        except ValueError:
            self.report.fault(f"The text of {named} cannot be read.")
            return 0, ""
        self._check_signature(record, message=message, made_at=made_at, named=named)
        return int(number), previous

    def _check_signature(self, record: Record, *, message: bytes, made_at: str, named: str) -> None:
        known = self._keys.get(record["key"])
        public_key = _from_hex(known["public_key"]) if known else b""
        trusted = not self._trusted or bool(self._trusted & {record["key"], public_key.hex()})
        if not known or hashlib.sha256(public_key).hexdigest()[:8] != record["key"] or not trusted:
            of_whom = "the ones you trust" if known and not trusted else "the site's public keys"
            self.report.fault(f"The key {record['key']} of {named} is not among {of_whom}.")
        elif not signature_is_good(public_key=public_key, message=message, signature=_from_hex(record["signature"])):
            self.report.fault(f"The signature of {named} is not by the key {record['key']}.")
        elif made_at < known["from"] or (known.get("until") and made_at > known["until"]):
            self.report.fault(f"The key {record['key']} was not in use when {named} says it was made.")


def checked_entry(record: Record, where: str) -> Record:
    """An entry with every field of its kind. Raises Unreadable."""
    for name in FIELDS:
        value = record.get(name)
        if name in ("pool", "seq", "amount"):
            good = type(value) is int
        elif name in PLAIN:
            good = isinstance(value, str) and PLAIN[name].fullmatch(value) is not None
        elif name == "reason":
            good = isinstance(value, str)
        else:
            good = value in ("pledged", "free", "held", "matched")
        if not good:
            pool, seq = record.get("pool"), record.get("seq")
            raise Unreadable(f"Pool {pool}, entry {seq} ({where}): “{name}” is missing or not as it must be written.")
    return record


def _require(record: Record, what: str, kinds: Mapping[str, type]) -> None:
    for name, kind in kinds.items():
        if not isinstance(record, dict) or type(record.get(name)) is not kind:
            raise Unreadable(f"“{name}” of {what} is missing or not as it must be written.")


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def money(amount: int, currency: str) -> str:
    digits = _DIGITS.get(currency, 2)
    whole, rest = divmod(abs(amount), 10**digits)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole:,}" + (f".{rest:0{digits}}" if digits else "") + f" {currency}"


def moment(text: str) -> str:
    return f"{text[:10]} {text[11:19]} UTC"


_PLURALS = {"entry": "entries", "signed head": "signed heads"}


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else _PLURALS[noun]}"


# Where it is read from


def parsed(line: bytes, where: str) -> Record:
    """One JSON object; a name twice in it could say two things, so it is refused. Raises Unreadable."""

    def once(pairs: list[tuple[str, Any]]) -> Record:
        names = dict(pairs)
        if len(names) != len(pairs):
            raise ValueError("a name twice")
        return names

    try:
        record = json.loads(line.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Unreadable(f"{where} is not a line of a ledger: it is not JSON.") from None
    if not isinstance(record, dict) or record.get("type") not in ("ledger", "head", "entry", "end"):
        raise Unreadable(f"{where} is not a line of a ledger: its “type” is unknown.")
    return record


class File:
    """A file of JSON Lines or CSV, as downloaded."""

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            with open(name, "rb") as file:
                self._is_csv = file.readline(LONGEST_LINE).strip() == ",".join(FIELDS).encode()
        except OSError as error:
            raise CannotCheck(
                f"{name} cannot be read ({error.strerror}). A site's address begins with https://."
            ) from None

    def front(self) -> Iterator[Record]:
        """What comes before the entries: a document, heads."""
        if not self._is_csv:
            for _, _, record in self._lines():
                if record["type"] in ("entry", "end"):
                    return
                yield record

    def entries(self) -> Iterator[tuple[Record, str]]:
        yield from self._csv_rows() if self._is_csv else self._json_entries()

    def _csv_rows(self) -> Iterator[tuple[Record, str]]:
        with open(self.name, encoding="utf-8", newline="", errors="replace") as file:
            rows = csv.DictReader(file)
            with _csv_errors_named(self.name):
                for number, row in enumerate(rows, 2):
                    where = f"line {number} of {self.name}"
                    record: Record = dict(row)
                    numbers = [record[name] or "" for name in ("pool", "seq", "amount")]
                    if len(record) != len(FIELDS) or not all(re.fullmatch(r"[1-9][0-9]{0,18}", n) for n in numbers):
                        raise Unreadable(f"{where} is not an entry: a field is missing or not as it must be written.")
                    yield record | dict(zip(("pool", "seq", "amount"), map(int, numbers), strict=True)), where

    def _json_entries(self) -> Iterator[tuple[Record, str]]:
        digest, has_document, found, end = hashlib.sha256(), False, 0, None
        for where, line, record in self._lines():
            if end is not None:
                raise Unreadable(f"{where} stands behind the end of the ledger.")
            if record["type"] == "end":
                end = record
                continue
            digest.update(line)
            has_document |= record["type"] == "ledger"
            if record["type"] == "entry":
                found += 1
                yield record, where
        if end is None and has_document and found:
            raise Unreadable(f"{self.name} is cut off: its last line, of the type “end”, is missing.")
        if end is not None and (end.get("entries"), end.get("sha256")) != (found, digest.hexdigest()):
            raise Unreadable(f"{self.name} is not as it was downloaded: its last line has another hash for it.")

    def _lines(self) -> Iterator[tuple[str, bytes, Record]]:
        with open(self.name, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
                where = f"line {number} of {self.name}"
                yield where, line, parsed(line, where)


@contextmanager
def _csv_errors_named(name: str) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        raise Unreadable(f"{name} cannot be read as a table ({error}).") from None


class Site:
    """A site, asked for its document and then for every page of entries."""

    def __init__(self, address: str, *, save: IO[bytes] | None = None) -> None:
        self._address, self._save, self._digest = address.rstrip("/"), save, hashlib.sha256()
        line = self.get("/match/ledger.json")
        self.document = parsed(line, "The site's document")
        self._keep(line)

    def front(self) -> Iterator[Record]:
        yield self.document

    def entries(self) -> Iterator[tuple[Record, str]]:
        found = 0
        for pool in self.document["pools"]:
            for first in range(1, pool["entries"] + 1, PAGE):
                path = f"/match/ledger/{pool['pool']}/{first}-{min(first + PAGE - 1, pool['entries'])}.jsonl"
                for number, line in enumerate(self.get(path).splitlines(keepends=True), 1):
                    self._keep(line)
                    found += 1
                    where = f"line {number} of {path}"
                    yield parsed(line, where), where
        if self._save:
            end = {"type": "end", "entries": found, "sha256": self._digest.hexdigest()}
            self._save.write(json.dumps(end, separators=(",", ":")).encode() + b"\n")

    def head(self, digits: str) -> Record | None:
        """The head whose hash begins like this, None when the site has none."""
        try:
            return parsed(self.get(f"/match/heads/{digits}.json"), "The head")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def every_head(self) -> Iterator[Record]:
        newest = (self.document.get("head") or {}).get("number", 0)
        if type(newest) is not int:
            raise Unreadable("“number” of the site's signed head is not a number.")
        for first in range(1, newest + 1, PAGE):
            path = f"/match/heads/{first}-{min(first + PAGE - 1, newest)}.jsonl"
            yield from (parsed(line, path) for line in self.get(path).splitlines())

    def get(self, path: str) -> bytes:
        """The answer's body. Tries again when the site is busy or the line breaks."""
        # The address begins with http:// or https://: main() takes anything else for a file.
        request = urllib.request.Request(self._address + path, headers={"User-Agent": "verify_ledger/1"})  # noqa: S310
        for left in reversed(range(TRIES)):
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                    body: bytes = answer.read(LONGEST_ANSWER + 1)
                if len(body) > LONGEST_ANSWER:
                    raise CannotCheck(f"The site's answer to {path} is longer than any page of a ledger.")
                return body
            except urllib.error.HTTPError as error:
                if error.code < 500 or not left:
                    raise
            except (OSError, http.client.HTTPException) as error:
                if not left:
                    raise CannotCheck(f"{self._address} does not answer as it should: {error}.") from None
            time.sleep(TRIES - left)
        raise CannotCheck("unreachable")

    def _keep(self, line: bytes) -> None:
        if self._save:
            self._digest.update(line)
            self._save.write(line)


def audit(options: argparse.Namespace, save: IO[bytes] | None) -> Audit:
    """Read everything named on the command line. Raises CannotCheck; OSError when a site does not answer."""
    found = Audit(references=options.reference, trusted_keys=options.key)
    sources = [
        Site(name, save=save) if name.startswith(("http://", "https://")) else File(name) for name in options.ledger
    ]
    try:
        for source in sources:
            for record in source.front():
                found.add_document(record) if record["type"] == "ledger" else found.add_head(record)
        for site in (source for source in sources if isinstance(source, Site)):
            for record in site.every_head() if options.every_head else ():
                found.add_head(record)
        for digits in options.head:
            _find_head(found, digits=digits.lower(), sources=sources)
        found.check_heads()
        for source in sources:
            for record, where in source.entries():
                found.add_entry(record, where)
    except Unreadable as error:
        found.report.fault(re.sub("^line ", "Line ", str(error)))
        return found
    found.finish()
    return found


def _find_head(found: Audit, *, digits: str, sources: list[File | Site]) -> None:
    if any(sha256.startswith(digits) for sha256 in found.heads):
        return
    if not re.fullmatch(r"[0-9a-f]{16,64}", digits):
        raise CannotCheck("Give --head at least the first 16 digits of the hash on the receipt.")
    for site in (source for source in sources if isinstance(source, Site)):
        record = site.head(digits)
        if record and str(record.get("sha256", "")).startswith(digits):
            found.add_head(record)
            return
    found.report.fault(f"No signed head has a hash that begins with {digits}: it was mistyped, or taken away.")


def say(text: str) -> None:
    """Print one line; nothing that a site or a file says can command the terminal."""
    print("".join(character if character.isprintable() else "?" for character in text))


def tell(found: Audit) -> None:
    """Print what was found; the reader is a donor, a sponsor or an auditor."""
    for document in found.documents:
        say(f"Ledger of {document.get('site', 'a site')} as of {moment(document['made_at'])}")
    for line in (*found.pool_lines(), *list(found.head_lines())[-3:], *found.key_lines()):
        say(line)
    for reference, entries in found.found.items():
        say("")
        say(f"{reference}: " + (count(len(entries), "entry") if entries else "the ledger has no such match"))
        kept: dict[str, int] = {}
        for entry in entries:
            say(
                f"  {moment(entry['at'])}  pool {entry['pool']}, entry {entry['seq']}: {entry['reason']}, "
                f"{entry['from']} to {entry['to']}, {money(entry['amount'], entry['currency'])}"
            )
            for account, sign in ((entry["from"], -1), (entry["to"], 1)):
                kept[account] = kept.get(account, 0) + sign * entry["amount"]
        if entries:
            currency = entries[0]["currency"]
            say(f"  now matched {money(kept.get('matched', 0), currency)}, held {money(kept.get('held', 0), currency)}")
    for note in found.report.notes:
        say(f"Note: {note}")
    for fault in found.report.faults:
        say(f"FAULT: {fault}")
    if found.report.fault_count > len(found.report.faults):
        say(f"... and {found.report.fault_count - len(found.report.faults)} more")
    say("")
    say(f"{verdict(found)}: {count(found.entry_count, 'entry')} and {count(len(found.heads), 'signed head')} checked.")


def verdict(found: Audit) -> str:
    if found.report.fault_count:
        return f"{found.report.fault_count} FOUND WRONG"
    if found.missing:
        return "NOT THERE: " + ", ".join(found.missing) + ". All else is well"
    return "All is well as far as it goes" if found.is_partial else "All is well"


def main(arguments: list[str] | None = None) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 (it is run by whatever Python a reader has)
        print("This program needs Python 3.11 or later.")
        return 2
    parser = argparse.ArgumentParser(description="Check the match ledger of a giving site.")
    parser.add_argument("ledger", nargs="+", help="a site's address, or files: ledger.jsonl, ledger.csv, ledger.json")
    parser.add_argument("--reference", action="append", default=[], type=_reference, help="look a match up: M-...")
    parser.add_argument("--head", action="append", default=[], help="a head's hash, as a receipt prints it")
    parser.add_argument("--every-head", action="store_true", help="check every head that the site ever published")
    parser.add_argument("--key", action="append", default=[], help="trust this key alone: its 64 digits")
    parser.add_argument("--save", metavar="FILE", help="keep what the site answers, to be checked again later")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a sponsor's name may have letters that the terminal lacks
    try:
        if options.save:
            with open(options.save, "wb") as save:
                found = audit(options, save)
        else:
            found = audit(options, None)
    except CannotCheck as error:
        say(str(error))
        return 2
    except OSError as error:
        say(f"The ledger cannot be had: {_reason(error)}. Check the address and try again.")
        return 2
    tell(found)
    return 1 if found.report.fault_count or found.missing else 0


def _reference(text: str) -> str:
    cleaned = "".join(text.split()).upper()
    if not re.fullmatch(r"M-[0-9A-Z]{10}", cleaned):
        raise argparse.ArgumentTypeError("a reference is M- and ten letters and digits, as on the receipt")
    return cleaned


def _reason(error: OSError) -> str:
    with suppress(AttributeError, OSError, ValueError):
        if isinstance(error, urllib.error.HTTPError):
            return f"{error.url} answers {error.code}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
