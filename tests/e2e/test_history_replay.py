"""`routectl dump` and `routectl replay`: a daemon played by this test serves a history made from a seed, `probed replay` is the real one."""
import contextlib
import json
import math
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

import pytest

from daemon import BUILD, Probed, wait_until
from world import config, platform

PROBED, ROUTECTL = os.path.join(BUILD, "probed"), os.path.join(BUILD, "routectl")
SLOW = 5 if os.environ.get("PROBED_VALGRIND") or "san" in BUILD else 1
T0 = 1795000000
HOURS = 4
OK, REFUSED, USAGE, UNREACHABLE = range(4)
pytestmark = pytest.mark.skipif(not os.access(PROBED, os.X_OK) or not os.access(ROUTECTL, os.X_OK), reason="probed and routectl are not built")


# --- histories

def chat(t, platform, model="m", ttft=500.0, **more):
    return {"t": round(t, 3), "platform": platform, "model": model, "kind": "chat", "source": "probe", "ok": True, "status": 200, "connect_ms": 31.0,
            "ttft_ms": round(ttft, 1), "total_ms": round(ttft + 800, 1), "tokens_per_s": 61.0, "interval_s": 30, **more}


def fail(t, platform, model="m", wasted=300.0, **more):
    return {"t": round(t, 3), "platform": platform, "model": model, "kind": "chat", "source": "probe", "ok": False, "status": 502, "error": "http_5xx",
            "total_ms": wasted, "interval_s": 30, **more}


def price(t, platform, model="m", usd=0.2):
    return {"t": t, "platform": platform, "model": model, "kind": "price", "input_usd_per_mtok": usd, "output_usd_per_mtok": 4 * usd}


# first token (ms), USD per 1M, and when it is down (s after T0)
RELAYS = {"swift": (400, 0.40, (7200, 10800)), "cheap": (900, 0.10, None), "third": (700, 0.35, None)}


def history(seed=1, hours=HOURS, relays=RELAYS, models=("m", "n")):
    print(f"# history: seed {seed}")
    rng = random.Random(seed)
    lines = [price(T0, p, m, usd) for p, (_, usd, _) in relays.items() for m in models]
    for p, (ttft, _, down) in relays.items():
        for m in models:
            t = T0 + rng.uniform(0, 30)
            while t < T0 + hours * 3600:
                dead = down and down[0] <= t - T0 < down[1]
                lines.append(fail(t, p, m) if dead else chat(t, p, m, ttft * rng.lognormvariate(0, 0.2)))
                t += 30 * rng.uniform(0.95, 1.05)
    return sorted(lines, key=lambda x: x["t"])


def encode(lines):
    return "".join(json.dumps(x, separators=(",", ":")) + "\n" for x in lines).encode()


# --- the daemon that is played

class Fake:
    """Serves /v1/dump in pages and /v1/status. `before`: called with the number of each dump page before it is served."""

    def __init__(self, lines, config="/nowhere/probed.yaml", page=700, before=None):
        self.lines = lines if isinstance(lines, list) else lines.decode().splitlines()
        self.lines = [x if isinstance(x, str) else json.dumps(x, separators=(",", ":")) for x in self.lines]
        self.config, self.page, self.before = config, page, before
        self.dir = tempfile.mkdtemp(prefix="probed-e2e-")
        self.socket = os.path.join(self.dir, "s")
        self.asked, self.pages = [], 0
        self.listener = None
        self.open()

    def open(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(16)
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()

    def close(self):
        listener, self.listener = self.listener, None
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self.socket)

    def serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(10)
                data = b""
                while b"\r\n\r\n" not in data:
                    data += client.recv(65536)
                target = data.split(b" ", 2)[1].decode()
                client.sendall(self.answer(target))

    def answer(self, target):
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/v1/status":
            return self.make(200, json.dumps({"config": {"file": self.config}}).encode(), "application/json")
        if url.path != "/v1/dump":
            return self.make(404, b'{"title":"Not Found"}', "application/problem+json")
        self.asked.append(query)
        if self.before:
            instead = self.before(self.pages)
            if instead is not None:
                return instead
        self.pages += 1
        after, size = int(query["after"]), min(int(query["limit"]), self.page)
        since, until = float(query["since"]), float(query["until"])
        body, next_page = [], 0
        for i in range(after, len(self.lines)):
            t = re.match(r'\{"t":([0-9.]+)', self.lines[i])
            if t and not since <= float(t.group(1)) < until:
                continue
            if len(body) == size:
                next_page = last
                break
            body.append(self.lines[i])
            last = i + 1
        return self.make(200, "".join(x + "\n" for x in body).encode(), "application/x-ndjson", f"X-Probed-Next: {next_page}\r\n")

    @staticmethod
    def make(status, body, kind, more=""):
        return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.listener:
            self.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def problem(status, detail):
    return Fake.make(status, json.dumps({"type": "about:blank", "title": "X", "status": status, "detail": detail}).encode(), "application/problem+json")


