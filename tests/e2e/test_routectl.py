"""routectl, every verb, against the real daemon: what it prints in each form, what it exits with, and that it prints nothing where it must not."""
import errno
import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time

import pytest

from daemon import BUILD, Probed, wait_until
from relaysim import Relaysim, program
from world import config, platform, probes

ROUTECTL = os.path.join(BUILD, "routectl")
pytestmark = pytest.mark.skipif(not os.access(program(), os.X_OK) or not os.access(ROUTECTL, os.X_OK), reason="probed and relaysim are not built")

OK, REFUSED, USAGE, UNREACHABLE, NO_ROUTE, STALE = range(6)
KEY = "sk-live-ALPHA-0123456789abcdefghij"
PRICES = [{"input": "0.10 USD/1M", "output": "0.40 USD/1M"}, {"input": "0.20 USD/1M", "output": "0.80 USD/1M"}]


@pytest.fixture(scope="module")
def sim():
    quick = {"first_token": 5, "gap": 1}
    with Relaysim([{"name": "a", "models": ["m", "上游/m-2"], "behaviour": quick}, {"name": "b", "models": ["vendor/m"], "behaviour": {**quick, "first_token": 200}}]) as s:
        yield s


def make_config(sim, **more):
    a = platform(sim.url("a"), models=("m", "only-a"), key={"env": "ALPHA_KEY"}, title="硅基平台", price=PRICES[0], tags={"region": "cn"})
    a["models"]["only-a"]["upstream"] = "上游/m-2"
    b = platform(sim.url("b"), models=("m",), upstream="vendor/m", title="Relay B", price=PRICES[1])
    dead = platform("http://127.0.0.1:1", models=("gone",))
    return config({"a": a, "b": b, "dead": dead}, lease="5s", probes=probes(chat_interval=2000, chat_fast=200), **more)


@pytest.fixture(scope="module")
def d(sim):
    """One daemon for all that does not break it: a and b work, "gone" has one platform only, which is down."""
    with Probed(make_config(sim), env={"ALPHA_KEY": KEY}) as daemon:
        daemon.wait(lambda: daemon.row("m", "a")["state"] == daemon.row("m", "b")["state"] == "up" and daemon.row("gone", "dead")["state"] == "down")
        daemon.wait(lambda: daemon.first("m") == "a")
        yield daemon


def say(d, action, name, model=None):
    d.post("/v1/override", {"action": action, "platform": name, "model": model, "for_s": None, "reason": ""})


@pytest.fixture(autouse=True)
def no_overrides(d):
    """Each test begins without overrides, with both routes for m in use."""
    for word in d.status()["overrides"]:
        say(d, "enable", word["platform"], word["model"])
    d.wait(lambda: all(d.row("m", name)["state"] == "up" and d.row("m", name)["reason"] not in ("drained", "pinned") for name in "ab"))


@pytest.fixture
def a_first(d):
    """An incumbent stays it when a drain is over; so b is drained where a test wants a to be the first for m."""
    if d.first("m") != "a":
        say(d, "drain", "b")
        d.wait(lambda: d.first("m") == "a")
        say(d, "enable", "b")
    d.wait(lambda: d.row("m", "b")["state"] == "up" and d.first("m") == "a")


def run(d, *args, code=OK, **kw):
    got = d.routectl(*args, **kw)
    assert got.returncode == code, (args, got.returncode, got.stdout, got.stderr)
    assert "\033" not in got.stdout + got.stderr and KEY not in got.stdout + got.stderr
    return got


def as_json(d, *args, code=OK):
    return json.loads(run(d, *args, "--json", code=code).stdout)


def as_tsv(d, *args, code=OK):
    """{table or "fact": its rows, as dicts where the table has a head}."""
    ret, heads = {}, {}
    for line in run(d, *args, "--tsv", code=code).stdout.split("\n"):
        cells = line.split("\t")
        if line.startswith("#"):
            heads[cells[0][1:]] = cells[1:]
        elif line:
            head = heads.get(cells[0])
            if head:
                assert len(head) == len(cells) - 1, line
            ret.setdefault(cells[0], []).append(dict(zip(head, cells[1:])) if head else cells[1:])
    return ret


# --- reading --------------------------------------------------------------------------------------------------------------------

def test_status(d):
    text = run(d, "status").stdout
    assert "probed 0." in text and "硅基平台" in text and "env ALPHA_KEY" in text and "quick *" in text
    assert as_json(d, "status")["pid"] == d.process.pid
    tsv = as_tsv(d, "status")
    assert ["stale", "no"] in tsv["fact"]
    assert {p["platform"]: p["title"] for p in tsv["platforms"]}["a"] == "硅基平台"


