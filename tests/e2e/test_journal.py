"""What probed says to the journal, with a real systemd-journald: started alone, in a mount namespace of its own, so that neither the machine's journal
nor its /run is touched. Everything is read back by journalctl -o json, as an operator's tools would.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from daemon import BUILD, Probed, wait_until
from relaysim import Relaysim, program
from world import config, platform

JOURNALD = next((p for p in ("/lib/systemd/systemd-journald", "/usr/lib/systemd/systemd-journald") if os.access(p, os.X_OK)), None)
MISSING = [name for name in ("unshare", "nsenter", "journalctl", "mount") if not shutil.which(name)]

pytestmark = [
    pytest.mark.skipif(not os.access(program(), os.X_OK) or not os.access(os.path.join(BUILD, "probed"), os.X_OK), reason="probed and relaysim are not built"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace and a systemd-journald of its own need root"),
    pytest.mark.skipif(not JOURNALD, reason="systemd-journald is not installed"),
    pytest.mark.skipif(bool(MISSING), reason="not installed: " + " ".join(MISSING)),
]

ID = "b2a9d4f04c0e4b6c9a3c6f1d2e7a5b"
STATE, FIRST, RELOADED, RELOAD_FAILED, STARTED, STOPPED, OVERRIDE = (ID + n for n in ("01", "02", "03", "04", "05", "06", "07"))
QUICK = {"first_token": 5, "gap": 1}

# $1: journald. A machine without an id lends itself one.
NAMESPACE = r"""
set -eu
mount -t tmpfs -o mode=0755,size=64m tmpfs /run
mkdir -p /run/systemd/journald.conf.d /run/log/journal /run/dev
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nRateLimitBurst=0\nForwardToSyslog=no\nForwardToWall=no\nReadKMsg=no\nAudit=no\n' \
    > /run/systemd/journald.conf.d/test.conf
if ! grep -Eqs '^[0-9a-f]{32}$' /etc/machine-id; then
    mkdir /run/upper /run/work
    mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work overlay /etc
    echo 0123456789abcdef0123456789abcdef > /etc/machine-id
fi
if [ -e /dev/log ]; then
    touch /run/dev/log
    mount --bind /run/dev/log "$(readlink -f /dev/log)" || true
fi
exec "$1"
"""


class Journal:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="probed-journal-")
        self.process = None

    def __enter__(self):
        with open(os.path.join(self.dir, "said"), "wb") as said:
            self.process = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", NAMESPACE, "sh", JOURNALD], cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        self.enter = ["nsenter", "-t", str(self.process.pid), "-m", "--"]
        try:
            wait_until(self.serves, what="systemd-journald serves")
        except BaseException:
            self.__exit__()
            raise
        return self

    def said(self):
        with open(os.path.join(self.dir, "said"), errors="replace") as f:
            return f.read()

    def serves(self):
        if self.process.poll() is not None:
            pytest.skip(f"systemd-journald cannot be started alone here (exit {self.process.returncode}): {self.said()[-500:]}")
        with open(f"/proc/{self.process.pid}/comm") as f:
            if not f.read().startswith("systemd-journal"):
                return False
        return subprocess.run(self.enter + ["test", "-S", "/run/systemd/journal/socket", "-a", "-S", "/run/systemd/journal/stdout"], cwd="/").returncode == 0

    def read(self, pid=None, *matches):
        """All entries of a process, oldest first, as dicts. An entry's field that is no text comes as a list of bytes."""
        matches += (f"_PID={pid}",) if pid else ()
        out = subprocess.run(self.enter + ["journalctl", "-D", "/run/log/journal", "-o", "json", "--all", "--no-pager", *matches], cwd="/", capture_output=True, timeout=20)
        assert out.returncode == 0, out.stderr
        return [json.loads(line) for line in out.stdout.splitlines() if line.startswith(b"{")]

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture(scope="module")
def journal():
    with Journal() as j:
        yield j


@pytest.fixture(scope="module")
def relays():
    with Relaysim([{"name": n, "models": ["m"], "behaviour": QUICK} for n in ("a", "b")]) as sim:
        yield sim


@pytest.fixture
def sim(relays):
    relays.reset("*", log=True)
    relays.set("*", **QUICK)
    yield relays


def of(entries, message_id, **fields):
    return [e for e in entries if e.get("MESSAGE_ID") == message_id and all(e.get("PROBED_" + k) == v for k, v in fields.items())]


def no_prefix(entries):
    return [e["MESSAGE"] for e in entries if re.match(r"<\d>", e["MESSAGE"])]


def two(sim, **more):
    return config({"a": platform(sim.url("a")), "b": platform(sim.url("b"))}, **more)


