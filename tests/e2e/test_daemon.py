"""The daemon as a service: readiness, socket activation, signals, reload, what survives a kill -9, who may do what, and where keys must never be seen."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing

import pytest

from daemon import BUILD, Probed, parse_head
from relaysim import Relaysim, program
from world import chats, config, platform
from world import probes as usual_probes

pytestmark = pytest.mark.skipif(not os.access(program(), os.X_OK) or not os.access(os.path.join(BUILD, "probed"), os.X_OK),
                                reason="probed and relaysim are not built")

SLOW = bool(os.environ.get("PROBED_VALGRIND")) or "san" in BUILD
QUICK = {"first_token": 5, "gap": 1}
KEY_A, KEY_B, KEY_C = "sk-live-ALPHA-0123456789abcdefghij", "sk-live-BRAVO-0123456789abcdefghij", "sk-live-CHARL-0123456789abcdefghij"


def probes(**more):
    """world.probes, with intervals that may be longer than its 5 s."""
    ret = usual_probes(**more)
    for kind in ret.values():
        kind["slow"] = "5m"
    return ret


PATIENT = probes(chat_interval=60000, chat_fast=200, chat_timeout=30000, first=25000, headers=25000, stall=25000)
CALL = {"call": "0.0001 USD"}


@pytest.fixture(scope="module")
def relays():
    with Relaysim([{"name": n, "models": ["m"], "behaviour": QUICK} for n in ("a", "b", "c")]) as sim:
        yield sim


@pytest.fixture
def sim(relays):
    relays.reset("*", log=True)
    relays.set("*", **QUICK)
    yield relays


def two(sim, **more):
    return config({"a": platform(sim.url("a")), "b": platform(sim.url("b"))}, **more)


def up(d, *names, model="m"):
    for name in names:
        d.wait(lambda name=name: d.row(model, name)["state"] == "up", what=f"{name} is up")


def run_probed(*args, env=None, timeout=60):
    return subprocess.run([os.path.join(BUILD, "probed"), *args], env=dict(os.environ, **(env or {})), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout)


class NotifySocket:
    """What a service manager would listen on: every datagram, as the dict of its assignments."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.said = []

    def read(self):
        try:
            while True:
                text = self.socket.recv(65536).decode()
                self.said.append(dict(line.split("=", 1) for line in text.split("\n") if line))
        except BlockingIOError:
            return self.said

    def first(self, since, **wanted):
        """Position and content of the first message after `since` that has these assignments (True: any value); None: there is none."""
        for i, said in enumerate(self.read()):
            if i >= since and all(k in said and (v is True or said[k] == v) for k, v in wanted.items()):
                return i, said
        return None


@pytest.fixture
def scratch():
    path = tempfile.mkdtemp(prefix="probed-ops-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


# --- the service manager --------------------------------------------------------------------------------------------------

def test_readiness_watchdog_reload_and_stop_are_told(sim, scratch):
    manager = NotifySocket(scratch)
    with Probed(two(sim), env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "300000"}) as d:
        at, ready = d.wait(lambda: manager.first(0, READY="1"), what="READY=1")
        assert ready["STATUS"] == "2 platforms, 2 routes"
        assert d.get("/healthz").status == 200
        d.wait(lambda: sum("WATCHDOG" in m for m in manager.read()) >= 3, what="the watchdog is fed")

        before = len(manager.read())
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        d.reload()
        at, reloading = d.wait(lambda: manager.first(before, RELOADING="1"))
        assert began <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        d.wait(lambda: manager.first(at + 1, READY="1"), what="READY=1 after the reload")

        before = len(manager.read())
        d.reload("models: {m: {}}\nnonsense: 1\n")
        at, _ = d.wait(lambda: manager.first(before, RELOADING="1"))
        _, ready = d.wait(lambda: manager.first(at + 1, READY="1"), what="READY=1 after a refused reload")
        assert ready["STATUS"].startswith("reload refused: ") and "probed.yaml:2:1" in ready["STATUS"], ready

        before = len(manager.read())
        assert d.stop() == 0
        assert manager.first(before, STOPPING="1")
        assert len([m for m in manager.read() if "STOPPING" in m]) == 1


ACTIVATE = """
import os, socket, sys
n = int(sys.argv[1])
for i in range(n):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(sys.argv[2] + (str(i) if i else ""))
    s.listen(64)
    os.dup2(s.detach(), 10 + i, inheritable=False)
for i in range(n):
    os.dup2(10 + i, 3 + i, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(n))
os.execv(sys.argv[3], sys.argv[3:])
"""


