"""The program that anybody may check the ledger with: what it accepts, and every fault it must name."""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from matching import heads, publication
from matching.models import MOVES, LedgerEntry, MatchPool, SignedHead
from matching.verifier import verify_ledger
from tests import factories
from tests.factories import GIFT_AT
from tests.matching.public_ledger import body, chain, lines_of, triggers_asleep, verify

pytestmark = pytest.mark.django_db

PROGRAM = Path(verify_ledger.__file__)
# RFC 8032, section 7.1: public key, message, signature.
VECTORS = {
    "TEST 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe"
        "24655141438e7a100b",
    ),
    "TEST 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302a"
        "eeb00d291612bb0c00",
    ),
    "TEST 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed2"
        "8dc027beceea1ec40a",
    ),
}


@pytest.fixture(autouse=True)
def site(settings):
    settings.SITE_URL = "https://give.example.org"
    settings.LEDGER_SIGNING_KEY = "11" * 32


@pytest.fixture
def pool():
    return factories.pool(campaign=factories.campaign(), limit_minor=50_000)


@pytest.fixture
def match(pool):
    return give(pool)


@pytest.fixture
def head(match):
    return heads.publish_head(now=GIFT_AT)


def give(pool, amount_minor=10_000):
    return factories.match(factories.donation(campaign=pool.campaign, amount_minor=amount_minor))


@pytest.fixture
def download(tmp_path):
    """The site's file at this moment, kept."""

    def kept(name="ledger.jsonl", url=""):
        path = tmp_path / name
        path.write_bytes(body(url or f"/match/{name}"))
        return path

    return kept


def with_end(path, lines):
    """The lines as a file whose last line fits them again, as a forger would make it."""
    content = b"".join(lines)
    entries = sum(line.startswith(b'{"type":"entry"') for line in lines)
    end = {"type": "end", "entries": entries, "sha256": verify_ledger.hashlib.sha256(content).hexdigest()}
    path.write_bytes(content + publication.json_line(end))
    return path


