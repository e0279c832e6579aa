"""routectl history, events and report against a made-up daemon: what is asked, what is shown in each form, and what is said when there is nothing."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from daemon import BUILD, wait_until
from fake_history import EVIL, Events, FakeDaemon, answers, event, status

ROUTECTL = os.path.join(BUILD, "routectl")
pytestmark = pytest.mark.skipif(not os.access(ROUTECTL, os.X_OK), reason="routectl is not built")

OK, REFUSED, USAGE, UNREACHABLE = range(4)


@pytest.fixture
def d():
    with tempfile.TemporaryDirectory() as directory, FakeDaemon(os.path.join(directory, "s"), answers(time.time())) as daemon:
        yield daemon


def command(d, *args, zone="UTC", **env):
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "PROBED_SOCKET")}
    return [ROUTECTL, "--socket", d.path, *args], {**clean, "TZ": zone, **env}


def run(d, *args, code=OK, **kw):
    argv, env = command(d, *args, **kw)
    got = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30)
    assert got.returncode == code, (args, got.returncode, got.stdout, got.stderr)
    assert "\033" not in got.stdout + got.stderr and "\u202e" not in got.stdout + got.stderr
    return got


def tsv(text):
    """Rows as dicts, by table; "" is the only one."""
    heads, rows = {}, {}
    for line in text.splitlines():
        cells = line.split("\t")
        if line.startswith("#"):
            name = cells[0][1:]
            heads[name] = cells[1:] if name in ("platforms", "models", "incidents", "prices", "loads", "days") else [name, *cells[1:]]
            last = name
        elif cells[0] in heads:
            rows.setdefault(cells[0], []).append(dict(zip(heads[cells[0]], cells[1:])))
        else:
            assert len(cells) == len(heads[last])
            rows.setdefault("", []).append(dict(zip(heads[last], cells)))
    return rows


def screen(d, *args, columns=80, rows=24, term="xterm-256color", **kw):
    """What a terminal of that size gets."""
    argv, env = command(d, *args, TERM=term, **kw)
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(argv[0], argv, env)
    import fcntl
    import struct
    import termios
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    out, end = b"", time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if select.select([fd], [], [], 0.2)[0]:
                got = os.read(fd, 65536)
                if not got:
                    break
                out += got
        except OSError:
            break
    os.close(fd)
    return os.waitpid(pid, 0)[1], out.decode().replace("\r\n", "\n")


# --- history ----------------------------------------------------------------------------------------------------------------

def asked(d, path):
    return [query for where, query in d.asked if where == path][-1]


def test_history_asks_for_what_it_draws(d):
    text = run(d, "history", "quick/m1", "--since", "24h").stdout
    query = asked(d, "/v1/history")
    assert query["route"] == ["quick/m1"] and query["metric"] == ["ttft"] and query["points"] == ["200"]
    assert abs(float(query["until"][0]) - time.time()) < 20
    assert abs(float(query["until"][0]) - float(query["since"][0]) - 86400) < 1
    assert "Time to first token, median (fine dots: 95th percentile)" in text and "UTC, a point each 10m" in text
    assert "quick/m1" in text and "└" in text and re.search("[\u2801-\u28ff]", text)
    assert all(len(line) <= 100 for line in text.splitlines())


def test_history_takes_times_and_zones(d):
    text = run(d, "history", "p1", "--since", "2026-10-01", "--until", "2026-10-03T12:00", "--metric", "price", zone="CST-8").stdout
    query = asked(d, "/v1/history")
    assert float(query["since"][0]) == 1790812800 - 8 * 3600 and float(query["until"][0]) == 1790812800 + 52 * 3600
    assert "2026-10-01 00:00 to 2026-10-03 12:00 CST (UTC+08:00)" in text and "10-02" in text and "$0.18" in text
    assert text.count("CST") == 1


@pytest.mark.parametrize("metric,words", [("availability", "100%"), ("speed", "tok/s"), ("rank", "Rank in policy quick"), ("balance", "$"), ("total", "median"), ("price", "$0.15")])
def test_history_metrics(d, metric, words):
    assert words in run(d, "history", "p1/m1", "--metric", metric, "--policy", "quick").stdout
    assert asked(d, "/v1/history")["policy"] == ["quick"]


def test_history_for_programs(d):
    got = json.loads(run(d, "history", "p1/m1", "gap/x", "--json").stdout)
    assert [s["platform"] for s in got["series"]] == ["p1", "gap"] and got["unit"] == "ms"
    rows = tsv(run(d, "history", "p1/m1", "gap/x", "--tsv").stdout)[""]
    assert len(rows) == sum(len(s["points"]) for s in got["series"]) and rows[0]["platform"] == "p1" and rows[-1]["model"] == "x"
    assert set(rows[0]) == {"platform", "model", "t", "n", "value", "low", "high"}
    assert tsv(run(d, "history", "p1/m1", "--tsv", "--metric", "price").stdout)[""][0]["output"] == "0.6"
    assert tsv(run(d, "history", "p1/m1", "--tsv", "--metric", "rank").stdout)[""][0]["weight"] == "0.25"


def test_history_of_many_fits_a_terminal(d):
    routes = ["gap/m1", "quick/m2", "slow/m3", "steady/m", "one/m", "none/m", "a/m", "b/m", "c/m", "d/m", "e/m", "硅基流动/通义千问"]
    for columns, rows in ((80, 24), (200, 50)):
        for n in (1, 2, 3, 4, 5, 12):
            code, out = screen(d, "history", *routes[:n], columns=columns, rows=rows)
            plain = re.sub("\033\\[[0-9;]*m", "", out)
            assert code == 0 and "\033" not in plain
            assert len(plain.splitlines()) < rows, plain
            for line in plain.splitlines():
                assert sum(2 if 0x2e80 <= ord(c) <= 0xffdc else 1 for c in line) <= columns, line
            for route in routes[:n]:
                assert route in plain
            assert "\033[36m" in out


def test_history_without_colour_is_not_overlaid(d):
    code, out = screen(d, "history", "quick/m", "slow/m", "--no-color")
    assert code == 0 and "\033" not in out and out.count("└") == 2 and "━━" not in out
    code, out = screen(d, "history", "quick/m", "slow/m")
    assert code == 0 and out.count("└") == 1 and out.count("━━") == 2


def test_history_on_a_console_without_braille(d):
    code, out = screen(d, "history", "quick/m", term="linux")
    assert code == 0 and re.search("[▀▄█]", out) and not re.search("[\u2801-\u28ff]", out)


def test_history_of_nothing_says_so(d):
    got = run(d, "history", "none/m").stdout
    assert "no platform 'none' in the configuration" in got
    assert "Nothing of this was recorded" in got and "--since 7d" in got and "└" not in got
    now = time.time()
    d.answers["/v1/status"] = {**status(now), "store": {"state": "full", "text": "no space on the disk", "why": "SQLite: " + EVIL, "oldest_at": now - 60}}
    got = run(d, "history", "none/m").stdout
    assert "no space on the disk: SQLite: e\\x1b[31m" in got and "single records begin" in got
    got = run(d, "history", "none/m", "--until", "2h", "--since", "3h").stdout
    assert "after that time" in got


def test_history_refuses(d):
    assert "Did you mean 'ttft'" in run(d, "history", "p1", "--metric", "ttf", code=USAGE).stderr
    assert "availability" in run(d, "history", "p1", "--metric", "weather", code=USAGE).stderr
    assert "usage" in run(d, "history", code=USAGE).stderr
    assert "no route" in run(d, "history", "/m", code=USAGE).stderr
    assert "before" in run(d, "history", "p", "--since", "1h", "--until", "2h", code=USAGE).stderr
    assert "no time" in run(d, "history", "p", "--since", "yesterday", code=USAGE).stderr
    assert "takes no --month" in run(d, "history", "p", "--month", "2026-10", code=USAGE).stderr
    d.answers["/v1/history"] = (404, {"title": "Not Found", "status": 404, "detail": "nothing is known of nope/m"})
    assert "nope/m" in run(d, "history", "nope/m", code=REFUSED).stderr
    d.answers["/v1/history"] = (503, {"title": "Service Unavailable", "status": 503, "detail": "nothing is recorded"})
    assert "nothing is recorded" in run(d, "history", "p", code=REFUSED).stderr
    d.stop()
    assert "not running" in run(d, "history", "p", code=UNREACHABLE).stderr


@pytest.mark.parametrize("answer", [{}, {"series": 3}, {"series": [{}, {"platform": 7, "points": [{}, 1, {"t": "x"}, {"t": 1e300, "value": 1}, {"t": 5, "value": None}]}]},
                                    {"step_s": -1, "series": [{"platform": EVIL, "points": [{"t": time.time(), "value": 1e300}]}] * 20}])
def test_history_survives_any_answer(d, answer):
    d.answers["/v1/history"] = answer
    for form in ((), ("--json",), ("--tsv",)):
        run(d, "history", "p1/m1", *form)


# --- events -----------------------------------------------------------------------------------------------------------------

def test_events(d):
    text = run(d, "events").stdout
    assert len(text.splitlines()) == 25 and text.splitlines()[0].strip().endswith("UTC") and "e\\x1b[31mvil|<b>" in text
    assert asked(d, "/v1/events")["after"] == ["0"]
    run(d, "events", "p1/m1", "--kind", "first", "--policy", "quick", "--until", "10m", "--since", "2h")
    query = asked(d, "/v1/events")
    assert (query["platform"], query["model"], query["name"], query["policy"]) == (["p1"], ["m1"], ["first"], ["quick"])
    assert abs(float(query["until"][0]) - time.time() + 600) < 20
    assert "Nothing happened" in run(d, "events", "--kind", "budget").stdout


def test_events_for_programs(d):
    got = json.loads(run(d, "events", "--json", "-n", "5").stdout)
    assert [e["id"] for e in got["events"]] == [20, 21, 22, 23, 24] and got["next"] == 24
    rows = tsv(run(d, "events", "--tsv").stdout)[""]
    assert len(rows) == 24 and rows[0]["id"] == "1" and rows[0]["name"] == "first" and rows[0]["policy"] == "-"
    assert run(d, "events", "--tsv", "--kind", "budget").stdout.count("\n") == 1  # the head alone


def test_events_come_in_pages(d):
    now = time.time()
    d.answers["/v1/events"] = Events(event(i, now - 3000 + i) for i in range(1, 2501))
    rows = tsv(run(d, "events", "--tsv").stdout)[""]
    assert [int(r["id"]) for r in rows] == list(range(1, 2501))
    assert sum(path == "/v1/events" for path, _ in d.asked) == 3


class Following:
    def __init__(self, d, *args):
        argv, env = command(d, "events", "-f", *args)
        self.process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.out, self.err = b"", b""

    def read(self):
        pipes = [self.process.stdout, self.process.stderr]
        for pipe in select.select(pipes, [], [], 0)[0]:
            got = os.read(pipe.fileno(), 65536)
            if pipe is self.process.stdout:
                self.out += got
            else:
                self.err += got
        return self.out.decode() + "\0" + self.err.decode()

    def wait_for(self, words):
        wait_until(lambda: words in self.read(), what=words)

    def end(self, number=None):
        if number:
            self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.out += self.process.stdout.read()
        self.err += self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def test_events_are_followed_over_a_restart(d):
    events = d.answers["/v1/events"]
    f = Following(d)
    f.wait_for("event 24")
    assert "event 14" not in f.read() and "event 15" in f.read()  # the last ten
    events.list.append(event(25, time.time()))
    f.wait_for("event 25")
    d.stop()
    f.wait_for("not connected any more")
    events.list.append(event(26, time.time()))
    d.start()
    f.wait_for("connected again")
    f.wait_for("event 26")
    events.list[:] = [event(1, time.time(), text="p1/m1: first of a new history")]
    d.stop()
    f.wait_for("trying again")
    wait_until(lambda: f.read().count("not connected any more") == 2)
    d.start()
    f.wait_for("begun anew")
    f.wait_for("first of a new history")
    assert f.end(signal.SIGINT) == OK
    shown = f.out.decode()
    assert all(shown.count(f"event {i}\n") == 1 for i in range(15, 27))


def test_following_ends(d):
    events = d.answers["/v1/events"]
    f = Following(d, "--count", "2", "--json")
    wait_until(lambda: any(path == "/v1/events" for path, _ in d.asked))
    time.sleep(0.1)
    events.list += [event(i, time.time()) for i in (25, 26, 27)]
    assert f.end() == OK
    assert [json.loads(line)["id"] for line in f.out.decode().splitlines()] == [25, 26]  # one a line
    begun = time.monotonic()
    f = Following(d, "--for", "1s", "--since", "1d", "--tsv")
    assert f.end() == OK and time.monotonic() - begun < 10
    assert len(f.out.decode().splitlines()) == 28
    f = Following(d, "--for", "1h")
    f.wait_for("event 27")
    d.answers["/v1/events"] = (403, {"title": "Forbidden", "status": 403, "detail": "not for you"})
    assert f.end() == REFUSED and b"not for you" in f.err
    f = Following(d)
    assert f.end() == REFUSED
    d.stop()
    f = Following(d)
    assert f.end() == UNREACHABLE


def test_following_ends_with_its_reader(d):
    f = Following(d)
    f.wait_for("event 24")
    f.process.stdout.close()
    assert f.process.wait(timeout=10) == OK
    f.process.stderr.close()


def test_events_refuses(d):
    assert "--until" in run(d, "events", "-f", "--until", "1h", code=USAGE).stderr
    assert "--follow" in run(d, "events", "--for", "1h", code=USAGE).stderr
    assert "duration" in run(d, "-f", "events", code=USAGE).stderr  # before the verb -f is --for
    assert "takes no --follow" in run(d, "status", "-F", code=USAGE).stderr
    helped = run(d, "help", "events").stdout
    assert "-f, --follow" in helped and re.search(r"^ +--for DURATION", helped, re.M)
    assert "-f, --for DURATION" in run(d, "help", "drain").stdout


# --- report -----------------------------------------------------------------------------------------------------------------

def test_report_is_markdown(d):
    text = run(d, "report", "--month", "2026-10", zone="CST-8").stdout
    query = asked(d, "/v1/report")
    assert float(query["since"][0]) == 1790812800 - 8 * 3600 and float(query["until"][0]) == 1793491200 - 8 * 3600
    assert text.startswith("# LLM relays, 2026-10-01 to 2026-10-31\n") and "CST (UTC+08:00)" in text and text.endswith("\n") and not text.endswith("\n\n")
    assert re.search(r"\| 硅基流动 +\| +99.78% \| 99.50% \| kept ", text) and re.search(r"\| Relay B +\| +99.00% \| 99.90% \| missed ", text)
    assert re.search(r"\| p3 +\| +100% \| +- \| no target ", text) and re.search(r"\| Idle +\| +- \| 90.00% \| no data ", text)
    assert "## 硅基流动 (p1)" in text and "kept, 43% of the failures it allows" in text and "goes on" in text and "+20%" in text
    assert "| 2-3 " in text and "10 older incidents are not listed" in text and re.search("[\u2801-\u28ff]", text)
    order = [text.index(f"| {name} ") for name in ("p3", "硅基流动", "Relay B", "Idle")]
    assert order == sorted(order)
    width = {sum(2 if 0x2e80 <= ord(c) <= 0xffdc else 1 for c in line) for line in text.split("## Models")[0].splitlines() if line.startswith("|")}
    assert len(width) <= 2  # two tables, each of one width


def test_report_is_html(d):
    path = os.path.join(os.path.dirname(d.path), "out.html")
    got = run(d, "report", "--month", "2026-10", "--html", "-o", path)
    assert path in got.stdout and "2026-10-01 to 2026-10-31" in got.stdout
    html = open(path, encoding="utf-8").read()
    assert html == run(d, "report", "--month", "2026-10", "--html").stdout
    assert html.startswith("<!DOCTYPE html>") and html.endswith("</html>\n") and html.count("<svg") == 2 + 2 * 4
    assert "<script" not in html and "<b>" not in html and "src=" not in html and "href=" not in html and "\033" not in html
    assert "&lt;b&gt;&amp;" in html and "prefers-color-scheme:dark" in html and "@media print" in html
    assert os.listdir(os.path.dirname(path)).count("out.html") == 1 and len(os.listdir(os.path.dirname(path))) == 2  # no temporary file
    assert "cannot write" in run(d, "report", "--html", "-o", "/nonexistent/x", code=REFUSED).stderr


def test_report_for_programs(d):
    got = json.loads(run(d, "report", "--month", "2026-10", "--json").stdout)
    assert [p["platform"] for p in got["platforms"]] == ["p1", "p2", "p3", "evil", "idle"]
    tables = tsv(run(d, "report", "--month", "2026-10", "--tsv").stdout)
    assert {p["platform"]: p["verdict"] for p in tables["platforms"]} == {"p1": "kept", "p2": "missed", "p3": "no target", "evil": "no target", "idle": "no data"}
    assert len(tables["models"]) == 8 and len(tables["incidents"]) == 78 and len(tables["prices"]) == 16 and tables["loads"] and tables["days"]
    path = os.path.join(os.path.dirname(d.path), "out.tsv")
    run(d, "report", "--month", "2026-10", "--tsv", "-o", path)
    assert open(path, encoding="utf-8").read() == run(d, "report", "--month", "2026-10", "--tsv").stdout


def test_report_of_some_and_of_now(d):
    text = run(d, "report", "p1", "idle").stdout
    assert asked(d, "/v1/report")["platform"] == ["p1", "idle"] and "Relay B" not in text and "Nothing was recorded of it" in text
    assert "before the end of that time" in text  # this month is not over
    assert float(asked(d, "/v1/report")["until"][0]) <= time.time() + 1
    run(d, "report", "--since", "7d")
    query = asked(d, "/v1/report")
    assert abs(float(query["until"][0]) - float(query["since"][0]) - 7 * 86400) < 1


def test_report_of_nothing_says_so(d):
    assert "Nothing was recorded in this time" in run(d, "report", "idle").stdout
    d.answers["/v1/report"] = {"since": 0, "until": 1, "platforms": []}
    path = os.path.join(os.path.dirname(d.path), "out")
    assert "Nothing was recorded" in run(d, "report", "-o", path).stdout


def test_report_refuses(d):
    assert "2026-10" in run(d, "report", "--month", "10/2026", code=USAGE).stderr
    assert "--month" in run(d, "report", "--month", "2026-10", "--since", "1d", code=USAGE).stderr
    assert "--html" in run(d, "report", "--html", "--json", code=USAGE).stderr
    assert "no platform 'ilde', now or in that time. Did you mean 'idle'" in run(d, "report", "ilde", code=REFUSED).stderr
    assert "not come yet" in run(d, "report", "--month", "2999-10", code=USAGE).stderr
    d.answers["/v1/report"] = (503, {"title": "Service Unavailable", "status": 503, "detail": "the history did not answer in time"})
    assert "in time" in run(d, "report", code=REFUSED).stderr


@pytest.mark.parametrize("answer", [{}, {"platforms": 7}, {"platforms": [{}, 3, {"platform": EVIL, "n": -1, "availability": "x", "days": [{"t": 1e300}], "models": [
    {"model": EVIL, "incidents": [{}, {"from": -1, "seconds": 1e300, "state": EVIL}], "incidents_more": 9e18, "prices": [{}, {"t": 5, "input": -1}], "by_in_flight": [{}] * 40}]},
    {"platform": "x", "n": 5, "availability": 2.0, "uptime": -3, "ttft": {"p50": 1e300}}]}])
def test_report_survives_any_answer(d, answer):
    d.answers["/v1/report"] = answer
    d.answers["/v1/status"] = {"platforms": [{"platform": "x", "target": 5, "tags": [1, None, {"a": {}}]}]}
    for form in ((), ("--html",), ("--json",), ("--tsv",)):
        run(d, "report", *form)


# --- a browser, where there is one ------------------------------------------------------------------------------------------

@pytest.mark.skipif(not shutil.which("xmllint"), reason="xmllint is not installed")
def test_the_page_parses(d):
    html = run(d, "report", "--month", "2026-10", "--html").stdout
    svgs = re.findall(r"<svg.*?</svg>", html, re.S)
    for svg in svgs:
        got = subprocess.run(["xmllint", "--noout", "-"], input=svg.encode(), capture_output=True, timeout=20)
        assert got.returncode == 0, got.stderr