def run(socket_path, *args, code=OK, timeout=60, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL if "input" not in kw else None)
    if kw["stdin"] is None:
        del kw["stdin"]
    env = {**os.environ, "TZ": "UTC"}
    got = subprocess.run([ROUTECTL, "--socket", socket_path, *args], capture_output=True, timeout=timeout * SLOW, env=env, **kw)
    assert got.returncode == code, (args, got.returncode, got.stdout[-2000:], got.stderr.decode()[-2000:])
    assert b"\033" not in got.stdout + got.stderr
    return got


SPAN = ("--since", str(T0), "--until", str(T0 + HOURS * 3600))


@pytest.fixture(scope="module")
def lines():
    return history()


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    """{name: its path}"""
    d = tmp_path_factory.mktemp("configs")
    texts = {
        "old": {"replay": {"open": True}, "policies": {"production": {"second": 0.0375, "money": 0.001}, "retired": {"second": 0.1, "money": 0.01}}},
        "new": {"replay": {"open": True}, "policies": {"production": {"second": 0.0005, "money": 0.3}, "fresh": {"second": 0.1, "money": 0.01}}},
        "bad": {"replay": {"open": True}, "policies": {"production": {"secnd": 1}}},
    }
    for name, text in texts.items():
        (d / f"{name}.yaml").write_text(json.dumps(text, indent=1) + "\n")
    return {name: str(d / f"{name}.yaml") for name in texts}


# --- dump

def test_dump_gives_the_history_as_it_is(lines, tmp_path):
    want = encode(lines)
    with Fake(lines) as d:
        assert run(d.socket, "dump", *SPAN).stdout == want
        assert len(d.asked) > 3 and [q["after"] for q in d.asked] == [str(i * d.page) for i in range(len(d.asked))]
        assert all(float(q["since"]) == T0 and float(q["until"]) == T0 + HOURS * 3600 for q in d.asked)
        run(d.socket, "dump", *SPAN, "--json")
        path = tmp_path / "history.ndjson"
        path.write_text("what was there before")
        got = json.loads(run(d.socket, "dump", *SPAN, "-o", str(path), "--json").stdout)
        assert path.read_bytes() == want and os.listdir(tmp_path) == [path.name]
        assert (got["records"], got["bytes"], got["file"], got["since"]) == (len(lines), len(want), str(path), T0)
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask()
        assert "records" in run(d.socket, "dump", *SPAN, "-o", str(path)).stdout.decode()
        assert run(d.socket, "dump", *SPAN, "-o", "/dev/stdout").stdout.startswith(want[:1000])
        assert run(d.socket, "dump", "--since", str(T0 + 3600), "--until", str(T0 + 3700)).stdout == encode([x for x in lines if T0 + 3600 <= x["t"] < T0 + 3700])
        # Without --since it is the last week.
        d.asked.clear()
        assert run(d.socket, "dump").stdout in (want, b"")
        assert abs(time.time() - float(d.asked[0]["until"])) < 30 and float(d.asked[0]["until"]) - float(d.asked[0]["since"]) == pytest.approx(7 * 86400, abs=0.01)


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_dump_of_nothing(tmp_path):
    with Fake([]) as d:
        assert run(d.socket, "dump").stdout == b""
        path = tmp_path / "empty"
        run(d.socket, "dump", "-o", str(path))
        assert path.read_bytes() == b""