class TestSound:
    def test_the_whole_file_is_well(self, pool, head, download, capsys):
        assert verify(download()) == 0
        told = capsys.readouterr().out
        assert (
            f"Pool {pool.pk} (The Harbor Family): 3 entries; matched 100.00 USD, held 0.00 USD, free 400.00 USD" in told
        )
        assert f"Signed head 1 of 2026-12-01 15:30:00 UTC, key {head.key.key_id}, sha256 {head.sha256}" in told
        assert "All is well: 3 entries and 1 signed head checked." in told
        assert "Note:" not in told

    def test_the_table_with_the_document_is_well(self, head, download):
        assert verify(download("ledger.csv"), download("ledger.json")) == 0

    def test_the_table_alone_is_well_and_it_says_what_was_not_checked(self, head, download, capsys):
        assert verify(download("ledger.csv")) == 0
        told = capsys.readouterr().out
        assert "Note: No signed head was given" in told
        assert "Note: No document (ledger.json) was given" in told

    def test_pages_and_the_document_are_well(self, pool, head, download):
        pages = [download(f"{n}.jsonl", f"/match/ledger/{pool.pk}/{n}.jsonl") for n in ("1-2", "3-3")]
        assert verify(*pages, download("ledger.json")) == 0

    def test_a_file_goes_on_where_an_earlier_one_ended(self, pool, head, download):
        before = download("before.jsonl", "/match/ledger.jsonl")
        give(pool)
        assert verify(before, download("after.jsonl", f"/match/ledger.jsonl?pool={pool.pk}&after=3")) == 0

    def test_one_pool_alone_is_well_though_the_head_names_others(self, pool, download):
        factories.pool(campaign=pool.campaign)
        heads.publish_head(now=GIFT_AT)
        assert verify(download("one.jsonl", f"/match/ledger.jsonl?pool={pool.pk}")) == 0

    def test_an_empty_ledger_is_well(self, download):
        heads.publish_head(now=GIFT_AT)
        assert verify(download()) == 0
        assert verify(download("ledger.json")) == 0

    def test_a_head_of_a_retired_key_is_good(self, pool, head, download, settings):
        old = download("old-head.json", "/match/heads/latest.json")
        settings.LEDGER_SIGNING_KEY = "22" * 32
        give(pool)
        assert heads.publish_head(now=GIFT_AT.replace(hour=16)).key != head.key
        assert verify(download(), old) == 0

    def test_every_reason_that_the_ledger_has_is_known(self):
        assert verify_ledger.MOVES == MOVES

    def test_it_needs_nothing_but_python(self, head, download):
        command = [sys.executable, "-I", "-S", PROGRAM, download()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "All is well" in done.stdout


class TestFromAnEntry:
    """A file that was asked to begin later than entry 1: `?pool=3&after=1200`."""

    @pytest.fixture
    def later(self, pool, head, download):
        """The entries after the one at which the head ends."""
        kept = download("head.json", "/match/heads/latest.json")
        give(pool)
        heads.publish_head(now=GIFT_AT.replace(hour=16))
        return download("later.jsonl", f"/match/ledger.jsonl?pool={pool.pk}&after=3"), kept

    def test_alone_its_hashes_are_checked_and_it_says_that_balances_are_not(self, pool, later, capsys):
        assert verify(later[0]) == 0
        told = capsys.readouterr().out
        assert f"Pool {pool.pk}, entry 4 is the first one here, as was asked for: its hashes were checked" in told
        assert "or a signed head that ends at entry 3." in told
        assert "All is well as far as it goes: 2 entries and 1 signed head checked." in told

    def test_a_head_kept_earlier_stands_for_what_came_before(self, pool, later, head, capsys):
        assert verify(*later) == 0
        told = capsys.readouterr().out
        assert "what came before is taken from signed head 1 of 2026-12-01 15:30:00 UTC." in told
        assert f"Pool {pool.pk} (The Harbor Family): 5 entries; matched 200.00 USD, held 0.00 USD, free 300.00" in told

    def test_one_that_does_not_go_on_from_the_head_is_a_fault(self, pool, later, capsys):
        file, kept = later
        other = json.loads(kept.read_text())
        other["text"] = other["text"].replace(pool.entries.get(seq=3).entry_hash, "ab" * 32)
        other["sha256"] = verify_ledger.hashlib.sha256(other["text"].encode()).hexdigest()
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex("11" * 32))
        kept.write_text(json.dumps(other | {"signature": key.sign(other["text"].encode()).hex()}))
        assert verify(file, kept) == 1
        assert f"Pool {pool.pk}, entry 4 does not carry the hash of the entry before it." in capsys.readouterr().out

    def test_a_changed_amount_is_still_named(self, pool, later, capsys):
        lines = [line.replace(b'"amount":10000', b'"amount":10001') for line in lines_of(later[0])[:-1]]
        assert verify(with_end(later[0], lines)) == 1
        assert f"FAULT: Pool {pool.pk}, entry 4 was changed after it was written" in capsys.readouterr().out

    def test_one_that_begins_later_than_was_asked_for_is_a_fault(self, pool, later, capsys):
        lines = lines_of(later[0])[:-1]
        del lines[1]
        assert verify(with_end(later[0], lines)) == 1
        assert f"Pool {pool.pk}, entry 5 is the first one here: entries 1 to 4 are missing." in capsys.readouterr().out

    def test_nothing_new_since_then_is_well(self, pool, head, download, capsys):
        assert verify(download("none.jsonl", f"/match/ledger.jsonl?pool={pool.pk}&after=3")) == 0
        assert "All is well as far as it goes: 0 entries" in capsys.readouterr().out


class TestReference:
    def test_it_tells_what_the_ledger_has_of_it(self, pool, match, head, download, capsys):
        assert verify(download(), "--reference", f" {match.reference.lower()}") == 0
        told = capsys.readouterr().out
        assert f"{match.reference}: 2 entries" in told
        assert f"2026-12-01 15:30:00 UTC  pool {pool.pk}, entry 2: hold, free to held, 100.00 USD" in told
        assert f"2026-12-01 15:30:00 UTC  pool {pool.pk}, entry 3: commit, held to matched, 100.00 USD" in told
        assert "now matched 100.00 USD, held 0.00 USD" in told

    def test_an_unknown_one_is_a_fault(self, head, download, capsys):
        assert verify(download(), "--reference", "M-AAAAAAAAAA") == 1
        told = capsys.readouterr().out
        assert "M-AAAAAAAAAA: the ledger has no such match" in told
        assert "NOT THERE: M-AAAAAAAAAA. All else is well: 3 entries and 1 signed head checked." in told

    def test_one_that_cannot_be_one_is_refused(self, head, download, capsys):
        with pytest.raises(SystemExit):
            verify(download(), "--reference", "M-1")
        assert "a reference is M- and ten letters and digits" in capsys.readouterr().err