def test_socket_activation(sim, scratch):
    path = os.path.join(scratch, "given")
    d = Probed(two(sim), start=False, prefix=[sys.executable, "-c", ACTIVATE, "1", path])
    configured, d.socket = d.socket, path
    with d:
        d.socket = configured
        d.start(ready=False)
        d.socket = path
        d.wait(lambda: d.get("/healthz").status == 200)
        up(d, "a", "b")
        assert not os.path.exists(configured), "the given socket goes before the configured one"
        with open(f"/proc/{d.process.pid}/environ", "rb") as f:
            assert b"LISTEN_FDS=1" in f.read(), "it was started by activation"
        d.reload()
        d.wait(lambda: "reloaded" in d.log())
        assert d.get("/healthz").status == 200
        assert d.stop() == 0
        assert os.path.exists(path), "the socket is the manager's: it stays"


def test_two_given_sockets_are_refused(sim, scratch):
    with Probed(two(sim), start=False, prefix=[sys.executable, "-c", ACTIVATE, "2", os.path.join(scratch, "given")]) as d:
        d.start(ready=False)
        assert d.process.wait(20) == 1
        assert "passed 2 sockets, one is expected" in d.log()
        d.process = None


# --- the end, and who is there already -------------------------------------------------------------------------------------

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_ends_at_once_with_probes_in_flight(sim, sig):
    sim.set("a", fault="hang")
    sim.set("b", fault="stall", at=1)
    with Probed(two(sim, probes=PATIENT)) as d:
        assert sim.wait("a", kind="chat", ended=False) and sim.wait("b", kind="chat", ended=False)
        d.wait(lambda: d.status()["probes"]["in_flight"] >= 2)
        began = time.monotonic()
        assert d.stop(sig) == 0
        took = time.monotonic() - began
        assert took < (10 if SLOW else 1), f"{took:.3f} s"
        assert not os.path.exists(d.socket)
        assert "<6>probed stopped" in d.log()
    assert sim.wait("a", kind="chat") and sim.last("a")["how"] in ("left", "hang"), sim.last("a")


def test_a_second_daemon_is_refused(sim, scratch):
    with Probed(two(sim)) as d:
        up(d, "a")
        same_socket = run_probed("-c", d.config_file, "-s", d.socket, "-S", os.path.join(scratch, "other"))
        assert same_socket.returncode == 1
        assert f"another probed (pid {d.process.pid}) serves {d.socket}" in same_socket.stderr, same_socket.stderr
        same_state = run_probed("-c", d.config_file, "-s", os.path.join(scratch, "s"), "-S", d.state_dir)
        assert same_state.returncode == 1 and d.state_dir in same_state.stderr, same_state.stderr
        assert len(same_state.stderr.strip().split("\n")) == 1, same_state.stderr
        assert d.get("/healthz").status == 200 and d.row("m", "a")["state"] == "up"


def test_a_dead_daemons_socket_is_taken_over_and_a_file_is_not(sim):
    with Probed(two(sim)) as d:
        d.stop(signal.SIGKILL)
        assert os.path.exists(d.socket)
        d.start()
        up(d, "a")
        assert d.stop() == 0
        d.write("s", "precious")
        d.start(ready=False)
        assert d.process.wait(20) == 1
        d.process = None
        assert d.socket in d.log().strip().split("\n")[-1]
        with open(d.socket) as f:
            assert f.read() == "precious"


# --- reload ----------------------------------------------------------------------------------------------------------------

def samples(d, name, model="m"):
    return d.row(model, name)["samples"]


def test_reload_keeps_what_is_unchanged(sim):
    both = {"a": platform(sim.url("a")), "b": platform(sim.url("b"))}
    slow = probes(chat_interval=60000, chat_fast=150)
    with Probed(config(both, probes=slow)) as d:
        up(d, "a", "b")
        d.wait(lambda: samples(d, "a") >= 4 and samples(d, "b") >= 4)
        before = samples(d, "a")
        loaded = d.status()["config"]["loaded_at"]
        changed = {"a": both["a"], "b": platform(sim.url("c")), "d": platform(sim.url("b"), title="新平台")}
        d.reload(config(changed, probes=slow))
        d.wait(lambda: d.status()["config"]["loaded_at"] > loaded)
        d.wait(lambda: {r["platform"] for r in d.routes("m")} == {"a", "b", "d"})
        assert samples(d, "a") >= before - 0.5, "an unchanged route keeps its statistics"
        assert d.row("m", "a")["state"] == "up"
        assert d.row("m", "d")["title"] == "新平台" and d.row("m", "b")["endpoint"] == sim.url("c") + "/v1"
        up(d, "b", "d")
        assert chats(d, "d", "m")
        assert "platform d" in d.log(), "what changed is told"

        generation = d.status()["generation"]
        d.reload(config({"a": both["a"]}, probes=slow))
        d.wait(lambda: [r["platform"] for r in d.routes("m")] == ["a"])
        assert d.status()["generation"] > generation
        assert [p["platform"] for p in d.status()["platforms"]] == ["a"]
        assert d.get("/v1/explain?platform=d&model=m").status == 404
        seq = sim.seq
        assert sim.wait("a", count=1, since=seq, timeout=5)
        assert [r for r in sim.log(since=seq) if r["relay"] != "a" and r["kind"] == "chat"] == [], "what is gone is not probed"


