"""The same work without Python: the statements of one gift, recorded from our own functions and given to pgbench.

Recorded, not written by hand, so they are the same statements after every change of ours. Only what belongs to one
gift is replaced: its key and its reference.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path
from uuid import uuid4

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from matching import holds
from matching.allocation import Part
from sandbox.stack.postgres import installed_programs

# Each gift its own: pgbench puts the digits where the recorded gift had its key and reference.
_VARIABLES = "\\set number random(100000000000, 999999999999)\n\\set tail random(1000000000, 9999999999)\n"
_KEY, _REFERENCE = "00000000-0000-4000-8000-:number", "M-:tail"


def record_gift(*, campaign_id: int, fund_id: int, amount_minor: int) -> str:
    """Hold and commit one gift, and return the statements of that as a script for pgbench."""
    gift = holds.Gift(uuid4(), "1", (Part(fund_id, amount_minor),), timezone.now())
    with CaptureQueriesContext(connection) as seen:
        reservation = holds.hold(campaign_id=campaign_id, gift=gift, now=timezone.now())
        holds.commit(key=gift.key, now=timezone.now())
    replaced = {str(gift.key): _KEY, gift.key.hex: _KEY, reservation.reference: _REFERENCE}
    pattern = re.compile("|".join(map(re.escape, replaced)))
    statements = [pattern.sub(lambda found: replaced[found[0]], query["sql"]) for query in seen]
    return _VARIABLES + "".join(f"{' '.join(statement.split())};\n" for statement in statements)


def run_script(script: str, *, clients: int, gifts: int) -> float:
    """Run a script `gifts` times, shared by `clients`; the gifts a second. RuntimeError unless every one went well."""
    database = connection.settings_dict
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gift.sql")
        path.write_text(script)
        command = [str(installed_programs() / "pgbench"), "--no-vacuum", "--protocol=simple", "--file", str(path)]
        command += ["--client", str(clients), "--jobs", str(min(clients, 2)), "--transactions", str(gifts // clients)]
        command += ["--host", database["HOST"], "--port", str(database["PORT"] or 5432)]
        command += ["--username", database["USER"], database["NAME"]]
        environment = os.environ | {"PGPASSWORD": database["PASSWORD"] or ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode or not rate:
        raise RuntimeError(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return float(rate[1])
