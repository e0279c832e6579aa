"""Disks that are slow, full, broken or not there: probing and publishing go on, the loop does not wait, status and journal say so, and recording resumes by itself."""
import os
import signal
import sqlite3
from contextlib import closing


import pytest

from daemon import BUILD, Probed
from relaysim import Relaysim, program
from world import SLOW, config, platform, probes

SHIM = os.path.join(BUILD, "diskfault.so")
pytestmark = pytest.mark.skipif(not all(os.access(p, os.R_OK) for p in (program(), SHIM, os.path.join(BUILD, "probed"))),
                                reason="probed, relaysim or diskfault.so are not built")
CALL = {"input": "0.5 USD/1M", "output": "1 USD/1M", "call": "0.0001 USD"}
NAMES = ("a", "b")
STALL = 40 if SLOW else 10  # ms


@pytest.fixture(scope="module")
def relays():
    with Relaysim([{"name": n, "models": ["m"]} for n in NAMES]) as s:
        yield s


@pytest.fixture
def sim(relays):
    relays.reset("*", log=True)
    relays.set("*", first_token=10, gap=1)
    yield relays


class Disk:
    """A daemon whose history is on a disk that does what it is told."""

    def __init__(self, sim, price=CALL, **more):
        text = config({n: platform(sim.url(n), price=price) for n in NAMES}, probes=probes(chat_interval=400, chat_fast=100, chat_timeout=380, first=350, headers=350, connect=300, stall=300), **more)
        self.d = Probed(text, start=False)
        self.d.quiet = True
        self.control = os.path.join(self.d.dir, "disk")
        self.d.env.update(LD_PRELOAD=SHIM, DISKFAULT=self.control, ASAN_OPTIONS="verify_asan_link_order=0")

    def set(self, word):
        with open(self.control + ".new", "w") as f:
            f.write(word)
        os.rename(self.control + ".new", self.control)

    def store(self):
        return self.d.status()["store"]

    def rows(self):
        with closing(sqlite3.connect(f"file:{self.d.state_dir}/history.db?mode=ro", uri=True)) as db:
            return db.execute("SELECT count(*) FROM told").fetchone()[0]

    def __enter__(self):
        self.d.__enter__()
        self.d.start()
        self.d.wait(lambda: all(r["state"] == "up" for r in self.d.routes("m")))
        self.d.wait(lambda: self.rows() > 10)
        return self

    def __exit__(self, *rest):
        self.set("")
        return self.d.__exit__(*rest)

    def goes_on(self, sim, count=6):
        """Probes are sent and the table is renewed."""
        seq, at = sim.seq, self.d.status()["valid_until"]
        assert sim.wait("a", kind="chat", count=count, since=seq) and sim.wait("b", kind="chat", count=count, since=seq)
        self.d.wait(lambda: self.d.get("/healthz").status == 200)
        assert self.d.status()["valid_until"] >= at


def integrity(d):
    with closing(sqlite3.connect(f"{d.state_dir}/history.db")) as db:
        return db.execute("PRAGMA integrity_check").fetchall()


def test_a_slow_disk_stalls_nothing(sim):
    with Disk(sim, price={"input": "0 USD/1M", "output": "0 USD/1M"}) as disk:
        disk.set("slow 300")
        began = disk.d.status()["loop"]
        disk.goes_on(sim, count=20)
        after = disk.d.status()["loop"]
        assert after["worst_ms"] < STALL or after["worst_ms"] == began["worst_ms"], (began, after)
        assert "history" not in (after["worst_of"] or "") or after["worst_ms"] < STALL, after
        disk.set("")
        written = disk.store()["written"]
        disk.d.wait(lambda: disk.store()["written"] > written and disk.store()["state"] == "ok")
        assert disk.store()["dropped"] == 0


def test_a_slow_disk_holds_up_no_paid_probe(sim):
    with Disk(sim) as disk:
        disk.set("slow 400")
        seq = sim.seq
        assert sim.wait("a", kind="chat", count=30, since=seq, timeout=20), "reservations that are not written in time go elsewhere"
        spent = disk.d.status()["budget"]["spent"]
        disk.set("")
        disk.d.wait(lambda: disk.store()["state"] == "ok" and not os.path.exists(os.path.join(disk.d.dir, "ledger")), deadline=60)
        disk.d.stop(signal.SIGKILL)
        disk.d.start()
        assert disk.d.status()["budget"]["spent"] >= spent - 1e-12