BROKEN = """vantage: test
lease: 60
models: {m: {}}
polcies: {quick: {second: 1, money: 0.01}}
policies: {quick: {second: 1, money: 0.01}}
platforms:
  a:
    endpoints: [{url: "http://127.0.0.1:9/v1"}]
    key: {required: false}
    models: {n: {}}
"""


def test_a_broken_configuration_is_refused(sim):
    with Probed(two(sim)) as d:
        up(d, "a", "b")
        loaded, before = d.status()["config"]["loaded_at"], samples(d, "a")
        d.reload(BROKEN)
        error = d.wait(lambda: d.status()["config"]["error"])
        assert re.search(r"probed\.yaml:\d+:\d+: error: ", error), error
        assert d.status()["config"]["loaded_at"] == loaded
        line = next(x for x in d.log().split("\n") if "reload refused" in x)
        assert line.startswith("<3>") and re.search(r"probed\.yaml:\d+:\d+: error: ", line), line
        assert samples(d, "a") >= before - 0.5 and len(d.routes("m")) == 2
        answer = d.post("/v1/reload", {})
        assert answer.status == 422
        assert re.search(r"probed\.yaml:2:\d+: error: ", answer.json["messages"]) and "^" in answer.json["messages"], answer.body
        d.write("probed.yaml", two(sim))
        assert d.post("/v1/reload", {}).json["ok"] is True
        assert d.status()["config"]["error"] is None
        os.unlink(d.config_file)
        d.reload()
        assert "probed.yaml" in d.wait(lambda: d.status()["config"]["error"])


def test_thirty_reloads_with_probes_in_flight(sim):
    sim.set("*", first_token=60, gap=5)
    often = probes(chat_interval=400, chat_fast=100, chat_timeout=390, first=380, headers=380, stall=380, connect=380)
    texts = [two(sim, probes=often),
             config({"a": platform(sim.url("a"), title="changed"), "b": platform(sim.url("b")), "c": platform(sim.url("c"))}, probes=often)]
    with Probed(texts[0]) as d:
        up(d, "a", "b")
        for i in range(30):
            loaded = d.status()["config"]["loaded_at"]
            d.post("/v1/probe", {"platform": "a", "model": "m"})
            d.wait(lambda: any(not r["ended"] for r in sim.log("a", kind="chat", last=2)), what="a chat is in flight")
            if i % 3 == 2:
                d.write("probed.yaml", texts[i % 2])
                assert d.post("/v1/reload", {}).status == 200
            else:
                d.reload(texts[i % 2])
            d.wait(lambda: d.status()["config"]["loaded_at"] > loaded, what=f"reload {i}")
        assert d.log().count("reloaded") >= 30
        d.wait(lambda: {r["platform"] for r in d.routes("m")} == {"a", "b", "c"})
        up(d, "a", "b", "c")
        assert sim.log(kind="chat", last=100000, duplicates=True) == [], "no paid request twice"
        d.wait(lambda: d.status()["probes"]["in_flight"] == 0)
        assert samples(d, "a") >= 3


# --- -t and -T ---------------------------------------------------------------------------------------------------------------

def test_check_shows_all_errors_with_their_places(scratch):
    path = os.path.join(scratch, "probed.yaml")
    with open(path, "w") as f:
        f.write(BROKEN)
    checked = run_probed("-t", "-c", path)
    assert checked.returncode == 1 and checked.stdout == ""
    said = checked.stderr
    assert re.search(r"probed\.yaml:2:8: error: ", said), said
    assert re.search(r'probed\.yaml:4:1: error: unknown key "polcies".*did you mean "policies"', said), said
    assert re.search(r"probed\.yaml:10:\d+: error: ", said), said
    lines = said.split("\n")
    at = next(i for i, x in enumerate(lines) if ":4:1: error" in x)
    source, mark = lines[at + 1], lines[at + 2]
    assert "polcies: {quick" in source and set(mark.strip()) <= set("^~| ") and mark.index("^") == source.index("polcies"), said
    errors = len(re.findall(r": error: ", said))
    assert errors >= 3 and f"{errors} errors" in lines[-2], said  # how many, at the end
    assert "\033" not in said