class TestFault:
    def test_a_changed_amount_is_named_by_its_entry(self, pool, head, download, capsys):
        path = download()
        lines = [line.replace(b'"amount":10000', b'"amount":10001') for line in lines_of(path)[:-1]]
        assert verify(with_end(path, lines)) == 1
        told = capsys.readouterr().out
        assert f"FAULT: Pool {pool.pk}, entry 2 was changed after it was written" in told
        assert f"FAULT: Pool {pool.pk}: “matched” is off by -0.01 USD" in told

    def test_an_account_below_zero_is_named_once_and_not_at_each_entry_after(self, pool, download, capsys):
        for _ in range(5):
            give(pool, 1_000)
        path = download()
        lines = [line.replace(b'"amount":1000,', b'"amount":999,', line.count(b'"seq":2,')) for line in lines_of(path)]
        assert verify(with_end(path, lines[:-1])) == 1
        told = capsys.readouterr().out
        assert f"FAULT: Pool {pool.pk}, entry 3: after it “held” stood at -0.01 USD." in told
        assert told.count("stood at") == 1

    def test_a_cell_of_the_table_changed_is_named_by_its_entry(self, pool, head, download, capsys):
        path = download("ledger.csv")
        path.write_bytes(path.read_bytes().replace(b"donor", b"donxr"))
        assert verify(path) == 1
        assert f"Pool {pool.pk}, entry 2 was changed after it was written" in capsys.readouterr().out

    def test_one_byte_anywhere_in_the_file_is_noticed(self, head, download, capsys):
        path = download()
        content = path.read_bytes()
        chosen = random.Random(8032)
        for _ in range(400):
            position = chosen.randrange(len(content))
            changed = content[position] ^ (1 << chosen.randrange(8))
            path.write_bytes(content[:position] + bytes([changed]) + content[position + 1 :])
            assert verify(path) in (1, 2), (position, content[position], changed)
        assert "Traceback" not in capsys.readouterr().out

    def test_hashes_computed_anew_do_not_hide_a_rewriting_from_a_head(self, pool, head, download, capsys):
        """Whoever owns the site can rewrite everything it publishes, but not a head that somebody kept."""
        kept = download("kept.json", "/match/heads/latest.json")
        rewrite(pool)
        new = download("new.jsonl", "/match/ledger.jsonl")
        assert verify(new) == 0, "the control: by itself it is faultless"
        assert verify(new, kept) == 1
        told = capsys.readouterr().out
        assert f"Pool {pool.pk}, entry 3: signed head 1 of 2026-12-01 15:30:00 UTC has it with another hash." in told

    def test_entries_cut_off_at_the_end_are_noticed(self, pool, head, download, capsys):
        path = download()
        assert verify(with_end(path, lines_of(path)[:-2])) == 1
        assert f"Pool {pool.pk} ends at entry 2 here, but signed head 1" in capsys.readouterr().out

    def test_entries_cut_off_from_the_table_are_noticed_with_the_document(self, pool, head, download, capsys):
        path = download("ledger.csv")
        path.write_bytes(b"".join(lines_of(path)[:-1]))
        assert verify(path, download("ledger.json")) == 1
        assert f"Pool {pool.pk} ends at entry 2 here" in capsys.readouterr().out

    def test_a_download_that_broke_off_is_noticed(self, head, download, capsys):
        path = download()
        path.write_bytes(b"".join(lines_of(path)[:-1]))
        assert verify(path) == 1
        assert "is cut off: its last line, of the type “end”, is missing." in capsys.readouterr().out

    @pytest.mark.parametrize("missing", [1, 2])
    def test_an_entry_taken_out_is_noticed(self, pool, head, download, capsys, missing):
        path = download()
        lines = lines_of(path)[:-1]
        del lines[missing]
        assert verify(with_end(path, lines)) == 1
        told = capsys.readouterr().out
        assert (
            "entries 1 to 1 are missing" if missing == 1 else "entry 3 follows entry 1: an entry is missing"
        ) in told

    def test_a_pool_taken_out_is_noticed(self, pool, head, download, capsys):
        other = factories.pool(campaign=pool.campaign)
        heads.publish_head(now=GIFT_AT.replace(hour=16))
        path = download()
        lines = [line for line in lines_of(path)[:-1] if b'{"type":"entry","pool":%d,' % other.pk not in line]
        assert verify(with_end(path, lines)) == 1
        assert f"Pool {other.pk} ends at entry 0 here" in capsys.readouterr().out

    def test_a_balance_below_zero_is_named_with_entry_and_cent(self, tmp_path, capsys):
        path = tmp_path / "ledger.csv"
        rows = [("pledged", "free", 500, "pledge"), ("free", "held", 501, "hold")]
        before = verify_ledger.GENESIS
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(verify_ledger.FIELDS)
            for seq, (from_account, to_account, amount, reason) in enumerate(rows, 1):
                row = [
                    7,
                    seq,
                    from_account,
                    to_account,
                    amount,
                    "USD",
                    reason,
                    "",
                    "system",
                    "2026-12-01T15:30:00.000000Z",
                    before,
                ]
                before = verify_ledger.hashlib.sha256("|".join(map(str, row)).encode()).hexdigest()
                table.writerow([*row, before])
        assert verify(path) == 1
        assert "FAULT: Pool 7, entry 2: after it “free” stood at -0.01 USD." in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"free": 40_001}, "“free” is off by 0.01 USD: the site's document of"),
            ({"entries": 0}, "the site's document of"),
            ({"entries": 4}, "ends at entry 3 here, but the site's document of"),
            ({"hash": "ab" * 32}, "has it with another hash"),
            ({"limit": "50000"}, "“limit” of a pool of the document is missing or not as it must be written."),
        ],
    )
    def test_a_document_that_says_other_than_the_entries_is_noticed(self, head, download, capsys, change, sentence):
        path = download()
        lines = lines_of(path)[:-1]
        document = json.loads(lines[0])
        document["pools"][0] |= change
        assert verify(with_end(path, [publication.json_line(document), *lines[1:]])) == 1
        assert sentence in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"signature": "00" * 64}, "is not by the key"),
            ({"signature": "zz"}, "is not by the key"),
            ({"key": "00000000"}, "is not among the site's public keys"),
            ({"text": "x"}, "was changed: its hash does not fit"),
            ({"sha256": "ab" * 32}, "was changed: its hash does not fit"),
            ({"text": None}, "“text” of a signed head is missing"),
        ],
    )
    def test_a_head_that_is_not_as_it_was_signed_is_noticed(self, head, download, capsys, change, sentence):
        path = download()
        lines = lines_of(path)[:-1]
        document = json.loads(lines[0])
        document["head"] |= change
        assert verify(with_end(path, [publication.json_line(document), *lines[1:]])) == 1
        assert sentence in capsys.readouterr().out

    def test_a_head_from_outside_its_keys_time_is_noticed(self, head, download, capsys):
        path = download()
        lines = lines_of(path)[:-1]
        document = json.loads(lines[0])
        document["keys"][0]["until"] = "2026-12-01T15:29:59.000000Z"
        assert verify(with_end(path, [publication.json_line(document), *lines[1:]])) == 1
        assert "was not in use when signed head 1" in capsys.readouterr().out

    def test_another_key_than_the_one_that_is_trusted_is_noticed(self, head, download, capsys):
        assert verify(download()) == 0
        assert f"Key {head.key.key_id}: {head.key.public_key}; keep it for --key" in capsys.readouterr().out
        assert verify(download(), "--key", head.key.public_key.upper()) == 0
        told = capsys.readouterr().out
        assert f"{head.key.public_key}, as you gave it" in told
        assert "Note:" not in told
        assert verify(download(), "--key", head.key.key_id) == 0
        assert "is a key's name, which can be imitated: give its 64 digits." in capsys.readouterr().out
        assert verify(download(), "--key", "00000000") == 1
        assert "is not among the ones you trust" in capsys.readouterr().out

    def test_a_head_that_does_not_continue_the_one_before_is_noticed(self, pool, head, download, capsys):
        first = download("first.json", "/match/heads/latest.json")
        give(pool)
        heads.publish_head(now=GIFT_AT.replace(hour=16))
        forged = json.loads(first.read_text())
        forged["text"] = forged["text"].replace("give.example.org", "give.example.com")
        forged["sha256"] = verify_ledger.hashlib.sha256(forged["text"].encode()).hexdigest()
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex("11" * 32))
        forged["signature"] = key.sign(forged["text"].encode()).hex()
        first.write_text(json.dumps(forged))
        assert verify(download(), first) == 1
        assert "Signed head 2 does not continue head 1: one was replaced." in capsys.readouterr().out

    def test_a_head_of_a_receipt_that_is_not_there_is_a_fault(self, head, download, capsys):
        assert verify(download(), "--head", head.sha256[:32]) == 0
        assert verify(download(), "--head", "0" * 32) == 1
        assert "it was mistyped, or taken away" in capsys.readouterr().out
        assert verify(download(), "--head", "xyz") == 2

    def test_many_faults_are_counted_and_not_all_printed(self, tmp_path, capsys):
        path = tmp_path / "ledger.csv"
        rows = [",".join(map(str, row)).replace("system", "sysxem") for row in chain(3, 30)]
        path.write_text("\n".join([",".join(verify_ledger.FIELDS), *rows]))
        assert verify(path) == 1
        told = capsys.readouterr().out
        assert told.count("FAULT:") == verify_ledger.FAULTS_SHOWN
        assert "... and 10 more" in told


