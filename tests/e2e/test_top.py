"""routectl top in a real terminal (tmux), against the real daemon and simulated relays: what stands on the screen, what keys do, how it ends.

Nothing sleeps: each step looks at the screen until it shows what it should, or a deadline passes.
"""
import os
import pty
import re
import shutil
import signal
import subprocess
import tempfile
import unicodedata

import pytest

from daemon import BUILD, DEADLINE, Probed, wait_until
from relaysim import Relaysim, program
from world import config, platform, probes

ROUTECTL = os.path.join(BUILD, "routectl")
TMUX = shutil.which("tmux")
SETPRIV = shutil.which("setpriv")
pytestmark = [
    pytest.mark.skipif(not os.access(program(), os.X_OK) or not os.access(ROUTECTL, os.X_OK), reason="probed and relaysim are not built"),
    pytest.mark.skipif(not TMUX, reason="tmux is not installed"),
]

RED = "\x1b[31m"
TITLE = "硅基流动"
HOSTILE = "queue \x1b[2J full \x1b]0;owned\x07"


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Top:
    """A shell in a tmux of its own, and routectl top in that."""

    def __init__(self, d, *args, columns=80, rows=24, env="", prefix="", term="screen-256color"):
        self.dir = tempfile.mkdtemp(prefix="top-")
        self.d, self.server = d, os.path.join(self.dir, "tmux")
        self.command = f"{env} {prefix} {ROUTECTL} --socket {d.socket} top {' '.join(args)}; echo exit=$?"
        environment = dict(os.environ, LC_ALL="C.UTF-8", TERM="xterm-256color")
        environment.pop("TMUX", None)
        environment.pop("NO_COLOR", None)
        self.conf = os.path.join(self.dir, "conf")
        with open(os.path.join(self.dir, "rc"), "w") as f:
            f.write("PS1='ready> '\n")
        with open(self.conf, "w") as f:
            f.write(f"set -g default-terminal {term}\nset -g escape-time 0\nset -g status off\n")
        subprocess.run([TMUX, "-S", self.server, "-f", self.conf, "-u", "new-session", "-d", "-x", str(columns), "-y", str(rows), "-s", "t",
                        f"bash --noprofile --rcfile {self.dir}/rc"], env=environment, check=True)

    def tmux(self, *args):
        return subprocess.run([TMUX, "-S", self.server, *args], check=True, capture_output=True, text=True, timeout=20).stdout

    def __enter__(self):
        self.until("ready>")
        self.write("echo before-top")
        self.until(r"^before-top")
        self.write(self.command)
        return self

    def __exit__(self, kind, *_):
        if kind:
            print("--- the screen ---\n" + "\n".join(self.screen()))
        subprocess.run([TMUX, "-S", self.server, "kill-server"], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def keys(self, *names):
        self.tmux("send-keys", "-t", "t", *names)

    def text(self, text):
        self.tmux("send-keys", "-t", "t", "-l", text)

    def write(self, line):
        self.text(line)
        self.keys("Enter")

    def size(self, columns, rows):
        self.tmux("resize-window", "-t", "t", "-x", str(columns), "-y", str(rows))

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "t").split("\n")

    def coloured(self):
        return self.tmux("capture-pane", "-p", "-e", "-t", "t")

    def until(self, *patterns, deadline=DEADLINE):
        """The screen, once a line of it matches each of the patterns."""
        def look():
            screen = self.screen()
            missing = [p for p in patterns if not any(re.search(p, line) for line in screen)]
            assert not missing, (missing, screen)
            return screen
        return wait_until(look, deadline, what=f"{patterns} on the screen")

    def until_not(self, pattern):
        def look():
            screen = self.screen()
            assert not any(re.search(pattern, line) for line in screen), screen
            return screen
        return wait_until(look, what=f"no {pattern} on the screen")

    def order(self):
        """The platforms of the list, from the top."""
        return [m.group(1) for line in self.screen() if (m := re.match(r"[> ] +\*?\d+ (?:\S+ +)??(a|b|slow|dead)\b", line))]

    def pid(self):
        shell = int(self.tmux("display-message", "-p", "-t", "t", "#{pane_pid}"))

        def children(p):
            with open(f"/proc/{p}/task/{p}/children") as f:
                return [int(c) for c in f.read().split()]
        for child in children(shell):
            for p in [child, *children(child)]:
                if os.path.basename(os.readlink(f"/proc/{p}/exe")) == "routectl":
                    return p
        return None

    def restored(self, code=0):
        """The terminal is as it was: the shell's own lines, a cursor, echo."""
        screen = self.until(rf"exit={code}\b")
        assert any(line.startswith("before-top") for line in screen), screen
        assert self.tmux("display-message", "-p", "-t", "t", "#{alternate_on}#{cursor_flag}").strip() == "01"
        self.write("echo sum-$((40+2)); stty -a | grep -c -w -e '-icanon' -e '-echo'")
        screen = self.until(r"^sum-42", r"^0$")
        assert any("echo sum-$((40+2))" in line for line in screen), "typing is not echoed"