def test_dump_goes_on_after_a_restart(lines):
    def restart(page):
        if page == 2 and not restarted:
            restarted.append(True)
            d.close()
            threading.Timer(1.0, d.open).start()
            return b""  # the connection is closed without an answer
        if page == 4 and len(restarted) == 1:
            restarted.append(True)
            return problem(503, "the history is busy")
        return None

    restarted = []
    with Fake(lines, before=restart) as d:
        assert run(d.socket, "dump", *SPAN).stdout == encode(lines)
        assert len(restarted) == 2


def test_dump_that_is_refused(lines, tmp_path):
    nowhere = str(tmp_path / "nowhere")
    got = run(nowhere, "dump", code=UNREACHABLE)
    assert got.stdout == b"" and b"not running" in got.stderr
    path = tmp_path / "out"
    path.write_text("kept")
    with Fake(lines, before=lambda page: problem(503, "the history is closed")) as d:
        assert b"the history is closed" in run(d.socket, "dump", code=REFUSED).stderr
    with Fake(lines, before=lambda page: problem(403, "not for you") if page == 2 else None) as d:
        assert b"not for you" in run(d.socket, "dump", *SPAN, "-o", str(path), code=REFUSED).stderr
    with Fake(lines, before=lambda page: Fake.make(200, b"{}\n", "application/x-ndjson")) as d:
        assert b"next page" in run(d.socket, "dump", code=UNREACHABLE).stderr
    # A page that leads nowhere but to itself.
    with Fake(lines, before=lambda page: Fake.make(200, b"{}\n", "application/x-ndjson", "X-Probed-Next: 5\r\n")) as d:
        assert b"next page" in run(d.socket, "dump", code=UNREACHABLE).stderr
    with Fake(lines) as d:
        assert b"No space left" in run(d.socket, "dump", *SPAN, "-o", "/dev/full", code=REFUSED).stderr
        assert b"No such file" in run(d.socket, "dump", *SPAN, "-o", str(tmp_path / "no" / "x"), code=REFUSED).stderr
        for args in (["--tsv"], ["--since", "yesterday"], ["--since", "2d", "--until", "3d"], ["--policy", "x"], ["x"]):
            assert run(d.socket, "dump", *args, code=USAGE).stdout == b""
    assert path.read_text() == "kept" and os.listdir(tmp_path) == ["out"]


def test_dump_to_who_has_seen_enough(lines):
    with Fake(lines) as d:
        command = [ROUTECTL, "--socket", d.socket, "dump", *SPAN]
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert p.stdout.readline() == encode(lines[:1])
        p.stdout.close()
        assert p.wait(20 * SLOW) == 0 and p.stderr.read() == b""
        p.stderr.close()
        assert d.pages < len(lines) / d.page


def test_dump_that_is_interrupted_leaves_nothing(lines, tmp_path):
    gate = threading.Event()
    with Fake(lines, before=lambda page: gate.wait(20) and None if page == 2 else None) as d:
        p = subprocess.Popen([ROUTECTL, "--socket", d.socket, "dump", *SPAN, "-o", str(tmp_path / "x")], stderr=subprocess.PIPE)
        wait_until(lambda: d.pages == 2 and os.listdir(tmp_path) and os.stat(tmp_path / os.listdir(tmp_path)[0]).st_size > 0)
        p.send_signal(signal.SIGINT)
        assert p.wait(20) == -signal.SIGINT
        p.stderr.close()
        gate.set()
        assert os.listdir(tmp_path) == []


# --- replay

def replay(socket_path, *args, **kw):
    return json.loads(run(socket_path, "replay", "--json", *args, **kw).stdout)


def row(got, policy, model="m", table="estimates", **more):
    found = [r for r in got[table] if r["policy"] == policy and r["model"] == model and all(r[k] == v for k, v in more.items())]
    assert len(found) == 1, found
    return found[0]


def first(got, policy, platform, model="m"):
    found = [r for r in got["first"] if (r["policy"], r["model"], r["platform"]) == (policy, model, platform)]
    return (found[0]["first_old"], found[0]["first_new"]) if found else (0, 0)