def test_dump_loads_again_and_holds_no_key(sim, scratch):
    text = config({"a": platform(sim.url("a"), key={"env": "ALPHA_KEY"}), "b": platform(sim.url("b"), price={"input": "0.1 USD/1M", "output": "1 USD/1M"})})
    path, again = os.path.join(scratch, "probed.yaml"), os.path.join(scratch, "again.yaml")
    with open(path, "w") as f:
        f.write(text)
    env = {"ALPHA_KEY": KEY_A}
    first = run_probed("-T", "-c", path, env=env)
    assert first.returncode == 0, first.stderr
    assert KEY_A not in first.stdout + first.stderr and "ALPHA_KEY" in first.stdout
    with open(again, "w") as f:
        f.write(first.stdout)
    checked = run_probed("-t", "-c", again, env=env)
    assert checked.returncode == 0 and "2 platforms, 1 models, 2 policies" in checked.stderr, checked.stderr
    assert run_probed("-T", "-c", again, env=env).stdout == first.stdout


def test_arguments():
    assert run_probed("-V").stdout.startswith("probed ")
    assert "Usage: probed" in run_probed("-h").stdout
    assert run_probed("--nonsense").returncode == 2
    assert run_probed("extra").returncode == 2
    missing = run_probed("-c", "/nonexistent/probed.yaml")
    assert missing.returncode == 1 and "/nonexistent/probed.yaml" in missing.stderr


# --- keys ------------------------------------------------------------------------------------------------------------------------

def everywhere(d):
    """Everything that somebody other than a relay gets to see, by its name."""
    seen = {"log": d.log()}
    for target in ("/v1/status", "/v1/routes", "/v1/routes.txt", "/v1/best?model=m", "/v1/explain?platform=a&model=m", "/v1/explain?platform=b&model=m",
                   "/v1/explain?platform=c&model=m"):
        answer = d.get(target)
        seen[target] = json.dumps(answer.headers) + answer.body
    for args in (("status", "--json"), ("best", "m", "-o", "env"), ("explain", "a/m"), ("check",), ("compare", "a", "b")):
        out = d.routectl(*args)
        seen["routectl " + args[0]] = out.stdout + out.stderr
    pick = d.get("/v1/pick?model=m")
    seen["pick"] = json.dumps(pick.headers) + pick.body
    with open(f"/proc/{d.process.pid}/cmdline", "rb") as f:
        seen["cmdline"] = f.read().decode()
    for root, _, names in os.walk(d.state_dir):
        for name in names:
            with open(os.path.join(root, name), "rb") as f:
                seen[name] = f.read().decode(errors="replace")
    dumped = run_probed("-T", "-c", d.config_file, env=d.env)
    seen["-T"] = dumped.stdout + dumped.stderr
    return seen


def test_keys_are_seen_nowhere(sim):
    sim.set_key("a", KEY_A)
    sim.set_key("b", KEY_B)
    # The third one echoes the key that it was sent, wherever a relay can put words.
    sim.set("c", error="server", message=f"Something broke for {KEY_C}. Also {KEY_C[:-4]} and Bearer {KEY_C}")
    try:
        platforms = {"a": platform(sim.url("a"), key={"env": "ALPHA_KEY"}), "b": platform(sim.url("b"), key={"file": "bravo.key"}),
                     "c": platform(sim.url("c"), key={"env": "CHARLIE_KEY"})}
        text = config(platforms, probes=probes(chat_interval=60000))
        with Probed(text, env={"ALPHA_KEY": KEY_A, "CHARLIE_KEY": KEY_C}, files={"bravo.key": KEY_B + "\n"}) as d:
            up(d, "a", "b")
            d.wait(lambda: chats(d, "c", "m")[0]["outcome"] == "server_error")
            assert "Something broke for" in chats(d, "c", "m")[0]["detail"], "the words of the relay are kept, its echo is not"
            seen = everywhere(d)
            d.reload()
            d.wait(lambda: "reloaded" in d.log())
            d.write("probed.yaml", BROKEN)
            seen["refused reload"] = d.post("/v1/reload", {}).body
            seen["log, again"] = d.log()
            for where, what in seen.items():
                assert what, where
                for key in (KEY_A, KEY_B, KEY_C, KEY_C[:-4]):
                    assert key not in what, where
            assert all(p["has_key"] for p in d.status()["platforms"])
    finally:
        sim.set_key("a", None)
        sim.set_key("b", None)