class TestNotALedger:
    @pytest.mark.parametrize(
        "content",
        [b"", b"\n", b"{}", b"[]", b"null", b"\xff\xfe", b"{" * 100_000, b'{"type":"ledger"}', b'{"type":"end"}x'],
    )
    def test_it_is_named_and_nothing_breaks(self, tmp_path, capsys, content):
        path = tmp_path / "thing.jsonl"
        path.write_bytes(content)
        code = verify(path)
        assert code == (0 if content == b"" else 1)
        assert "checked" in capsys.readouterr().out

    def test_a_missing_file_cannot_be_checked(self, tmp_path, capsys):
        assert verify(tmp_path / "none.jsonl") == 2
        assert "A site's address begins with https://." in capsys.readouterr().out

    def test_a_later_format_asks_for_a_newer_program(self, download, capsys):
        path = download("ledger.json")
        path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2'))
        assert verify(path) == 2
        assert "download a newer one" in capsys.readouterr().out

    def test_nothing_it_reads_commands_the_terminal(self, download, capsys):
        factories.pool(campaign=factories.campaign(), sponsor=factories.sponsor("Bad \x1b[2J Co"))
        assert verify(download()) == 0
        assert "\x1b" not in capsys.readouterr().out


class TestSite:
    @pytest.fixture
    def address(self, transactional_db, live_server, monkeypatch):
        monkeypatch.setattr(verify_ledger, "PAGE", 2)
        return live_server.url

    def test_it_reads_a_site_page_by_page_and_keeps_what_it_read(self, address, head, tmp_path, capsys):
        saved = tmp_path / "saved.jsonl"
        assert verify(address, "--save", saved, "--every-head", "--head", head.sha256[:16]) == 0
        assert "All is well: 3 entries and 1 signed head checked." in capsys.readouterr().out
        assert verify(saved) == 0
        saved.write_bytes(saved.read_bytes().replace(b'"actor":"donor"', b'"actor":"sonor"'))
        assert verify(saved) == 1
        assert "entry 2 was changed after it was written" in capsys.readouterr().out

    def test_a_head_that_the_site_does_not_have_is_a_fault(self, address, head):
        assert verify(address, "--head", "0" * 32) == 1

    def test_a_site_that_does_not_answer_cannot_be_checked(self, capsys, monkeypatch):
        monkeypatch.setattr(verify_ledger, "TRIES", 1)
        assert verify("http://127.0.0.1:1") == 2
        assert "http://127.0.0.1:1 does not answer as it should" in capsys.readouterr().out

    def test_a_site_without_a_ledger_cannot_be_checked(self, address, capsys):
        assert verify(f"{address}/funds") == 2
        assert "answers 404" in capsys.readouterr().out