@pytest.fixture(scope="module")
def sim():
    quick = {"first_token": 5, "gap": 1}
    with Relaysim([{"name": "a", "models": ["m", "long/model-name-of-some-length"], "behaviour": quick},
                   {"name": "b", "models": ["m"], "behaviour": quick},
                   {"name": "slow", "models": ["m"], "behaviour": {"first_token": 250, "gap": 1}}]) as s:
        s.set("b", error="server", message=HOSTILE)
        yield s


def make_config(sim, **more):
    price = {"input": "0.10 USD/1M", "output": "0.40 USD/1M"}
    dear = {"input": "0.50 USD/1M", "output": "2 USD/1M"}
    return config({
        "a": platform(sim.url("a"), models=("m", "long/model-name-of-some-length"), title=TITLE, price=dear),
        "b": platform(sim.url("b"), models=("m",), title="Relay B", price=price),
        "slow": platform(sim.url("slow"), models=("m",), price=price),
        "dead": platform("http://127.0.0.1:1", models=("m",)),
    }, probes=probes(chat_interval=1600, chat_fast=200), **more)


@pytest.fixture(scope="module")
def d(sim):
    with Probed(make_config(sim)) as daemon:
        daemon.wait(lambda: daemon.row("m", "a")["state"] == daemon.row("m", "slow")["state"] == "up")
        daemon.wait(lambda: daemon.row("m", "dead")["state"] == daemon.row("m", "b")["state"] == "down")
        yield daemon


def fits(screen, columns):
    assert all(width(line) <= columns for line in screen), screen
    return screen


def test_eighty_columns(d):
    with Top(d) as top:
        screen = top.until(r"^probed \S+ on test  policy quick  all models", r"table \d+ s old, good for \d+ s", r"3 up 2 down", r"\+ up", r"x down",
                           r"TTFT +AVAIL +IN/1M WEIGHT", r"^EVENTS", r"b/m: .*down", r"^q quit \? help e explain .* u enable$")
        fits(screen, 80)
        assert len([line for line in screen if line]) <= 24
        top.until("[▁▂▃▄▅▆▇█↑]", "100%")  # sparklines, and a bar
        assert RED in top.coloured() and "\x1b[32m" in top.coloured()
        top.keys("q")
        top.restored()


def test_hostile_words_do_nothing(d):
    with Top(d, columns=200, rows=50) as top:
        top.until(r"b/m: .*: queue \S*\[2J full \S*\]0;owned")
        assert "owned" not in top.tmux("display-message", "-p", "-t", "t", "#{pane_title}")
        top.keys("q")
        top.restored()


def test_resizing_while_it_runs(d):
    with Top(d) as top:
        top.until(r"^probed ")
        top.size(200, 50)
        screen = fits(top.until("SCORE", "OUT/1M", "WHY", TITLE), 200)
        # Behind wide characters the columns stand where they stand elsewhere.
        starts = {width(line[:line.index(word)]) for line in screen for word in ("+ up", "x down") if word in line and re.match("[> ] +[0-9]", line)}
        assert len(starts) == 1, screen
        assert any("long/model-name-of-some-length" in line for line in screen)
        top.size(40, 10)
        screen = fits(top.until(r"q quit", r"\d of \d up", r"x down"), 40)
        assert len(screen) <= 11 and not any("EVENTS" in line for line in screen)
        top.size(30, 8)
        top.until("40 columns and 10 rows")
        top.size(80, 24)
        top.until(r"^probed ", "EVENTS")
        top.keys("q")
        top.restored()