def test_replay_side_by_side(lines, configs):
    with Fake(lines, config=configs["old"]) as d:
        got = replay(d.socket, *SPAN, "--config", configs["new"])
        text = run(d.socket, "replay", *SPAN, "--config", configs["new"]).stdout.decode()
        tsv = run(d.socket, "replay", *SPAN, "--config", configs["new"], "--tsv").stdout.decode()
    assert (got["old"], got["new"]) == (configs["old"], configs["new"])
    assert got["records"] == len(lines) and got["left_out_old"] == got["left_out_new"] == got["bad_old"] == got["moved"] == 0
    assert T0 <= got["since"] <= T0 + 10 and T0 + HOURS * 3600 - 40 < got["until"] <= T0 + HOURS * 3600
    e = row(got, "production")
    assert e["enough"] and e["known_old"] > 0.99 and e["sightings_old"] > 400
    # The old policy wants speed: swift, but for its hour. The new one wants what costs little.
    assert first(got, "production", "swift")[0] > 0.65 and first(got, "production", "swift")[1] < 0.02
    assert first(got, "production", "cheap")[1] > 0.95
    assert e["changes_old"] >= 2 and e["changes_new"] <= 2
    assert 0 < e["failed_first_old"] < 0.02 and e["failed_first_new"] < 0.002
    assert e["failed_old"] <= e["failed_first_old"] / 4
    assert e["ttft_p50_ms_old"] == pytest.approx(410, rel=0.1) and e["ttft_p50_ms_new"] == pytest.approx(900, rel=0.05)
    assert e["ttft_p95_ms_new"] == pytest.approx(900 * math.exp(1.645 * 0.2), rel=0.05)
    # 1000 tokens in, 300 out.
    assert e["cost_new"] == pytest.approx((1000 * 0.1 + 300 * 0.4) / 1e6, rel=0.01)
    assert (1000 * 0.35 + 300 * 1.4) / 1e6 < e["cost_old"] < (1000 * 0.4 + 300 * 1.6) / 1e6
    # It is told when: off it when it died, back to it after its hour.
    told = [c for c in got["changes"] if c["policy"] == "production" and c["model"] == "m" and c["side"] == "old"]
    away = next(c for c in told if c["from"] == "swift" and T0 + 7200 <= c["at"])
    back = next(c for c in told if c["to"] == "swift" and c["at"] > away["at"])
    assert away["at"] < T0 + 7200 + 180 and T0 + 10800 < back["at"] < T0 + 10800 + 1200
    # What only one has.
    assert row(got, "retired")["failed_new"] is None and row(got, "retired")["failed_old"] is not None
    assert row(got, "fresh")["failed_old"] is None and row(got, "fresh")["changes_old"] is None and row(got, "fresh")["cost_new"] > 0
    assert list(dict.fromkeys(r["policy"] for r in got["estimates"])) == ["production", "retired", "fresh"]
    assert "production" in text and "cheap" in text and re.search(r"^retired$", text, re.M) and re.search(r"\d%\s+-", text)
    head = next(x for x in tsv.split("\n") if x.startswith("#estimates")).lstrip("#").split("\t")
    values = next(x for x in tsv.split("\n") if x.startswith("estimates\tproduction\tm\t")).split("\t")
    assert float(values[head.index("failed_first_old")]) == pytest.approx(e["failed_first_old"], rel=1e-9)


def test_replay_is_deterministic(lines, configs, tmp_path):
    """The same bytes from the daemon in pages of any size, from a file and from standard input, however fast anybody is."""
    path = tmp_path / "h.ndjson"
    path.write_bytes(encode(lines))
    args = ("--with", configs["old"], "--config", configs["new"], "--json")
    with Fake(lines, page=20000) as a, Fake(lines, page=13) as b:
        want = run(a.socket, "replay", *SPAN, *args).stdout
        assert run(b.socket, "replay", *SPAN, *args).stdout == want
        assert run("/nowhere", "replay", str(path), *SPAN, *args).stdout == want
        assert run("/nowhere", "replay", "-", *SPAN, *args, input=encode(lines)).stdout == want
        assert run("/nowhere", "replay", str(path), *args).stdout == want
    p = subprocess.Popen([ROUTECTL, "replay", "-", *SPAN, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "TZ": "UTC"})
    data = encode(lines)
    for i in range(0, len(data), 100003):
        p.stdin.write(data[i:i + 100003])
        p.stdin.flush()
        time.sleep(0.02)
    out, _ = p.communicate(timeout=60 * SLOW)
    assert p.returncode == 0 and out == want


def alone(pattern, hours=3):
    """One platform, whose probes succeed and fail by the pattern."""
    return [price(T0, "solo")] + [(chat if ok else fail)(T0 + 5 + 30 * i, "solo") for i, ok in zip(range(hours * 120), pattern * 10000)]