def test_a_platform_without_its_key_is_only_reached(sim):
    platforms = {"a": platform(sim.url("a"), key={"env": "NO_SUCH_KEY"}), "b": platform(sim.url("b"))}
    with Probed(config(platforms)) as d:
        up(d, "b")
        a = d.wait(lambda: next(p for p in d.status()["platforms"] if p["platform"] == "a" and p["level"] == "reach"))
        assert "NO_SUCH_KEY" in a["why"] and not a["has_key"] and a["key"] == "env NO_SUCH_KEY", a
        e = d.explain("a", "m")
        assert e["level"] == "reach" and "NO_SUCH_KEY" in e["level_why"] and e["state"] == "unusable", e
        assert re.search(r"<6>platform a: .*NO_SUCH_KEY.*only reached", d.log())
        assert sim.wait("a", kind="other", count=3) and sim.log("a", kind="chat") == []
        assert d.first("m") == "b" and d.row("m", "a")["slots"] == 0


def test_a_key_file_that_others_may_read_is_refused(sim):
    platforms = {"a": platform(sim.url("a"), key={"file": "a.key"}), "b": platform(sim.url("b"))}
    with Probed(config(platforms), start=False) as d:
        path = d.write("a.key", KEY_A + "\n", mode=0o644)
        d.start(ready=False)
        d.wait(lambda: d.get("/healthz").status == 200)
        a = d.wait(lambda: next(p for p in d.status()["platforms"] if p["platform"] == "a" and not p["has_key"]))
        assert a["level"] == "reach" and "a.key" in a["why"], a
        assert sim.wait("a", kind="other") and sim.log("a", kind="chat") == []
        os.chmod(path, 0o600)
        d.reload()
        up(d, "a")


# --- money -----------------------------------------------------------------------------------------------------------------------

def read_money(d):
    with closing(sqlite3.connect(f"file:{d.state_dir}/history.db?mode=ro", uri=True)) as db:
        return db.execute("SELECT platform, model, sum(pico) FROM money JOIN route ON route.id = money.route GROUP BY 1, 2").fetchall()


def test_a_reservation_is_on_disk_before_the_request_is_sent(sim):
    sim.set("a", fault="hang", on=["chat"])
    text = config({"a": platform(sim.url("a"), price=CALL)}, probes=PATIENT)
    with Probed(text) as d:
        assert sim.wait("a", kind="chat", ended=False)
        money = read_money(d)
        assert [row[:2] for row in money] == [("a", "m")] and money[0][2] >= 100000000, money
        d.stop(signal.SIGKILL)
        assert read_money(d) == money
        sim.set("a", fault="refuse")
        d.start()
        spent = d.status()["budget"]["spent"]
        assert spent >= 0.0001 - 1e-12, "what was reserved and never settled is spent"


def test_kill_nine_does_not_refill_the_budget(sim):
    text = config({"a": platform(sim.url("a"), price=CALL)}, budget={"all": "0.001 USD/day"}, probes=probes(chat_interval=400, chat_fast=50, chat_timeout=350, first=300, headers=300, connect=300, stall=300))
    with Probed(text, start=False) as d:
        spent = 0
        for _ in range(10):
            seq = sim.seq
            d.start()
            sim.wait("a", kind="chat", count=2, since=seq, ended=False, timeout=0.25)
            now = d.status()["budget"]
            assert now["limit_per_day"] == pytest.approx(0.001) and spent <= now["spent"] + 1e-12 <= 0.001 + 2e-12, now
            spent = now["spent"]
            d.stop(signal.SIGKILL)
        sent = len(sim.log("a", kind="chat", last=100000))
        assert 5 <= sent <= 10, f"{sent} chats at 0.0001 USD each"
        d.start()
        d.wait(lambda: d.explain("a", "m")["level"] in ("models", "reach"))
        assert "budget" in d.explain("a", "m")["level_why"]
        assert d.status()["budget"]["left"] < 0.0001
        assert len(sim.log("a", kind="chat", last=100000)) == sent
        assert d.row("m", "a")["slots"] == 256, "no money for probes is nothing against the route"