def test_sort_and_filter(d):
    with Top(d, "m") as top:
        top.until(r"^probed .* model m", r"slow")
        wait_until(lambda: sorted(top.order()) == ["a", "b", "dead", "slow"])
        top.keys("s")  # by state, the worst first
        top.until("Sorted by state", "STATE▼")
        wait_until(lambda: set(top.order()[:2]) == {"b", "dead"})
        top.keys("S")
        wait_until(lambda: set(top.order()[:2]) == {"a", "slow"})
        top.keys("s", "s")  # first token, then its 95th percentile
        top.until("▲P95")
        wait_until(lambda: [p for p in top.order() if p in ("a", "slow")] == ["a", "slow"])
        top.keys("S")
        wait_until(lambda: [p for p in top.order() if p in ("a", "slow")] == ["slow", "a"])
        top.text("/UP sl")  # as typed
        top.until("Filter: UP sl")
        wait_until(lambda: top.order() == ["slow"])
        top.keys("Enter")
        top.until("/UP sl: 1 of all")
        top.keys("Escape")
        wait_until(lambda: len(top.order()) == 4)
        top.text("/" + TITLE)  # 中文 as typed
        wait_until(lambda: top.order() == ["a"])
        top.keys("BSpace")
        top.until("Filter: " + TITLE[:-1])
        top.keys("Escape", "q")
        top.restored()


def test_drain_pin_enable(d):
    with Top(d, "m") as top:
        top.until(r"^probed .* model m", r"^q quit")
        top.text("/slow")
        top.keys("Enter")
        wait_until(lambda: top.order() == ["slow"])
        top.keys("d")
        top.until(r"Drain slow/m\?", "Reason")
        assert not d.status()["overrides"]  # one key does nothing
        top.keys("Escape")
        top.until("Nothing was changed")
        top.keys("d")
        top.until(r"Drain slow/m\?")
        top.text("换钥匙 q")
        top.until("换钥匙 q")
        top.keys("Up")
        top.until("How long +10m")
        top.keys("Enter")
        top.until("slow/m is drained for 10m", "= drained")
        word = d.status()["overrides"][0]
        assert (word["action"], word["platform"], word["model"], word["reason"]) == ("drain", "slow", "m", "换钥匙 q"), word
        assert 590 < word["expires_at"] - word["made_at"] <= 600
        top.keys("u")
        top.until(r"Enable slow/m\?")
        top.keys("Enter")
        top.until("slow/m is enabled")
        d.wait(lambda: not any(o["action"] == "drain" for o in d.status()["overrides"]))
        top.keys("n", "Tab")
        top.until(r"Pin all of slow\?")
        top.keys("Enter")
        top.until("slow is pinned until it is taken back")
        d.wait(lambda: [(o["action"], o["platform"], o["model"]) for o in d.status()["overrides"] if o["action"] == "pin"] == [("pin", "slow", None)])
        top.until(r"^> +\*\d+ slow")
        d.post("/v1/override", {"action": "enable", "platform": "slow", "model": None, "for_s": None, "reason": ""})
        d.post("/v1/override", {"action": "enable", "platform": "slow", "model": "m", "for_s": None, "reason": ""})
        top.keys("q")
        top.restored()


@pytest.mark.skipif(os.geteuid() != 0 or not SETPRIV, reason="needs root and setpriv")
def test_a_refusal_is_a_sentence(sim):
    with Probed(make_config(sim, socket_mode="0666")) as d:
        os.chmod(d.dir, 0o755)
        with Top(d, "m", prefix=f"{SETPRIV} --reuid 65534 --regid 65534 --clear-groups") as top:
            top.until(r"^probed .* model m", r"^> ")
            top.keys("d")
            top.until(r"Drain \w+/m\?")
            top.keys("Enter")
            top.until("^Refused: .*admin")
            assert not d.status()["overrides"]
            top.keys("q")
            top.restored()