class TestSignature:
    @pytest.mark.parametrize("name", VECTORS)
    def test_it_agrees_with_the_standard(self, name):
        public_key, message, signature = map(bytes.fromhex, VECTORS[name])
        assert verify_ledger.signature_is_good(public_key=public_key, message=message, signature=signature)
        assert not verify_ledger.signature_is_good(public_key=public_key, message=message + b"x", signature=signature)

    def test_it_agrees_with_the_library_on_good_and_bad_ones(self):
        chosen = random.Random(25519)
        for size in range(0, 200, 13):
            key = Ed25519PrivateKey.from_private_bytes(chosen.randbytes(32))
            message = chosen.randbytes(size)
            public_key, signature = key.public_key().public_bytes_raw(), key.sign(message)
            assert verify_ledger.signature_is_good(public_key=public_key, message=message, signature=signature)
            broken = bytearray(signature)
            broken[chosen.randrange(64)] ^= 1 << chosen.randrange(8)
            assert not verify_ledger.signature_is_good(public_key=public_key, message=message, signature=bytes(broken))

    def test_a_second_form_of_a_good_signature_is_refused(self):
        """S + L gives the same point: RFC 8032 refuses it, so that a signature has one form."""
        public_key, message, signature = map(bytes.fromhex, VECTORS["TEST 1"])
        scalar = int.from_bytes(signature[32:], "little") + verify_ledger._ORDER
        other = signature[:32] + scalar.to_bytes(32, "little")
        assert not verify_ledger.signature_is_good(public_key=public_key, message=message, signature=other)

    @pytest.mark.parametrize(
        ("public_key", "signature"),
        [
            (b"", b""),
            (b"\x00" * 31, b"\x00" * 64),
            (b"\xff" * 32, b"\x00" * 64),
            (b"\x02" + b"\x00" * 31, b"\x00" * 64),
        ],
    )
    def test_what_is_no_key_or_no_signature_is_refused(self, public_key, signature):
        assert not verify_ledger.signature_is_good(public_key=public_key, message=b"x", signature=signature)