def width(text):
    return sum(2 if 0x1100 <= ord(c) <= 0xffdc and ord(c) not in range(0x2000, 0x2e80) else 1 for c in text)


def test_tables_are_aligned(d):
    """Columns stand below each other, wide characters counted twice."""
    lines = run(d, "status").stdout.split("\n")
    head = next(i for i, x in enumerate(lines) if "PLATFORM" in x and "ENDPOINT" in x)
    column = width(lines[head].split("ENDPOINT")[0])
    rows = lines[head + 1:head + 4]
    assert len(rows) == 3 and all(width(x.split("http://")[0]) == column for x in rows), "\n".join(lines)


def test_routes(d, a_first):
    text = run(d, "routes").stdout
    assert re.search(r"^\s+1\s+a\s+up\b", text, re.M) and re.search(r"^\s+2\s+b\s+up\b", text, re.M) and "gone" in text
    one = run(d, "routes", "m").stdout
    assert "gone" not in one and "vendor/m" in one
    table = as_json(d, "routes", "m")
    assert [r["platform"] for r in table["models"][0]["routes"]] == ["a", "b"] and table["policy"] == "quick"
    assert as_json(d, "routes", "--policy", "honest")["policy"] == "honest"
    out = run(d, "routes", "m", "--tsv").stdout.split("\n")
    head, row = out[0].lstrip("#").split("\t"), out[1].split("\t")
    row = dict(zip(head, row))
    assert (row["model"], row["rank"], row["platform"], row["state"]) == ("m", "1", "a", "up") and float(row["ttft_ms"]) > 0
    assert (float(row["price_input"]), float(row["price_output"])) == (0.1, 0.4)
    assert "mm" in run(d, "routes", "mm", code=REFUSED).stderr
    assert "did you mean 'quick'" in run(d, "routes", "m", "--policy", "quik", code=REFUSED).stderr.lower()


def test_best(d, a_first):
    url = d.row("m", "a")["endpoint"]
    assert run(d, "best", "m", "-o", "url").stdout == url + "\n"
    assert run(d, "best", "m", "-o", "platform").stdout == "a\n"
    assert json.loads(run(d, "best", "m", "-o", "json").stdout)["key_env"] == "ALPHA_KEY" == as_json(d, "best", "m")["key_env"]
    assert "硅基平台" in run(d, "best", "m").stdout
    assert run(d, "best", "m", "-o", "pony", code=USAGE).stdout == ""


def test_nothing_is_printed_without_a_route(d):
    for name in ("a", "b"):
        run(d, "drain", name, "--for", "1m")
    d.wait(lambda: d.get("/v1/best?model=m").status == 503)
    for form in ("url", "platform", "env", "json"):
        got = run(d, "best", "m", "-o", form, code=NO_ROUTE)
        assert got.stdout == "" and "drained" in got.stderr, got
    for form in ((), ("--json",), ("--tsv",)):
        assert run(d, "best", "m", *form, code=NO_ROUTE).stdout == ""
    assert run(d, "best", "none", "-o", "env", code=REFUSED).stdout == ""
    nowhere = os.path.join(d.dir, "nowhere")
    assert run(d, "--socket", nowhere, "best", "m", "-o", "env", code=UNREACHABLE).stdout == ""
    script = f'eval "$({shlex.quote(ROUTECTL)} --socket {shlex.quote(d.socket)} best m -o env)"; echo "${{OPENAI_MODEL-unset}}"'
    got = subprocess.run(["sh", "-u", "-c", script], capture_output=True, text=True, timeout=20, env={"PATH": os.environ["PATH"]})
    assert got.stdout == "unset\n", got


def test_eval_in_a_shell(d, a_first):
    """sh -eu: the model's name there, the key by its variable's value, which routectl itself never sees."""
    command = f"{shlex.quote(ROUTECTL)} --socket {shlex.quote(d.socket)} best"
    script = f'eval "$({command} only-a -o env)"; printf "%s\\n" "$OPENAI_BASE_URL" "$OPENAI_MODEL" "$OPENAI_API_KEY" "$PROBED_PLATFORM" "$PROBED_MODEL"'
    env = {"PATH": os.environ["PATH"], "ALPHA_KEY": "it's $HOME `id` \"q\""}
    got = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, timeout=20, env=env)
    assert got.returncode == 0 and got.stderr == "", got
    assert got.stdout.split("\n")[:-1] == [d.row("only-a", "a")["endpoint"], "上游/m-2", env["ALPHA_KEY"], "a", "only-a"]
    # A key that is not set: said on stderr, empty, and no error under -u.
    del env["ALPHA_KEY"]
    got = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, timeout=20, env=env)
    assert got.returncode == 0 and got.stdout.split("\n")[2] == "" and "ALPHA_KEY" in got.stderr
    # A platform without a key variable takes the other platform's key away.
    run(d, "drain", "a", "--for", "1m")
    d.wait(lambda: d.first("m") == "b" and d.get("/v1/best?model=m").json["platform"] == "b")
    script = f'eval "$({command} m -o env)"; printf "%s\\n" "${{OPENAI_API_KEY-unset}}" "$OPENAI_MODEL"'
    got = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, timeout=20, env={**env, "OPENAI_API_KEY": "of another"})
    assert got.stdout == "unset\nvendor/m\n", got