def test_breaker(sim):
    route = {"price": {"input": "0 USD/1M", "output": "1 USD/1M"}, "max_tokens": 2000}
    a = platform(sim.url("a"))
    a["models"]["m"].update(route)
    with Probed(config({"a": a, "b": platform(sim.url("b"))})) as d:
        up(d, "a")
        d.wait(lambda: len(chats(d, "a", "m")) >= 2)
        sim.set("a", tokens=300, gap=0, burst=True)
        d.wait(lambda: "no more paid probes there until `routectl enable a/m`" in d.log(), what="the breaker trips")
        e = d.wait(lambda: (lambda x: x if x["level"] != "chat" else None)(d.explain("a", "m")))
        assert e["level_why"], e
        d.wait(lambda: d.status()["probes"]["in_flight"] == 0)
        sent, seq = len(sim.log("a", kind="chat")), sim.seq
        d.stop(signal.SIGKILL)
        d.start()
        assert sim.wait("b", kind="chat", count=4, since=seq)
        assert d.explain("a", "m")["level"] != "chat", "a breaker stays open over a restart"
        assert len(sim.log("a", kind="chat")) == sent
        sim.set("a", tokens=None, burst=None)
        seq = sim.seq
        assert d.post("/v1/override", {"action": "enable", "platform": "a", "model": "m", "for_s": None, "reason": "the price is right again"}).status == 200
        d.stop(signal.SIGKILL)  # before the next probe would write to the ledger
        d.start()
        assert sim.wait("a", kind="chat", since=seq), "what was enabled stays enabled over a restart"
        assert d.explain("a", "m")["level"] == "chat"


# --- what survives -----------------------------------------------------------------------------------------------------------------

def test_epoch_grows_and_overrides_survive_and_expire(sim):
    with Probed(two(sim)) as d:
        up(d, "a", "b")
        epochs = [d.status()["epoch"]]
        reason = '升级 "now"'
        assert d.post("/v1/override", {"action": "drain", "platform": "a", "model": None, "for_s": 3600, "reason": reason}).status == 200
        for sig in (signal.SIGKILL, signal.SIGTERM):
            d.stop(sig)
            d.start()
            epochs.append(d.status()["epoch"])
        assert epochs == sorted(set(epochs)), epochs
        word = next(o for o in d.status()["overrides"] if o["platform"] == "a")
        assert (word["action"], word["model"], word["reason"]) == ("drain", None, reason) and word["by"], word
        assert abs(word["expires_at"] - word["made_at"] - 3600) < 2
        assert d.row("m", "a")["slots"] == 0 and d.explain("a", "m")["override"]["reason"] == reason
        assert d.post("/v1/override", {"action": "enable", "platform": "a", "model": None, "for_s": None, "reason": ""}).status == 200
        d.wait(lambda: d.row("m", "a")["slots"] > 0)
        assert d.post("/v1/override", {"action": "drain", "platform": "b", "model": "m", "for_s": 1, "reason": "short"}).status == 200
        d.wait(lambda: d.row("m", "b")["slots"] == 0)
        d.wait(lambda: d.row("m", "b")["slots"] > 0, what="an override ends by itself")
        assert "an override has expired" in d.log()
        d.stop()
        d.start()
        assert not [o for o in d.status()["overrides"] if o["action"] == "drain"]


def test_a_damaged_state_file_is_put_aside(sim):
    with Probed(two(sim)) as d:
        epoch = d.status()["epoch"]
        d.stop()
        d.write("state/state.json", "{\"epoch\": ")
        d.start()
        assert d.status()["epoch"] >= epoch and "<4>" in d.log()
        kept = [n for n in os.listdir(d.state_dir) if n.startswith("state.json") and n != "state.json"]
        assert kept, os.listdir(d.state_dir)


# --- the table, as it is asked for ---------------------------------------------------------------------------------------------------