def test_the_estimate_is_what_was_seen(configs):
    """With one platform there is nothing to choose, and the estimate must be what a request at each moment would have met next."""
    for pattern, want in (([1, 1, 1, 0], 0.25), ([1, 0, 0], 2 / 3), ([1], 0), ([0], 1)):
        got = replay("/nowhere", "-", "--with", configs["old"], input=encode(alone(pattern)))
        e = row(got, "production")
        assert e["failed_first_old"] == pytest.approx(want, abs=0.01) and e["failed_old"] == e["failed_first_old"]
        assert e["failed_first_new"] is None and got["new"] is None
        if want < 1:
            assert e["ttft_p50_ms_old"] == pytest.approx(500, rel=0.006) and e["ttft_mean_ms_old"] == pytest.approx(500, rel=1e-6)
            assert e["cost_old"] == pytest.approx((1000 * 0.2 + 300 * 0.8) / 1e6, rel=1e-6)
        else:
            assert e["ttft_p50_ms_old"] is e["cost_old"] is None


def test_replay_says_when_it_is_too_little(configs):
    got = run("/nowhere", "replay", "-", "--with", configs["old"], input=encode(alone([1])[:10])).stdout.decode()
    assert "too little" in got and "too few" in got
    e = row(replay("/nowhere", "-", "--with", configs["old"], input=encode(alone([1])[:10])), "production")
    assert e["enough"] is False and e["sightings_old"] < 20
    # Two hours of nothing are a gap and no judgement.
    quiet = [x for x in alone([1], hours=6) if not 7200 < x["t"] - T0 < 14400]
    got = replay("/nowhere", "-", "--with", configs["old"], input=encode(quiet))
    assert 6000 - 30 < got["gaps_s"] < 6100 and row(got, "production")["known_old"] > 0.7
    assert b"no records" in run("/nowhere", "replay", "-", "--with", configs["old"], input=encode(quiet)).stdout


def test_replay_under_a_closed_configuration(lines, tmp_path, configs):
    """As the daemon's are: platforms and models that it does not name are left out, and that is said."""
    path = tmp_path / "closed.yaml"
    path.write_text(config({p: platform("http://127.0.0.1:1") for p in ("swift", "cheap")}, policies={"production": {"second": 0.0375, "money": 0.025}}))
    left_out = sum(1 for x in lines if x["platform"] == "third" or x["model"] != "m")
    got = replay("/nowhere", "-", "--with", str(path), "--config", configs["new"], input=encode(lines))
    assert got["left_out_old"] == left_out and got["left_out_new"] == 0
    assert row(got, "production", "n")["failed_old"] is None and row(got, "production", "m")["failed_old"] is not None
    text = run("/nowhere", "replay", "-", "--with", str(path), input=encode(lines)).stdout.decode()
    assert f"{left_out:,} records" in text and "left out" in text


def test_replay_of_part_of_a_history(lines, configs):
    since, until = T0 + 3600, T0 + 3 * 3600
    with Fake(lines, config=configs["old"]) as d:
        got = replay(d.socket, "--since", str(since), "--until", str(until))
        assert float(d.asked[0]["since"]) == since - 7200 and float(d.asked[0]["until"]) == until
    assert since <= got["since"] < since + 10 and until - 40 < got["until"] <= until
    # Warm from the first table on: swift is first all the time but for its hour.
    assert first(got, "production", "swift")[0] == pytest.approx(0.5, abs=0.05)
    one = replay("/nowhere", "-", "--with", configs["old"], "--policy", "retired", input=encode(lines))
    assert {r["policy"] for r in one["estimates"]} == {"retired"}
    rare = replay("/nowhere", "-", "--with", configs["old"], "--every", "10m", input=encode(lines))
    assert rare["tables"] < got["tables"] and row(rare, "production")["failed_first_old"] == pytest.approx(row(one, "retired")["failed_first_old"], abs=0.05)