def test_a_life_in_the_journal(sim, journal):
    """Start, first answers, an outage and its end, an override, a reload, a refused one, the stop: one entry each."""
    sim.set("b", first_token=120)
    with Probed(two(sim), env={"PROBED_LOG": "journal"}, prefix=journal.enter) as d:
        pid = d.process.pid

        def entries(message_id, **fields):
            return of(journal.read(pid), message_id, **fields)

        started = d.wait(lambda: entries(STARTED))
        assert len(started) == 1 and started[0]["PRIORITY"] == "6" and started[0]["PROBED_REASON"] == "start", started
        assert "2 platforms, 2 routes" in started[0]["MESSAGE"] and started[0]["SYSLOG_IDENTIFIER"] == "probed"
        assert started[0]["_TRANSPORT"] == "journal"

        d.wait(lambda: all(d.row("m", p)["state"] == "up" for p in "ab") and d.first("m", "quick") == "a")
        for name in "ab":
            got = d.wait(lambda name=name: entries(STATE, PLATFORM=name))
            assert len(got) == 1, got
            e = got[0]
            assert (e["PROBED_MODEL"], e["PROBED_FROM"], e["PROBED_TO"], e["PRIORITY"]) == ("m", "new", "up", "5"), e
            assert e["PROBED_REASON"] and int(e["PROBED_GENERATION"]) > 0 and e["MESSAGE"].startswith(f"{name}/m: new -> up"), e

        sim.set("a", fault="refuse")
        down = d.wait(lambda: entries(STATE, PLATFORM="a", TO="down"))
        d.wait(lambda: d.row("m", "a")["state"] == "down")  # the table follows within a second
        assert len(down) == 1 and down[0]["PRIORITY"] == "4" and down[0]["PROBED_FROM"] in ("up", "degraded"), down
        assert "refuse" in down[0]["PROBED_REASON"], down
        first = d.wait(lambda: entries(FIRST, POLICY="quick", FROM="a", TO="b"))
        assert len(first) == 1 and first[0]["PRIORITY"] == "5" and first[0]["PROBED_MODEL"] == "m" and first[0]["PROBED_REASON"], first
        assert int(first[0]["PROBED_GENERATION"]) >= int(down[0]["PROBED_GENERATION"]) > 0

        at = d.explain("a", "m")["last"][0]["at"]
        d.wait(lambda: d.explain("a", "m")["last"][0]["at"] > at, what="more of the same fails")
        assert len(entries(STATE, PLATFORM="a", TO="down")) == 1, "on change only"
        sim.reset("a")
        sim.set("a", **QUICK)
        d.wait(lambda: entries(STATE, PLATFORM="a", FROM="down"), what="the recovery")

        assert d.post("/v1/override", {"action": "drain", "platform": "b", "model": "m", "for_s": 60, "reason": "升级 \x1b[31mred\nPROBED_TO=forged"}).status == 200
        d.post("/v1/override", {"action": "drain", "platform": "a", "model": None, "for_s": 60, "reason": "upgrade"})
        over = d.wait(lambda: entries(OVERRIDE, PLATFORM="a"))
        assert len(over) == 1 and over[0]["PRIORITY"] == "5" and over[0]["PROBED_TO"] == "drain" and over[0]["PROBED_REASON"] == "upgrade", over
        assert "PROBED_MODEL" not in over[0] and "root" in over[0]["PROBED_BY"], over
        for e in d.wait(lambda: entries(OVERRIDE, PLATFORM="b")):
            assert "升级" in e["MESSAGE"] and e["PROBED_MODEL"] == "m" and e["PROBED_TO"] == "drain" and "\x1b" not in e["MESSAGE"] + e["PROBED_REASON"] and "\n" not in e["MESSAGE"], e

        d.reload()
        reloaded = d.wait(lambda: entries(RELOADED))
        assert len(reloaded) == 1 and reloaded[0]["PRIORITY"] == "5" and d.config_file in reloaded[0]["MESSAGE"], reloaded
        assert len(entries(STATE, PLATFORM="a", FROM="new")) == 1, "a reload is no change of state"
        d.reload("nonsense: true\n")
        failed = d.wait(lambda: entries(RELOAD_FAILED))
        assert len(failed) == 1 and failed[0]["PRIORITY"] == "3", failed
        assert re.search(r"probed\.yaml:1:1: error: ", failed[0]["PROBED_REASON"]) and failed[0]["PROBED_REASON"] in failed[0]["MESSAGE"], failed

        assert d.stop() == 0
        stopped = wait_until(lambda: entries(STOPPED))
        assert len(stopped) == 1 and stopped[0]["PRIORITY"] == "6" and stopped[0]["PROBED_REASON"] == "stop", stopped
        everything = journal.read(pid)
        assert everything[-1]["MESSAGE_ID"] == STOPPED
        assert no_prefix(everything) == []
        assert {e["_TRANSPORT"] for e in everything} == {"journal"}
        assert d.log() == "", "nothing twice"
        assert [e for e in everything if e["PRIORITY"] == "7"], "each probe, where debugging is asked for"