def test_its_memory_stays_flat(tmp_path):
    """Ten times the entries, the same memory: measured in processes of their own, by the system."""
    peaks = [_peak_kilobytes(tmp_path, count) for count in (10_000, 100_000)]
    assert peaks[1] - peaks[0] < 2_000


def _peak_kilobytes(folder, count):
    path = folder / f"{count}.jsonl"
    with path.open("wb") as file:
        for row in chain(3, count):
            file.write(publication.json_line({"type": "entry", **dict(zip(verify_ledger.FIELDS, row, strict=True))}))
    script = (
        "import resource, runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-I", "-S", "-c", script, PROGRAM, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert f"{count:,} entries" in done.stdout
    return int(done.stdout.split()[-1])


def rewrite(pool):
    """Make the match a cent smaller, every hash and balance new and the heads gone: whoever owns the tables could."""
    with triggers_asleep():
        LedgerEntry.objects.filter(pool=pool, seq__gt=1).update(amount_minor=9_999)
        before = verify_ledger.GENESIS
        for entry in LedgerEntry.objects.filter(pool=pool).order_by("seq"):
            entry.prev_hash = before
            before = verify_ledger.hashlib.sha256(entry.chain_text().encode()).hexdigest()
            LedgerEntry.objects.filter(pk=entry.pk).update(prev_hash=entry.prev_hash, entry_hash=before)
        MatchPool.objects.filter(pk=pool.pk).update(head_hash=before, free_minor=40_001, matched_minor=9_999)
        SignedHead.objects.all().delete()


def test_the_examples_of_the_description_are_true():
    """docs/public-ledger.md gives texts with their hashes, and a head with its signature, to try a program with."""
    text = (PROGRAM.parents[2] / "docs" / "public-ledger.md").read_text()
    lines = [line.strip() for line in text.splitlines()]
    for start in ("3|1|pledged", "3|2|free"):
        (place,) = (number for number, line in enumerate(lines) if line.startswith(start))
        assert verify_ledger.hashlib.sha256(lines[place].encode()).hexdigest() == lines[place + 1]
    place = next(number for number, line in enumerate(lines) if line.startswith("twofold-ledger-head|1|"))
    message = "\n".join(lines[place : place + 2]).encode()
    sha256, public_key, signature = lines[place + 3 : place + 6]
    assert verify_ledger.hashlib.sha256(message).hexdigest() == sha256
    assert verify_ledger.signature_is_good(
        public_key=bytes.fromhex(public_key), message=message, signature=bytes.fromhex(signature)
    )
    for name in (*publication.FIELDS, *verify_ledger.MOVES):
        assert f"`{name}`" in text