class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("probed", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(self.path)


def test_pick_follows_the_weights(sim):
    with Probed(two(sim, probes=probes(chat_interval=60000, chat_fast=1500), health={"samples": 1, "rise": 1, "alike": 0.5}, pick_keys=True)) as d:
        up(d, "a", "b")
        d.wait(lambda: all(r["slots"] > 0 for r in d.routes("m")))
        count, total = {"a": 0, "b": 0}, 1200
        before = {r["platform"]: r["weight"] for r in d.routes("m")}
        connection = UnixConnection(d.socket)
        for _ in range(total):
            connection.request("GET", "/v1/pick?model=m")
            answer = connection.getresponse()
            assert answer.status == 204 and answer.read() == b""
            name = answer.getheader("X-Probed-Platform")
            count[name] += 1
            url = sim.url(name) + "/v1"
            assert (answer.getheader("X-Probed-Base-URL"), answer.getheader("X-Probed-Upstream")) == (url, f"127.0.0.1:{sim.own_port(name)}")
            assert (answer.getheader("X-Probed-Model"), answer.getheader("X-Probed-Dialect")) == ("m", "openai")
            assert answer.getheader("X-Probed-Key") is None
        after = {r["platform"]: r["weight"] for r in d.routes("m")}
        for name, n in count.items():
            low, high = sorted((before[name], after[name]))
            assert low - 0.06 < n / total < high + 0.06, (count, before, after)
        picked = set()
        for i in range(40):
            names = {d.get(f"/v1/pick?model=m&affinity=user-{i}").headers["x-probed-platform"] for _ in range(2)}
            assert len(names) == 1, "affinity is stable"
            picked |= names
        assert picked == {"a", "b"}
        assert d.get("/v1/pick?model=none").status == 404
        for name in "ab":
            d.post("/v1/override", {"action": "drain", "platform": name, "model": None, "for_s": None, "reason": ""})
        answer = d.wait(lambda: (lambda x: x if x.status == 503 else None)(d.get("/v1/pick?model=m")))
        assert int(answer.headers["retry-after"]) > 0 and answer.headers["content-type"].startswith("application/problem+json")


def test_etag(sim):
    quiet = probes(chat_interval=60000, chat_fast=1500, reach=20000)
    with Probed(two(sim, probes=quiet)) as d:
        sim.wait("a", kind="chat")
        target = "/v1/routes?model=m"

        def unchanged():
            first = d.get(target)
            second = d.get(target, headers={"If-None-Match": first.headers["etag"]})
            return (first, second) if second.status == 304 else None
        first, second = d.wait(unchanged)
        assert first.status == 200 and second.body == "" and second.headers["etag"] == first.headers["etag"]
        assert second.headers["x-probed-generation"] == first.headers["x-probed-generation"]
        assert d.get("/v1/routes", headers={"If-None-Match": first.headers["etag"]}).status == 200, "another query has another tag"
        d.post("/v1/override", {"action": "drain", "platform": "a", "model": None, "for_s": None, "reason": ""})
        third = d.wait(lambda: (lambda x: x if x.status == 200 else None)(d.get(target, headers={"If-None-Match": first.headers["etag"]})))
        assert third.headers["etag"] != first.headers["etag"]
        assert f'{third.json["epoch"]}-{third.json["generation"]}' == third.headers["x-probed-generation"]


class Watch:
    """A /v1/watch that is followed: events as (id, event, data), comments apart."""

    def __init__(self, d, target, headers=""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(0.05)
        self.socket.connect(d.socket)
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: probed\r\n{headers}\r\n".encode())
        self.data, self.events, self.comments, self.head = b"", [], [], None

    def read(self):
        try:
            while chunk := self.socket.recv(65536):
                self.data += chunk
        except TimeoutError:
            pass
        if self.head is None and b"\r\n\r\n" in self.data:
            self.head = parse_head(self.data)[:2]
        text = re.sub(rb"\r\n[0-9a-f]+\r\n", b"", self.data.split(b"\r\n\r\n", 1)[-1], flags=re.I)
        text = re.sub(rb"^[0-9a-f]+\r\n", b"", text, flags=re.I).decode(errors="replace")
        blocks = [b for b in text.split("\n\n")[:-1]]
        self.events, self.comments = [], []
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":") and ": " in line)
            self.comments += [line for line in block.split("\n") if line.startswith(":")]
            if "data" in fields:
                self.events.append((fields["id"], fields["event"], json.loads(fields["data"])))
        return self

    def close(self):
        self.socket.close()


def test_watch_tells_of_changes_and_renewals(sim):
    quiet = probes(chat_interval=60000, chat_fast=1500, reach=20000)
    with Probed(two(sim, probes=quiet, lease="1s")) as d:
        d.wait(lambda: all(samples(d, n) > 0 for n in "ab"))
        w = Watch(d, "/v1/watch?model=m")
        d.wait(lambda: w.read().events, what="the first table at once")
        assert w.head[0] == 200 and w.head[1]["content-type"].startswith("text/event-stream")
        d.wait(lambda: len(w.read().comments) >= 2, what="the lease is renewed")
        assert all(re.match(r": lease \d+", c) for c in w.comments if "lease" in c) and any("lease" in c for c in w.comments), w.comments
        d.post("/v1/override", {"action": "drain", "platform": "a", "model": None, "for_s": None, "reason": ""})

        def drained():
            rows = w.read().events[-1][2]["models"][0]["routes"]
            return next(r for r in rows if r["platform"] == "a")["slots"] == 0
        d.wait(drained, what="the drain is told")
        ids = [e[0] for e in w.events]
        assert len(set(ids)) == len(ids) and all(e[1] == "table" for e in w.events)
        again = Watch(d, "/v1/watch?model=m", f"Last-Event-ID: {ids[-1]}\r\n")
        d.wait(lambda: again.read().comments)
        if d.status()["generation"] == int(ids[-1].split("-")[1]):
            assert again.events == [], "who has the table is not sent it again"
        w.close()
        again.close()
        d.wait(lambda: d.status()["watchers"] == 0)