def test_explain(d, a_first):
    text = run(d, "explain", "a/m").stdout
    for part in ("硅基平台", "Expected loss", "failure", "waiting", "sum", "AVAIL", "chat"):
        assert part in text, part
    e = as_json(d, "explain", "b/m")
    assert sum(t["nano"] for t in e["terms"]) == e["loss_nano"] and e["rank"] == 2
    assert any(t["term"] == "waiting" for t in as_tsv(d, "explain", "b/m")["terms"])
    assert as_json(d, "explain", "b/m", "--policy", "honest")["policy"] == "honest"
    assert "refuse" in run(d, "explain", "dead/gone").stdout
    run(d, "explain", "a/none", code=REFUSED)
    assert "did you mean 'dead'" in run(d, "explain", "daed/gone", code=REFUSED).stderr.lower()
    run(d, "explain", "a", code=USAGE)


def test_compare(d):
    text = run(d, "compare", "a", "b").stdout
    for part in ("From a to b", "硅基平台", "env ALPHA_KEY", "only-a", "vendor/m", "Only a has", "What to change"):
        assert part in text, text
    assert re.search(r"What would be lost\n(.+\n)*.*only-a", text), text
    tsv = as_tsv(d, "compare", "a", "b")
    both = tsv["both"][0]
    assert (both["model"], both["name_from"], both["name_to"]) == ("m", "m", "vendor/m")
    assert float(both["cost_change"]) == pytest.approx(1.0, abs=0.01) and float(both["ttft_change"]) > 1
    assert tsv["only_from"][0]["model"] == "only-a"
    assert as_json(d, "compare", "a", "b")
    back = run(d, "compare", "b", "a").stdout
    lost = back.split("What would be lost\n")[1].split("\n\n")[0]
    assert lost.strip(), "where nothing is lost that is said"
    assert "did you mean 'dead'" in run(d, "compare", "a", "deed", code=REFUSED).stderr.lower()
    run(d, "compare", "a", code=USAGE)


def test_check(d):
    got = run(d, "check", "m")
    assert re.search(r"^\s*ok\s+model m", got.stdout, re.M)
    got = run(d, "check", code=NO_ROUTE)
    assert re.search(r"^\s*FAIL\s+model gone", got.stdout, re.M)
    assert run(d, "check", "none", code=NO_ROUTE)
    tsv = run(d, "check", "m", "--tsv").stdout
    assert "\tmodel m\t" in tsv
    assert as_json(d, "check", "m")["exit"] == 0
    assert "not reachable" in run(d, "--socket", os.path.join(d.dir, "nowhere"), "check", code=UNREACHABLE).stdout


# --- acting ---------------------------------------------------------------------------------------------------------------------------

def test_drain_pin_enable(d):
    said = run(d, "drain", "a", "--for", "2h", "--reason", "升级 it's").stdout
    assert "a is drained for 2h" in said
    d.wait(lambda: d.row("m", "a")["slots"] == 0 and d.first("m") == "b")
    word = next(w for w in d.status()["overrides"] if w["platform"] == "a")
    assert word["reason"] == "升级 it's" and abs(word["expires_at"] - time.time() - 7200) < 60
    shown = run(d, "status").stdout
    assert "升级" in shown and "drain" in shown
    assert "drained" in run(d, "explain", "a/m").stdout
    run(d, "enable", "a")
    d.wait(lambda: d.row("m", "a")["reason"] != "drained")

    run(d, "drain", "b")
    d.wait(lambda: d.first("m") == "a")
    run(d, "enable", "b")
    assert "until it is taken back" in run(d, "pin", "b/m").stdout
    d.wait(lambda: d.first("m") == "b" and d.row("m", "b")["reason"] == "pinned")
    assert as_json(d, "enable", "b/m", "--for", "1m", "--reason", "x")["action"] == "enable"
    d.wait(lambda: d.row("m", "b")["reason"] != "pinned")
    run(d, "enable", "b/m")
    assert "action\tdrain\n" in run(d, "drain", "b", "--for", "1m", "--tsv").stdout

    run(d, "drain", "none", code=REFUSED)
    run(d, "drain", "a/none", code=REFUSED)
    run(d, "drain", "a", "--reason", "x" * 200, code=USAGE)
    run(d, "drain", "a", "--for", "2 apples", code=USAGE)
    run(d, "drain", "a", "--for", "60", code=USAGE)
    run(d, "drain", code=USAGE)