# What systemd does for a service: a stream to the journal as stderr, and its device and inode in JOURNAL_STREAM (systemd-cat leaves those out).
STREAM = r"""
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/systemd/journal/stdout")
s.sendall(b"probed-stream\n\n6\n1\n0\n0\n0\n")
os.dup2(s.detach(), 2)
st = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_stderr_connected_to_the_journal(sim, journal):
    """As a service of systemd has it: JOURNAL_STREAM tells that stderr is the journal's, and entries have their fields all the same."""
    with Probed(two(sim), prefix=journal.enter + [sys.executable, "-c", STREAM]) as d:
        pid = d.process.pid
        started = d.wait(lambda: of(journal.read(pid), STARTED))
        assert len(started) == 1 and started[0]["_TRANSPORT"] == "journal" and started[0]["PRIORITY"] == "6"
        assert d.stop() == 0
        wait_until(lambda: of(journal.read(pid), STOPPED))
        assert [e for e in journal.read(pid) if e["_TRANSPORT"] == "stdout"] == []
        # What is said before there is a daemon comes through the stream.
        d.write("probed.yaml", "nonsense: true\n")
        d.start(ready=False)
        assert d.process.wait(20) == 1
        said = wait_until(lambda: [e for e in journal.read(d.process.pid) if ":1:1: error" in e["MESSAGE"]])
        assert said[0]["SYSLOG_IDENTIFIER"] == "probed-stream"
        d.process = None


def test_on_a_pipe_there_are_prefixes(sim, journal):
    with Probed(two(sim)) as d:
        d.wait(lambda: d.row("m", "a")["state"] == "up")
        d.stop()
        lines = d.log().strip().split("\n")
        assert all(re.match(r"<[3-7]>", line) for line in lines), lines
        state = next(x for x in lines if "a/m: new -> up" in x)
        assert state.startswith("<5>") and "PROBED_PLATFORM=a" in state and "PROBED_TO=up" in state


HOSTILE = "boom \x1b]0;owned\x07\x1b[2J\nMESSAGE_ID=" + STOPPED + "\nPRIORITY=0\r\u202egnp.exe\u2028<0>panic"


def test_hostile_words_of_a_relay_arrive_escaped(sim, journal):
    with Probed(two(sim), env={"PROBED_LOG": "journal"}, prefix=journal.enter) as d:
        pid = d.process.pid
        d.wait(lambda: d.row("m", "a")["state"] == "up")
        sim.set("a", error="server", message=HOSTILE)
        down = d.wait(lambda: of(journal.read(pid), STATE, PLATFORM="a", TO="down"))
        assert "boom" in down[0]["PROBED_REASON"], down
        for e in journal.read(pid):
            assert all(isinstance(v, str) for v in e.values()), "a field that is no text"
            for name in ("MESSAGE", "PROBED_REASON"):
                assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u202e]", e.get(name, "")), (name, e)
            assert e["PRIORITY"] in "4567", e
        assert of(journal.read(pid), STOPPED) == [], "no field is forged"


def test_a_journal_that_does_not_read_stops_nothing(sim, journal):
    with open("/proc/sys/net/unix/max_dgram_qlen") as f:
        room = int(f.read())
    with Probed(two(sim), env={"PROBED_LOG": "journal"}, prefix=journal.enter) as d:
        pid = d.process.pid
        d.wait(lambda: of(journal.read(pid), STARTED))
        d.write("probed.yaml", "nonsense: true\n")
        journal.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(min(room, 5000) + 20):  # an entry each, and more than the journal's socket holds
                assert d.post("/v1/reload", {}).status == 422
            seq = sim.seq
            assert sim.wait(count=3, since=seq, timeout=10), "probes go on"
            assert d.get("/healthz").status == 200 and d.status()["loop"]["worst_ms"] < 2000
        finally:
            journal.process.send_signal(signal.SIGCONT)

        def lost():
            d.post("/v1/reload", {})
            return [e for e in journal.read(pid) if "log entries were lost" in e["MESSAGE"]]
        got = d.wait(lost, what="that entries were lost is told")
        assert re.match(r"[1-9]\d* log entries were lost", got[0]["MESSAGE"]) and got[0]["PRIORITY"] == "4"