def test_a_stopped_daemons_lease_runs_out(sim):
    with Probed(two(sim, lease="1s")) as d:
        up(d, "a")
        until = d.status()["valid_until"]
        assert until - time.time() < 1.1
        d.wait(lambda: d.status()["valid_until"] > until + 0.5, what="it is renewed without a change")
        w = subprocess.Popen([os.path.join(BUILD, "routectl"), "--socket", d.socket, "watch", "m", "--for", "2s"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        try:
            line = w.stdout.readline()
            assert line
            d.process.send_signal(signal.SIGSTOP)
            out, err = w.communicate(timeout=20)
            assert w.returncode == 5, (w.returncode, out, err)
            asked = d.routectl("--timeout", "300ms", "routes", "m")
            assert asked.returncode == 3 and "does not answer" in asked.stderr, asked.stderr
        finally:
            d.process.send_signal(signal.SIGCONT)
            if w.poll() is None:
                w.kill()
        d.wait(lambda: d.routectl("routes", "m").returncode == 0)


# --- roles ---------------------------------------------------------------------------------------------------------------------------

NOBODY = shutil.which("setpriv"), shutil.which("curl")


def as_nobody(d, method, target, body=None):
    command = [NOBODY[0], "--reuid=65534", "--regid=65534", "--clear-groups", NOBODY[1], "-s", "-i", "--max-time", "10", "-X", method, "--unix-socket", d.socket,
               "http://probed" + target]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    out = subprocess.run(command, capture_output=True, cwd="/", timeout=20)
    assert out.returncode == 0, out
    return parse_head(out.stdout)


@pytest.mark.skipif(os.geteuid() != 0 or not all(NOBODY), reason="needs root, setpriv and curl")
def test_roles(sim):
    sim.set_key("a", KEY_A)
    try:
        world = {"a": platform(sim.url("a"), key={"env": "ALPHA_KEY"})}
        drain = {"action": "drain", "platform": "a", "model": None, "for_s": 60, "reason": "x"}
        with Probed(config(world, socket_mode="0666", pick_keys=True), env={"ALPHA_KEY": KEY_A}) as d:
            os.chmod(d.dir, 0o755)
            up(d, "a")
            assert as_nobody(d, "GET", "/v1/routes?model=m")[0] == 200
            status, headers, body = as_nobody(d, "POST", "/v1/override", drain)
            assert status == 403 and headers["content-type"].startswith("application/problem+json") and b"admin" in body, body
            assert as_nobody(d, "POST", "/v1/reload", {})[0] == 403 and as_nobody(d, "POST", "/v1/probe", {"platform": "a", "model": "m"})[0] == 403
            assert d.status()["overrides"] == []
            assert "x-probed-key" not in as_nobody(d, "GET", "/v1/pick?model=m")[1]

            roles = {"reporter": {"users": ["nobody"]}, "key-reader": {"users": [65534]}}
            d.write("probed.yaml", config(world, socket_mode="0666", pick_keys=True, roles=roles))
            assert d.post("/v1/reload", {}).status == 200
            assert as_nobody(d, "POST", "/v1/probe", {"platform": "a", "model": "m"})[0] == 202
            assert as_nobody(d, "POST", "/v1/override", drain)[0] == 403
            up(d, "a")
            status, headers, body = as_nobody(d, "GET", "/v1/pick?model=m")
            assert (status, headers.get("x-probed-key")) == (204, KEY_A)
            assert "x-probed-key" not in d.get("/v1/pick?model=m").headers, "to be root is not to be a reader of keys"

            roles = {"admin": {"users": ["nobody"]}}
            d.write("probed.yaml", config(world, socket_mode="0666", pick_keys=True, roles=roles))
            assert d.post("/v1/reload", {}).status == 200
            assert as_nobody(d, "POST", "/v1/override", drain)[0] == 200
            assert "nobody" in d.status()["overrides"][0]["by"]
            assert "x-probed-key" not in as_nobody(d, "GET", "/v1/pick?model=m")[1]
    finally:
        sim.set_key("a", None)