def test_probe(d, sim):
    seq = sim.seq
    said = run(d, "probe", "a/m").stdout
    assert "being probed" in said
    assert sim.wait("a", kind="chat", since=seq, timeout=10)
    run(d, "probe", "b")
    run(d, "probe", "a/none", code=REFUSED)
    assert as_json(d, "probe", "a/m")


def test_reload(d, sim):
    assert "read again" in run(d, "reload").stdout
    assert as_json(d, "reload")["ok"] is True
    try:
        d.write("probed.yaml", "modls: {}\nlease: 5\n")
        got = run(d, "reload", code=REFUSED)
        assert re.search(r"probed\.yaml:1:1: error: ", got.stdout) and re.search(r"probed\.yaml:2:8: error: ", got.stdout) and "^" in got.stdout, got
        assert "models" in got.stdout and "old one stays" in got.stderr
        assert re.search(r"FAIL\s+configuration", run(d, "check", "m", code=REFUSED).stdout)
        assert "probed.yaml:1:1" in run(d, "status").stdout
    finally:
        d.write("probed.yaml", make_config(sim))
        run(d, "reload")


# --- words ----------------------------------------------------------------------------------------------------------------------------

def test_usage(d):
    assert "did you mean 'routes'" in run(d, "ruotes", code=USAGE).stderr.lower()
    assert "did you mean --policy" in run(d, "routes", "--polcy", "x", code=USAGE).stderr.lower()
    for args in ((), ("best",), ("best", "m", "n"), ("best", ""), ("routes", "--json", "--tsv"), ("status", "--policy", "x"), ("watch", "-n", "0"),
                 ("best", "m", "-o", "url", "--tsv"), ("routes", "--timeout", "soon"), ("best", "m", "-o")):
        got = run(d, *args, code=USAGE)
        assert got.stdout == "" and got.stderr.startswith("routectl: "), got
    assert "drain" in run(d, "help").stdout and "--policy" in run(d, "help", "routes").stdout
    assert run(d, "best", "--help").stdout.startswith("routectl best")
    assert run(d, "--version").stdout.startswith("routectl 0.") and run(d, "version").stdout.startswith("routectl ")


def test_socket_by_the_environment_and_nobody_there(d):
    got = subprocess.run([ROUTECTL, "routes", "m"], env=dict(os.environ, PROBED_SOCKET=d.socket), capture_output=True, text=True, timeout=20)
    assert got.returncode == OK and "vendor/m" in got.stdout
    got = run(d, "--socket", os.path.join(d.dir, "nowhere"), "status", code=UNREACHABLE)
    assert got.stdout == "" and "not running" in got.stderr
    path = os.path.join(d.dir, "dead")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    assert "nobody listens" in run(d, "--socket", path, "status", code=UNREACHABLE).stderr


class Canned:
    """Answers each request of one client after the other with the same bytes: the daemon as it was, when nobody renews its lease."""

    def __init__(self, path, answer):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(8)
        self.answer = answer
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            with s:
                s.settimeout(5)
                data = b""
                while b"\r\n\r\n" not in data and (chunk := s.recv(65536)):
                    data += chunk
                s.sendall(self.answer)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


@pytest.mark.parametrize("args,target", [(("routes", "m"), "/v1/routes?model=m"), (("best", "m", "-o", "platform"), "/v1/best?model=m"),
                                         (("explain", "a/m"), "/v1/explain?platform=a&model=m"), (("status",), "/v1/status"), (("check",), "/v1/status")])
def test_a_stale_table_is_shown_and_told(d, args, target):
    real = d.get(target)
    past = f"{time.time() - 90:.3f}"
    body = re.sub(r'"valid_until":[0-9.]+', f'"valid_until":{past}', real.body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    head += f"X-Probed-Generation: {real.headers['x-probed-generation']}\r\nX-Probed-Valid-Until: {int(float(past))}\r\n\r\n"
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "s")
        canned = Canned(path, head.encode() + body)
        try:
            got = d.routectl("--socket", path, *args)
        finally:
            canned.close()
    if args == ("check",):  # then asks for routes, and is given no table
        assert got.returncode != OK and re.search(r"FAIL\s+table\s+stale", got.stdout), got
    else:
        assert got.returncode == STALE and got.stdout and "stale" in got.stderr, got


