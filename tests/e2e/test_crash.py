"""kill -9, and what is there afterwards: at most a second of what was told is lost, the database is whole, the order is the same, no money is forgotten.

CRASH_ROUNDS=1000 kills it so often (10 in `make check`, 100 in `make check-all`); CRASH_SEED repeats the moments.
"""
import os
import random
import signal
import sqlite3
from contextlib import closing
import time

import pytest

from daemon import BUILD, Probed
from relaysim import Relaysim, program
from world import SLOW, config, platform, probes

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "4" if SLOW else "10"))
SEED = int(os.environ.get("CRASH_SEED", random.randrange(1 << 30)))
CALL = {"input": "0.5 USD/1M", "output": "1 USD/1M", "call": "0.0001 USD"}
NAMES = ("a", "b", "c", "d")


pytestmark = pytest.mark.skipif(not os.access(program(), os.X_OK) or not os.access(os.path.join(BUILD, "probed"), os.X_OK),
                                reason="probed and relaysim are not built")


@pytest.fixture(scope="module")
def relays():
    with Relaysim([{"name": n, "models": ["m", "n"]} for n in NAMES]) as s:
        yield s


@pytest.fixture
def sim(relays):
    """Four relays, each clearly slower than the one before."""
    relays.reset("*", log=True)
    for i, name in enumerate(NAMES):
        relays.set(name, first_token=(15, 70, 150, 250)[i], gap=1)
    yield relays


def order(d):
    """Of each model: who stands where for those in a hurry, who see the relays far apart, and in which state. To the honest all are nearly equal, and equal ones change
    places with any new measurement, of which the last second's may be lost: of them only the states count."""
    found = {}
    for model in ("m", "n"):
        found["quick", model] = [(r["platform"], r["state"]) for r in d.routes(model, "quick")]
        found["honest", model] = sorted((r["platform"], r["state"]) for r in d.routes(model, "honest"))
    return found


def calm(d):
    """The order, when it has been the same for more than the second that may be lost."""
    last, since = order(d), time.monotonic()
    for _ in range(200):
        time.sleep(0.05)
        now = order(d)
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 1.3:
            return now
    return None


def newest(d):
    """When the newest chat of each route was that is not younger than a second and a bit."""
    limit = d.status()["now"] - 1.0
    told = {}
    for name in NAMES:
        for model in ("m", "n"):
            at = [o["at"] for o in d.explain(name, model)["last"] if o["probe"] == "chat" and o["at"] <= limit]
            if at:
                told[name, model] = max(at)
    return told


def stored(d):
    with closing(sqlite3.connect(f"file:{d.state_dir}/history.db?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        offset = (db.execute("SELECT offset FROM clock ORDER BY t DESC LIMIT 1").fetchone() or (0,))[0]
        rows = db.execute("SELECT platform, model, max(told.id) FROM told JOIN route ON route.id = told.route WHERE outcome IS NOT NULL "
                          "AND model <> '' GROUP BY platform, model").fetchall()
    return {(p, m): (t + offset) / 1e6 for p, m, t in rows}


def world(sim, **more):
    return config({n: platform(sim.url(n), models=("m", "n"), price=CALL) for n in NAMES}, probes=probes(chat_interval=400, chat_fast=100, chat_timeout=380, first=350, headers=350, connect=300, stall=300), **more)


def test_killed_at_any_moment(sim):
    print(f"CRASH_SEED={SEED}")
    dice = random.Random(SEED)
    with Probed(world(sim)) as d:
        d.quiet = True
        d.wait(lambda: all(r["state"] == "up" and "provisional" not in r["flags"] for m in ("m", "n") for r in d.routes(m)), what="all are up")
        time.sleep(2.2)  # some checkpoints of a second's work
        for round_ in range(ROUNDS):
            time.sleep(dice.uniform(0.05, 1.5))
            before = calm(d) if round_ % 2 else None
            told, spent = newest(d), d.status()["budget"]["spent"]
            d.stop(signal.SIGKILL)
            there = stored(d)
            lost = {r: (t, there.get(r)) for r, t in told.items() if there.get(r, 0) < t - 0.002}
            assert not lost, f"round {round_}: told a second before the end and not there: {lost}"
            d.start()
            status = d.status()
            assert status["budget"]["spent"] >= spent - 1e-12, f"round {round_}"
            assert before is None or order(d) == before, f"round {round_}: another order after the restart"
            assert status["store"]["state"] == "ok", status["store"]


def test_a_restart_serves_the_last_table_at_once(sim):
    """Before a single probe has come back: relays that hang."""
    with Probed(world(sim)) as d:
        d.wait(lambda: all(r["state"] == "up" and "provisional" not in r["flags"] for m in ("m", "n") for r in d.routes(m)), what="all are up")
        epoch = d.status()["epoch"]
        for sig in (signal.SIGTERM, signal.SIGKILL):
            before = calm(d)
            rows = d.routes("m")
            d.stop(sig)
            for name in NAMES:
                sim.set(name, fault="hang")
            d.start()
            status, after = d.status(), d.routes("m")
            assert "restored" in status["flags"] and status["epoch"] > epoch
            assert before is None or order(d) == before
            assert all("restored" in r["flags"] and r["ttft_ms"] is not None for r in after), after
            assert [r["samples"] for r in after] == pytest.approx([r["samples"] for r in rows], rel=0.2, abs=10)
            epoch = status["epoch"]
            for name in NAMES:
                sim.set(name, fault=None)
            d.wait(lambda: "restored" not in d.status()["flags"], what="fresh probes confirm the table")
            assert d.first("m", "quick") == "a"


def test_without_a_checkpoint_what_was_told_is_told_again(sim):
    with Probed(world(sim)) as d:
        d.wait(lambda: all(r["state"] == "up" and "provisional" not in r["flags"] for m in ("m", "n") for r in d.routes(m)), what="all are up")
        before, samples = order(d), {r["platform"]: r["samples"] for r in d.routes("m")}
        d.stop()
        with closing(sqlite3.connect(f"{d.state_dir}/history.db")) as db:
            db.execute("UPDATE checkpoint SET data = x'00'")
            db.commit()
        d.start()
        assert {k: v[0] for k, v in order(d).items()} == {k: v[0] for k, v in before.items()}, "who is first"
        assert {r["platform"]: r["samples"] for r in d.routes("m")} == pytest.approx(samples, rel=0.2, abs=10)


def test_another_configuration_after_the_restart(sim):
    """Routes that are gone are forgotten, new ones are new, the others go on as they were."""
    with Probed(world(sim)) as d:
        d.wait(lambda: all(r["state"] == "up" and "provisional" not in r["flags"] for m in ("m", "n") for r in d.routes(m)), what="all are up")
        was = {r["platform"]: r for r in d.routes("m")}
        d.stop()
        d.write("probed.yaml", config({n: platform(sim.url(n), models=("m",)) for n in ("b", "c")} | {"z": platform(sim.url("d"))},
                                      probes=probes(chat_interval=60000, chat_fast=60000)))
        d.start()
        now = {r["platform"]: r for r in d.routes("m")}
        assert set(now) == {"b", "c", "z"}
        assert now["b"]["samples"] >= was["b"]["samples"] * 0.8 - 1 and now["b"]["state"] == "up"
        assert now["z"]["state"] == "new"