def test_policy_model_explain_help_pause(d):
    with Top(d) as top:
        top.until(r"policy quick  all models")
        top.keys("p")
        top.until("Which policy", "> quick +now", "honest")
        top.keys("Down", "Enter")
        top.until("policy honest  all models")
        top.keys("m")
        top.until("> all models", "long/model-name")
        top.text("LONG")
        top.keys("Enter")
        top.until("policy honest  model long/model-name-of-some-length", "^> +1 a ")
        top.keys("Enter")
        top.until("Why a/long/model-name-of-some-length stands", "Expected loss of one request", "lines 1-")
        top.keys("NPage")
        top.until_not("lines 1-")
        top.keys("Home")
        top.size(120, 40)
        top.until("Why a/long/model-name-of-some-length stands", "Expected loss of one request")
        top.keys("Escape", "?")
        top.until("Moving", "drain: no requests")
        top.keys("q", "Space")
        top.until("PAUSED for")
        top.keys("Space")
        top.until_not("PAUSED")
        top.keys("w")
        top.until("policy honest")
        top.keys("q")
        top.restored()


def test_suspend_and_go_on(d):
    with Top(d) as top:
        top.until(r"^probed ")
        top.keys("C-z")
        screen = top.until("Stopped")
        assert any(line.startswith("before-top") for line in screen), screen
        top.write("fg >/dev/null; echo exit=$?")
        top.until(r"^probed ", "EVENTS")
        top.keys("Down")
        top.until(r"^> +1 m ")
        top.keys("q")
        top.restored()


@pytest.mark.parametrize("number,code", [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGHUP, 0), (signal.SIGSEGV, 139), (signal.SIGABRT, 134)])
def test_signals_leave_the_terminal_sane(d, number, code):
    if "san" in BUILD and number in (signal.SIGSEGV, signal.SIGABRT):
        pytest.skip("the sanitizer ends it in a way of its own")
    with Top(d, prefix="env --") as top:
        top.until(r"^probed ")
        os.kill(wait_until(top.pid), number)
        top.restored(code)


def test_the_daemon_goes_and_comes_back(sim):
    with Probed(make_config(sim)) as d:
        d.wait(lambda: d.row("m", "a")["state"] == "up")
        with Top(d) as top:
            top.until(r"^probed ", r"\+ up")
            d.stop()
            screen = top.until(r"NOT CONNECTED for", r"table \d+ s old")
            assert any("+ up" in line for line in screen)  # the last data stay
            assert "\x1b[2m" in top.coloured()
            top.keys("Down")  # and keys work
            top.until(r"^> +1 m ")
            top.keys("d", "Enter")
            top.until("The daemon could not be asked")
            d.start()
            top.until(r"good for \d+ s", r"\+ up")
            top.until_not("NOT CONNECTED")
            top.keys("q")
            top.restored()
            d.stop()
        with Top(d) as top:
            top.until("probed is not running", "exit=3")


def test_poor_terminals(d):
    with Top(d, env="NO_COLOR=1") as top:
        top.until(r"^probed ", r"\+ up")
        assert not re.search(r"\x1b\[[0-9;]*3[1-7]m", top.coloured())
        top.keys("q")
        top.restored()
    with Top(d, env="TERM=vt100 LC_ALL=C") as top:
        screen = top.until(r"^probed ", r"\+ up", "100%")
        assert not any(re.search("[▀-▟]", line) for line in screen), screen
        assert not re.search(r"\x1b\[[0-9;]*3[1-7]m", top.coloured())
        top.keys("q")
        top.until("exit=0")
    with Top(d, env="TERM=linux", term="linux") as top:
        top.until(r"^probed ", r"\+ up")
        top.keys("q")
        top.until("exit=0")
    with Top(d, env="TERM=no-such-terminal") as top:
        top.until("TERM=no-such-terminal is not known", "exit=2")


def test_it_needs_a_terminal(d):
    done = d.routectl("top")
    assert (done.returncode, done.stdout) == (2, "") and "needs a terminal" in done.stderr
    done = d.routectl("top", "--json")
    assert (done.returncode, done.stdout) == (2, "") and "routectl watch --json" in done.stderr
    done = d.routectl("top", "--tsv")
    assert done.returncode == 2 and "routectl watch --tsv" in done.stderr
    main, side = pty.openpty()
    try:
        done = subprocess.run([ROUTECTL, "--socket", d.socket, "top", "no-such-model"], stdin=side, stdout=side, stderr=subprocess.PIPE, text=True,
                              env=dict(os.environ, TERM="xterm"), timeout=20)
    finally:
        os.close(main)
        os.close(side)
    assert done.returncode == 1 and "no-such-model" in done.stderr