def test_what_is_not_for_the_replay(lines, configs):
    """Tables that somebody asked for and configurations of that time are left out; a clock that was set back is borne."""
    want = replay("/nowhere", "-", "--with", configs["old"], input=encode(lines))
    more = []
    for i, x in enumerate(lines):
        more.append(x)
        if i % 50 == 0:
            more += [{"t": x["t"], "kind": "table"}, {"t": x["t"], "kind": "config", "text": configs["bad"]}, {"t": x["t"], "kind": "balance", "platform": "swift", "balance_usd": 3}]
    got = replay("/nowhere", "-", "--with", configs["old"], input=encode(more))
    assert got["estimates"] == want["estimates"] and got["first"] == want["first"] and got["records"] > want["records"]
    back = [dict(x) for x in lines]
    for x in back[2000:2010]:
        x["t"] -= 100
    got = replay("/nowhere", "-", "--with", configs["old"], input=encode(back))
    assert got["moved"] == 10 and got["bad_old"] == 0
    assert "set back" in run("/nowhere", "replay", "-", "--with", configs["old"], input=encode(back)).stdout.decode()


def test_replay_that_is_refused(lines, configs, tmp_path):
    def words(*args, code=REFUSED, lines=lines[:200], socket_path="/nowhere"):
        got = run(socket_path, "replay", *args, code=code, input=encode(lines) if lines is not None else b"")
        assert got.stdout == b"", got.stdout
        return got.stderr.decode()

    # probed's own words about a configuration, with the place.
    for args in (("--with", configs["bad"]), ("--with", configs["old"], "--config", configs["bad"])):
        said = words("-", *args)
        assert re.search(r"bad\.yaml:\d+:\d+: .*secnd", said) and "could not be replayed under" in said, said
    assert "No such file" in words("-", "--with", str(tmp_path / "none.yaml"))
    assert "No such file" in words(str(tmp_path / "none.ndjson"), "--with", configs["old"])
    assert "--with" in words("-", code=UNREACHABLE)
    with Fake(lines, config="probed.yaml") as d:
        assert "--with" in words(socket_path=d.socket)
    with Fake([], config=configs["old"]) as d:
        assert "no records" in words(socket_path=d.socket)
    assert "no records" in words("-", "--with", configs["old"], lines=[])
    assert 'no policy "none"' in words("-", "--with", configs["old"], "--policy", "none")
    assert "shorter than one step" in words("-", "--with", configs["old"], lines=[chat(T0 + 0.5, "swift"), chat(T0 + 0.7, "swift")])
    for bad in ('{"t":1', "[]", '{"kind":"chat"}', '{"t":-1,"kind":"chat"}', '{"t":1,"kind":"chat","platform":"' + "x" * 64 + '"}', "x" * 70000):
        got = run("/nowhere", "replay", "-", "--with", configs["old"], code=REFUSED, input=encode(lines[:3]) + bad.encode() + b"\n")
        assert b"standard input: line 4" in got.stderr and got.stdout == b"", got.stderr
    assert "cannot run" in words("-", "--with", configs["old"], "--probed", str(tmp_path / "probed"))
    said = words("-", "--with", configs["old"], "--probed", "/bin/false")
    assert "could not be replayed" in said
    for script, why in (("cat > /dev/null; echo rubbish", "not an answer"), ("exec cat", "another version"), ("kill -9 $$", "could not be replayed"),
                        ("cat > /dev/null", "could not be replayed")):
        other = tmp_path / "other"
        other.write_text(f"#!/bin/sh\n{script}\n")
        other.chmod(0o755)
        assert why in words("-", "--with", configs["old"], "--probed", str(other))
    for args in (["--every", "0s"], ["--every", "1500ms"], ["--every", "2h"], ["--for", "1h"], ["a", "b"]):
        words("-", "--with", configs["old"], *args, code=USAGE)


def test_probed_is_found(lines, configs, tmp_path):
    """Beside routectl, or installed beside it, or in PATH."""
    data = encode(lines[:500])
    for place, path in (("bin/probed", ""), ("sbin/probed", ""), ("elsewhere/probed", str(tmp_path / "2" / "elsewhere")), (None, "/nonexistent")):
        top = tmp_path / str(["bin/probed", "sbin/probed", "elsewhere/probed", None].index(place))
        os.makedirs(top / "bin")
        shutil.copy(ROUTECTL, top / "bin" / "routectl")
        if place:
            os.makedirs(top / os.path.dirname(place), exist_ok=True)
            os.symlink(PROBED, top / place)
        got = subprocess.run([str(top / "bin" / "routectl"), "replay", "-", "--with", configs["old"], "--json"], input=data, capture_output=True,
                             timeout=60 * SLOW, env={"PATH": path})
        assert got.returncode == (OK if place else REFUSED), got.stderr
        assert place or b"--probed" in got.stderr