# --- the terminal -----------------------------------------------------------------------------------------------------------------------

class Terminal:
    """A command with a terminal of 120 x 40 as its output."""

    def __init__(self, d, *args, env=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
        environment.update({"TERM": "xterm"}, **(env or {}))
        self.process = subprocess.Popen([ROUTECTL, "--socket", d.socket, *args], stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        self.data = b""

    def read(self):
        while select.select([self.master], [], [], 0.02)[0]:
            try:
                chunk = os.read(self.master, 65536)
            except OSError as e:
                assert e.errno == errno.EIO
                break
            if not chunk:
                break
            self.data += chunk
        return self.data.decode(errors="replace")

    def text(self):
        """What it has shown, without colours and movements."""
        return re.sub("\033\\[[0-9;?]*[A-Za-z]", "", self.read())

    def end(self, deadline=10):
        end = time.monotonic() + deadline
        while self.process.poll() is None and time.monotonic() < end:
            self.read()
        return self.process.poll()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


COLOUR = re.compile("\033\\[[0-9;]*[1-9][0-9;]*m")


def test_colours_only_where_they_are_wanted(d):
    def shown(*args, env=None):
        with Terminal(d, *args, env=env) as t:
            assert t.end() == 0
            return t.read()
    assert COLOUR.search(shown("routes", "m"))
    assert not COLOUR.search(shown("routes", "m", env={"NO_COLOR": "1"}))
    assert not COLOUR.search(shown("routes", "m", env={"TERM": "dumb"}))
    assert not COLOUR.search(shown("routes", "m", "--no-color"))
    assert "\033" not in shown("status", env={"NO_COLOR": "1"})
    json.loads(re.sub("\033\\[[0-9;]*m", "", shown("routes", "m", "--json")))
    run(d, "routes", "m")  # a pipe


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_watch_on_a_terminal(d, sig):
    with Terminal(d, "watch", "m") as t:
        wait_until(lambda: re.search(r"\b1\s+[ab]\s+up\b", t.text()), what="the table is shown")
        assert "\033[?25l" in t.read()
        at = len(t.text())
        d.post("/v1/override", {"action": "drain", "platform": "a", "model": None, "for_s": 60, "reason": ""})
        wait_until(lambda: "drained" in t.text()[at:], what="the change is shown")
        t.process.send_signal(sig)
        assert t.end() == 0
        text = t.read()
        assert text.rindex("\033[?25h") > text.rindex("\033[?25l"), "the cursor is shown again"
        assert "\033[?7h" in text[text.rindex("\033[?7l"):], "lines wrap again"
    d.wait(lambda: d.status()["watchers"] == 0)


def test_watch_without_a_terminal(d):
    got = run(d, "watch", "m", "--count", "1")
    assert re.search(r"^\s+1\s+[ab]\s+up\b", got.stdout, re.M)
    lines = run(d, "watch", "m", "--json", "-n", "1").stdout.strip().split("\n")
    assert json.loads(lines[0])["models"][0]["model"] == "m"
    began = time.monotonic()
    run(d, "watch", "m", "--for", "300ms")
    assert time.monotonic() - began < 5
    assert "none" in run(d, "watch", "none", code=REFUSED).stderr
    run(d, "--socket", os.path.join(d.dir, "nowhere"), "watch", code=UNREACHABLE)


def test_watch_comes_back_to_a_new_daemon(d, sim):
    """A restart in between: said once, and the new daemon's table is shown."""
    with Probed(make_config(sim), env={"ALPHA_KEY": KEY}) as own:
        w = subprocess.Popen([ROUTECTL, "--socket", own.socket, "watch", "m", "--json", "--for", "20s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            first = json.loads(w.stdout.readline())
            own.stop(signal.SIGKILL)
            own.start()
            end = time.monotonic() + 15
            while time.monotonic() < end:
                table = json.loads(w.stdout.readline())
                if table["epoch"] != first["epoch"]:
                    break
            assert table["epoch"] > first["epoch"]
            w.send_signal(signal.SIGINT)
            _, err = w.communicate(timeout=10)
            assert w.returncode == 0 and "not connected any more" in err and "connected again" in err, (w.returncode, err)
        finally:
            if w.poll() is None:
                w.kill()
                w.wait()
