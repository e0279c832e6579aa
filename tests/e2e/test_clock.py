"""A wall clock that steps, back and forth, while the daemon runs and between two runs: time in the ranking goes on evenly, nothing is lost, and the past is shown where it was."""
import os
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from daemon import BUILD, Probed
from relaysim import Relaysim, program
from world import config, platform, probes

SHIM = os.path.join(BUILD, "diskfault.so")
pytestmark = pytest.mark.skipif(not all(os.access(p, os.R_OK) for p in (program(), SHIM, os.path.join(BUILD, "probed"))),
                                reason="probed, relaysim or diskfault.so are not built")
DAY = 86400


@pytest.fixture(scope="module")
def sim():
    with Relaysim([{"name": n, "models": ["m"]} for n in ("a", "b")]) as s:
        s.set("a", first_token=10, gap=1)
        s.set("b", first_token=120, gap=1)
        yield s


class Clock:
    def __init__(self, sim):
        self.d = Probed(config({n: platform(sim.url(n)) for n in ("a", "b")}, probes=probes(chat_interval=400, chat_fast=100, chat_timeout=380, first=350, headers=350, connect=300, stall=300)), start=False)
        self.d.quiet = True
        self.file = os.path.join(self.d.dir, "clock")
        self.d.env.update(LD_PRELOAD=SHIM, CLOCKFAULT=self.file, ASAN_OPTIONS="verify_asan_link_order=0")
        self.off = 0

    def set(self, seconds):
        self.off = seconds
        with open(self.file + ".new", "w") as f:
            f.write(str(seconds))
        os.rename(self.file + ".new", self.file)

    def told(self):
        with closing(sqlite3.connect(f"file:{self.d.state_dir}/history.db?mode=ro", uri=True)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return [row[0] for row in db.execute("SELECT id FROM told ORDER BY rowid")]

    def __enter__(self):
        self.d.__enter__()
        self.set(0)
        self.d.start()
        self.settled()
        return self

    def __exit__(self, *rest):
        return self.d.__exit__(*rest)

    def settled(self):
        self.d.wait(lambda: [r["state"] for r in self.d.routes("m")] == ["up", "up"] and self.d.first("m") == "a")

    def series(self):
        """The steps of the last minute, as the clock of now has it."""
        now = time.time() + self.off
        answer = self.d.get(f"/v1/history?route=a/m&metric=ttft&since={now - 60:.3f}&until={now + 2:.3f}").json
        return answer["series"][0]["points"] if answer["series"] else []


@pytest.mark.parametrize("step", [-DAY, DAY, -3, 30 * DAY])
def test_a_step_while_it_runs(sim, step):
    with Clock(sim) as c:
        order = [r["platform"] for r in c.d.routes("m")]
        c.d.wait(lambda: len(c.told()) > 10)
        c.set(step)
        count, seq = len(c.told()), sim.seq
        assert sim.wait("a", kind="chat", count=8, since=seq)
        c.d.wait(lambda: len(c.told()) > count + 10, what="recording goes on")
        told = c.told()
        assert told == sorted(told)
        assert [r["platform"] for r in c.d.routes("m")] == order and c.d.get("/healthz").status == 200
        c.d.wait(lambda: abs(c.d.status()["now"] - time.time() - step) < 5)
        c.d.wait(lambda: c.series() and abs(c.series()[-1]["t"] - time.time() - step) < 60, what="what is measured now is shown now")
        c.d.wait(lambda: "the wall clock has stepped" in c.d.log() or abs(step) < 1)


@pytest.mark.parametrize("step", [-DAY, DAY, 400 * DAY])
def test_a_step_between_two_runs(sim, step):
    with Clock(sim) as c:
        c.d.wait(lambda: len(c.told()) > 10)
        first = c.told()[0]
        samples = {r["platform"]: r["samples"] for r in c.d.routes("m")}
        for sig, off in ((signal.SIGKILL, step), (signal.SIGTERM, 0)):
            c.d.stop(sig)
            c.set(off)
            epoch = 0
            c.d.start()
            status = c.d.status()
            assert status["epoch"] > epoch and status["store"]["state"] == "ok", status["store"]
            epoch = status["epoch"]
            assert [r["state"] for r in c.d.routes("m")] == ["up", "up"] and c.d.first("m") == "a"
            # A day that is said to have passed halves what is known, but for that nothing is forgotten.
            assert all(r["samples"] >= samples[r["platform"]] / 3 - 3 for r in c.d.routes("m"))
            count = len(c.told())
            c.d.wait(lambda: len(c.told()) > count + 10)
            told = c.told()
            assert told == sorted(told) and told[0] == first, "nothing became too old"
            c.d.wait(lambda: c.series() and abs(c.series()[-1]["t"] - time.time() - off) < 60)