# --- import, and the way round

def imported(state_dir, data, *args, code=OK):
    got = subprocess.run([PROBED, "import", "-S", str(state_dir), *args], input=data, capture_output=True, timeout=60 * SLOW)
    assert got.returncode == code, got.stderr
    return got


def dumped(state_dir, since, until):
    """What a daemon that keeps its history there has of that time."""
    text = config({"dead": platform("http://127.0.0.1:1")})
    with Probed(text, start=False) as d:
        d.state_dir = str(state_dir)
        d.start()
        got = run(d.socket, "dump", "--since", str(since), "--until", str(until)).stdout
        assert d.stop() == 0
    return got


def recent(lines):
    """The same history, as one that ended a minute ago: what is older than a week would not be kept one by one."""
    shift = int(time.time()) - 60 - math.ceil(lines[-1]["t"])
    return [{**x, "t": round(x["t"] + shift, 3)} for x in lines], T0 + shift


def test_dump_import_dump(tmp_path):
    """From one machine to the next and to a third: the same bytes, and nothing twice."""
    lines, begin = recent(history(3, hours=1))
    t = lines[len(lines) // 2]["t"]
    more = [{"t": t, "kind": "self_check", "ok": False}, {"t": t, "kind": "self_check", "ok": True},
            {"t": t, "platform": "swift", "kind": "balance", "balance_usd": -3.25}, {"t": t, "platform": "swift", "kind": "usable", "ok": True},
            {"t": t, "platform": "swift", "model": "m", "kind": "listing", "ok": True},
            {"t": t, "platform": "third", "model": "m", "kind": "override", "action": "drain", "for_s": 60, "text": "why \\u4e0d"},
            {"t": t, "platform": "swift", "kind": "reach", "ok": False, "status": 0, "error": "refused"},
            fail(t, "cheap", reporter="gate/1", source="traffic", in_flight=7, retry_after_s=2.5, text="\u001b[31m\u4e2d\u6587 \"quoted\"")]
    lines = sorted(lines + more, key=lambda x: x["t"])
    assert f"{len(lines)} lines: {len(lines)} added, 0 known" in imported(tmp_path / "1", encode(lines)).stdout.decode()
    assert f"{len(lines)} lines: 0 added, {len(lines)} known" in imported(tmp_path / "1", encode(lines)).stdout.decode()
    first_dump = dumped(tmp_path / "1", begin - 1, lines[-1]["t"] + 1)
    got = [json.loads(x) for x in first_dump.splitlines()]
    assert len(got) == len(lines)
    for a, b in zip(got, lines):
        assert a["t"] == pytest.approx(b["t"], abs=1e-6) and {k: a[k] for k in b if k != "t"} == {k: v for k, v in b.items() if k != "t"}
    imported(tmp_path / "2", first_dump)
    assert dumped(tmp_path / "2", begin - 1, lines[-1]["t"] + 1) == first_dump
    path = tmp_path / "dump"
    path.write_bytes(first_dump)
    assert b"0 added" in imported(tmp_path / "2", b"", str(path)).stdout


def test_import_that_is_refused(tmp_path):
    lines, begin = recent(history(4, hours=0.2))
    state = tmp_path / "state"
    bad = encode(lines[:5]) + b"rubbish\n" + encode(lines[5:])
    got = imported(state, bad, code=REFUSED)
    assert b"line 6:" in got.stderr and b"nothing was taken" in got.stderr and got.stdout == b""
    assert b", 1 bad" in imported(state, bad, "--skip-bad").stdout
    assert b"0 added" in imported(state, encode(lines)).stdout
    assert b"No such file" in imported(state, b"", str(tmp_path / "none"), code=REFUSED).stderr
    assert b"No such file" in imported(tmp_path / "a" / "b", b"", code=REFUSED).stderr
    (tmp_path / "file").write_text("")
    assert b"irectory" in imported(tmp_path / "file", b"", code=REFUSED).stderr
    for args in (["a", "b"], ["--nonsense"]):
        assert imported(state, b"", *args, code=USAGE).stdout == b""
    assert subprocess.run([PROBED, "import", "-c", str(tmp_path / "none.yaml")], input=b"", capture_output=True).returncode == REFUSED
    # A daemon that uses it.
    with Probed(config({"dead": platform("http://127.0.0.1:1")})) as d:
        got = imported(d.state_dir, encode(lines), code=REFUSED)
        assert b"stop" in got.stderr and got.stdout == b""
        assert run(d.socket, "dump", "--since", str(begin - 1), "--until", str(lines[-1]["t"] + 1)).stdout == b""
        d.stop()
        # By its configuration, which says where.
        text = json.loads(config({"dead": platform("http://127.0.0.1:1")}))
        path = d.write("again.yaml", json.dumps({**text, "state_dir": d.state_dir}))
        got = subprocess.run([PROBED, "import", "-c", path], input=encode(lines), capture_output=True)
        assert got.returncode == OK and f"{len(lines)} added".encode() in got.stdout, got.stderr


def test_replay_from_the_real_daemon(tmp_path):
    """Its configuration is found by its status, also where it was given by a relative path; the estimate is that of its own history."""
    lines, begin = recent(history(5, hours=3, relays={"swift": (400, 0.4, None), "cheap": (900, 0.1, None)}, models=("m",)))
    text = config({p: platform("http://127.0.0.1:1") for p in ("swift", "cheap")}, policies={"production": {"second": 0.0375, "money": 0.001}})
    with Probed(text, start=False) as d:
        imported(d.state_dir, encode(lines))
        d.start()
        got = replay(d.socket, "--since", str(begin), "--until", str(lines[-1]["t"] + 1))
        assert got["old"] == d.config_file and got["left_out_old"] == 0 and got["records"] == len(lines)
        assert row(got, "production")["enough"] and first(got, "production", "swift")[0] > 0.9
        # The prices were told before that time, and hold in it.
        got = replay(d.socket, "--since", str(begin + 9000), "--until", str(lines[-1]["t"] + 1))
        assert row(got, "production")["cost_old"] == pytest.approx((1000 * 0.4 + 300 * 1.6) / 1e6, rel=0.05)
        new = d.write("new.yaml", text.replace('"money": 0.001', '"money": 0.9'))
        got = replay(d.socket, "--since", str(begin), "--until", str(lines[-1]["t"] + 1), "--config", new)
        assert first(got, "production", "cheap")[1] > 0.9
        d.stop()
        os.chdir(d.dir)
        d.config_file = "probed.yaml"
        d.start()
        got = replay(d.socket, "--since", str(begin), "--until", str(lines[-1]["t"] + 1))
        assert got["old"].endswith("/cwd/probed.yaml") and row(got, "production")["enough"]
        os.chdir(os.path.dirname(os.path.abspath(__file__)))


def test_brief_answers_are_the_full_ones_in_short(lines, tmp_path):
    path = tmp_path / "three.yaml"
    path.write_text(config({p: platform("http://127.0.0.1:1", models=("m", "n")) for p in RELAYS}))
    asked = lines[:500] + [{"t": lines[500]["t"], "kind": "override", "action": "drain", "platform": "third"}]
    asked = encode([x for line in asked for x in (line, {"t": line["t"], "kind": "table"})])
    full, brief = [[json.loads(x) for x in subprocess.run([PROBED, "replay", "-c", str(path), *args], input=asked, capture_output=True, check=True).stdout.splitlines()]
                   for args in ([], ["--brief"])]
    assert len(full) == len(brief) == 501
    for a, b in zip(full, brief):
        assert b["currency"] == "USD" and {k: a[k] for k in ("t", "generation", "flags")} == {k: b[k] for k in ("t", "generation", "flags")}
        for policy, models in a["policies"].items():
            for model, rows in models.items():
                assert [[r["platform"], round(r["weight"] * 256)] for r in rows if r["state"] != "drained"] == [r[:2] for r in b["policies"][policy][model]]
    assert any(r["state"] == "drained" for r in full[-1]["policies"]["quick"]["m"])
    costs = {r[0]: r[2] for r in brief[-1]["policies"]["quick"]["m"]}
    assert costs == {"swift": round((1000 * 0.4 + 300 * 1.6) * 1e6), "cheap": round((1000 * 0.1 + 300 * 0.4) * 1e6)}