@pytest.mark.parametrize("word, state", [("full", "full"), ("eio", "broken")])
def test_what_cannot_be_written_waits(sim, word, state):
    with Disk(sim) as disk:
        disk.set(word)
        found = disk.d.wait(lambda: (lambda s: s if s["state"] != "ok" else None)(disk.store()), what=f"the store is {state}")
        assert found["state"] == state and found["why"], found
        disk.d.wait(lambda: "is not recorded" in disk.d.log())
        assert "NOT recorded" in disk.d.routectl("status").stdout
        disk.goes_on(sim)
        spent = disk.d.status()["budget"]["spent"]
        before = len(sim.log("a", kind="chat", last=100000))
        disk.set("")
        disk.d.wait(lambda: disk.store()["state"] == "ok", deadline=60, what="recording resumes")
        disk.d.wait(lambda: "is recorded again" in disk.d.log())
        count = disk.rows()
        disk.d.wait(lambda: disk.rows() > count)
        if state == "full":
            assert disk.store()["dropped"] == 0 and disk.rows() >= before, "what waited was written afterwards"
        disk.d.stop(signal.SIGKILL)
        disk.d.start()
        assert disk.d.status()["budget"]["spent"] >= spent - 1e-12, "what was reserved meanwhile is not forgotten"
        disk.d.stop()
        assert integrity(disk.d) == [("ok",)]


def test_money_survives_a_kill_while_the_disk_is_full(sim):
    with Disk(sim) as disk:
        disk.set("full")
        disk.d.wait(lambda: disk.store()["state"] == "full")
        disk.goes_on(sim, count=4)
        spent = disk.d.status()["budget"]["spent"]
        disk.d.stop(signal.SIGKILL)
        disk.d.start()
        status = disk.d.status()
        assert status["budget"]["spent"] >= spent - 1e-12
        disk.goes_on(sim, count=2)


@pytest.mark.parametrize("damage", ["rubbish", "truncated", "middle"])
def test_a_damaged_file_is_set_aside_and_kept(sim, damage):
    with Disk(sim) as disk:
        d = disk.d
        before = [r["platform"] for r in d.routes("m")]
        d.stop()
        path = os.path.join(d.state_dir, "history.db")
        size = os.path.getsize(path)
        with open(path, "r+b") as f:
            if damage == "rubbish":
                f.write(b"\x5a" * min(size, 65536))
            elif damage == "truncated":
                f.truncate(size // 2)
            else:
                f.seek(4096)
                f.write(b"\xa5" * (size - 8192))
        d.start()
        disk.goes_on(sim)
        d.wait(lambda: disk.store()["state"] == "ok", deadline=60)
        d.wait(lambda: disk.rows() > 5)
        aside = [n for n in os.listdir(d.state_dir) if n.startswith("history.db.bad")]
        assert aside, os.listdir(d.state_dir)
        assert disk.store()["aside"] or "set aside" in d.log() or "history.db.bad" in d.log()
        assert sorted(r["platform"] for r in d.routes("m")) == sorted(before)
        d.stop()
        assert integrity(d) == [("ok",)]


def test_a_directory_that_cannot_be_written(sim):
    disk = Disk(sim)
    with open(disk.d.state_dir, "w") as f:  # root may write everywhere, but not into a file
        f.write("not a directory")
    with disk.d as d:
        d.start()
        d.wait(lambda: all(r["state"] == "up" for r in d.routes("m")), what="probing goes on")
        assert disk.store()["state"] in ("read_only", "broken"), disk.store()
        disk.goes_on(sim)
        os.unlink(d.state_dir)
        os.mkdir(d.state_dir)
        d.wait(lambda: disk.store()["state"] == "ok", deadline=60, what="recording begins by itself")
        d.wait(lambda: disk.rows() > 0)


def test_a_file_of_a_newer_version_is_refused(sim):
    with Disk(sim) as disk:
        d = disk.d
        d.stop()
        with closing(sqlite3.connect(f"{d.state_dir}/history.db")) as db:
            db.execute("PRAGMA user_version = 9999")
        d.start(ready=False)
        assert d.process.wait(20) == 1
        d.process = None
        assert "newer" in d.log() and "history.db" in d.log()
        with closing(sqlite3.connect(f"{d.state_dir}/history.db")) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (9999,)
            db.execute("PRAGMA user_version = 1")
        d.start()


def test_a_locked_file(sim):
    with Disk(sim) as disk:
        d = disk.d
        db = sqlite3.connect(f"{d.state_dir}/history.db", isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        try:
            disk.d.wait(lambda: disk.store()["state"] in ("locked", "slow"), deadline=30)
            disk.goes_on(sim)
        finally:
            db.execute("ROLLBACK")
            db.close()
        d.wait(lambda: disk.store()["state"] == "ok", deadline=60)
        assert disk.store()["dropped"] == 0
