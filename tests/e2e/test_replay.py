"""`probed replay`: what goes in, what comes out, and in which words it refuses. What a table is worth is judged in tests/sim/ranking."""
import json
import os
import random
import re
import select
import subprocess
import time

import pytest

from daemon import BUILD, TOP

PROBED = os.path.join(BUILD, "probed")
PREFERENCES = os.path.join(TOP, "tests/sim/preferences.yaml")
SLOW = 5 if os.environ.get("PROBED_VALGRIND") or "san" in BUILD else 1
T0 = 1732370000.0
STATES = {"new", "up", "degraded", "limited", "down", "unusable", "missing", "drained"}
ERRORS = "timeout refused reset dns tls http_5xx rate_limited auth no_credit model_missing bad_body stall".split()
pytestmark = pytest.mark.skipif(not os.access(PROBED, os.X_OK), reason="probed is not built")


# --- histories

def chat(t, platform, model="m1", source="probe", ttft=500.0, **more):
    return {"t": t, "platform": platform, "model": model, "kind": "chat", "source": source, "ok": True, "status": 200, "error": "",
            "connect_ms": 31.0, "tls_ms": 42.0, "ttft_ms": ttft, "total_ms": ttft + 800, "tokens_per_s": 61.0, **more}


def fail(t, platform, error="http_5xx", status=0, model="m1", source="probe", **more):
    return {"t": t, "platform": platform, "model": model, "kind": "chat", "source": source, "ok": False, "status": status, "error": error,
            "total_ms": 300.0, **more}


def price(t, platform, model="m1", usd=0.15):
    return {"t": t, "platform": platform, "model": model, "kind": "price", "input_usd_per_mtok": usd, "output_usd_per_mtok": round(4 * usd, 9)}


def table(t):
    return {"t": t, "kind": "table"}


def steady(ttft, seconds=300, every=15, start=1, prices=None, model="m1"):
    """Good probes of platforms with these first-token times, by name."""
    lines = [price(T0, p, model, (prices or {}).get(p, 0.15)) for p in ttft]
    for i in range(int((seconds - start) / every)):
        lines += [chat(T0 + start + i * every + 0.01 * k, p, model, ttft=ttft[p]) for k, p in enumerate(ttft)]
    return lines


def world(seed, platforms=5, models=("m1", "m2"), seconds=300, asking=5):
    """A mixed history with some of everything, and a table each few seconds."""
    rng = random.Random(seed)
    lines = []
    for i in range(platforms):
        for m in models:
            typical, failing = rng.uniform(300, 1500), rng.choice([0, 0.02, 0.3])
            lines.append(price(T0, f"p{i}", m, round(rng.uniform(0.05, 0.4), 3)))
            t = rng.uniform(0, 15)
            while t < seconds:
                source = rng.choice(["probe", "probe", "traffic"])
                if rng.random() < failing:
                    lines.append(fail(T0 + t, f"p{i}", rng.choice(ERRORS), model=m, source=source))
                else:
                    lines.append(chat(T0 + t, f"p{i}", m, source, round(typical * rng.lognormvariate(0, 0.3), 1)))
                t += rng.uniform(2, 15)
    lines += [table(T0 + t) for t in range(asking, seconds + asking, asking)]
    return sorted(lines, key=lambda x: x["t"])


def encode(lines):
    return "".join(x + "\n" if isinstance(x, str) else json.dumps(x, ensure_ascii=False) + "\n" for x in lines).encode()


# --- running

def run(lines, *args, config=PREFERENCES, timeout=60, cwd=None):
    data = lines if isinstance(lines, bytes) else encode(lines)
    return subprocess.run([PROBED, "replay", "--config", config, *args], input=data, capture_output=True, timeout=timeout * SLOW, cwd=cwd)


def tables(lines, *args, **kw):
    done = run(lines, *args, **kw)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def rows(t, policy="production", model="m1"):
    return t["policies"][policy][model]


def row(t, platform, policy="production", model="m1"):
    return next(r for r in rows(t, policy, model) if r["platform"] == platform)


def order(t, policy="production", model="m1"):
    return [r["platform"] for r in rows(t, policy, model)]


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return str(path)


def policies(**more):
    return {"production": {"second": 0.0375, "money": 0.025}, **more}


def check_shape(t, open_world=True):
    assert list(t) == ["t", "generation", "flags", "policies"]
    for models in t["policies"].values():
        for ranking in models.values():
            weights = [r["weight"] for r in ranking]
            assert [r["rank"] for r in ranking] == list(range(1, len(ranking) + 1))
            assert all(w * 256 == int(w * 256) and 0 <= w <= 1 for w in weights)
            assert len({r["platform"] for r in ranking}) == len(ranking)
            eligible = [r for r in ranking if r["state"] not in ("unusable", "missing", "drained")]
            assert sum(weights) == (1 if eligible else 0)
            some = [i for i, w in enumerate(weights) if w > 0]
            assert some == list(range(len(some))), "a route without a share stands before one with a share"
            for r in ranking:
                assert list(r)[:6] == ["platform", "rank", "weight", "state", "score", "provisional"]
                assert r["state"] in STATES and 0 <= r["score"] <= 1 and isinstance(r["provisional"], bool)


# --- answers

def test_shape_of_every_table():
    lines = world(1)
    got = tables(lines)
    assert [t["t"] for t in got] == [x["t"] for x in lines if x["kind"] == "table"]
    for t in got:
        check_shape(t)
        assert list(t["policies"]) == ["production", "latency", "cost"]
    generations = [t["generation"] for t in got]
    assert generations == sorted(generations)
    for a, b in zip(got, got[1:]):
        assert a["generation"] != b["generation"] or a["policies"] == b["policies"]
    assert all(len(rows(got[-1], p, m)) == 5 for p in got[-1]["policies"] for m in ("m1", "m2"))


def test_empty_worlds():
    assert run(b"").stdout == b""
    done = run([table(5)])
    assert json.loads(done.stdout) == {"t": 5, "generation": 0, "flags": [], "policies": {"production": {}, "latency": {}, "cost": {}}}
    assert done.stderr == b""


def test_answers_come_while_the_input_is_open():
    with subprocess.Popen([PROBED, "replay", "-c", PREFERENCES], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        p.stdin.write(encode(steady({"a": 400, "b": 600}, 60)))
        for i in range(20):
            p.stdin.write(encode([table(T0 + 60 + i)]))
            p.stdin.flush()
            assert select.select([p.stdout], [], [], 20)[0], "no answer while the input is open"
            assert json.loads(p.stdout.readline())["t"] == T0 + 60 + i
        p.stdin.close()
        assert p.wait(20) == 0


def test_same_bytes_however_they_come(tmp_path):
    data = encode(world(2))
    want = run(data).stdout
    assert want and run(data).stdout == want
    assert run(data, "--speed", "max").stdout == want
    assert run(data.rstrip(b"\n")).stdout == want
    assert run(data.replace(b"\n", b"\r\n")).stdout == want
    assert run(data.replace(b"\n", b"\n\n \t\n")).stdout == want
    rng = random.Random(3)
    with open(tmp_path / "out", "wb") as out, subprocess.Popen([PROBED, "replay", "-c", PREFERENCES], stdin=subprocess.PIPE, stdout=out) as p:
        at = 0
        while at < len(data):
            n = rng.choice([1, 7, 100, 5000, 70000])
            p.stdin.write(data[at:at + n])
            p.stdin.flush()
            at += n
        p.stdin.close()
        assert p.wait(60) == 0
    assert (tmp_path / "out").read_bytes() == want


def test_asking_changes_nothing():
    lines = world(4)
    often, once = tables(lines), tables([x for x in lines if x["kind"] != "table"] + [lines[-1]])
    assert often[-1] == once[0]


def test_members_in_any_order_and_unknown_ones():
    lines = world(5, seconds=60)
    mixed = [dict(sorted(x.items(), key=lambda m: m[0][::-1]), later=[1, {"t": 3}], note=None) for x in lines]
    assert run(mixed).stdout == run(lines).stdout


def test_times_near_zero_and_of_today():
    lines = world(6, seconds=120)
    near = [dict(x, t=round(x["t"] - T0, 6)) for x in lines]
    today, zero = tables([dict(x, t=round(x["t"], 6)) for x in lines]), tables(near)
    for a, b in zip(today, zero):
        assert a["policies"].keys() == b["policies"].keys()
        for model in ("m1", "m2"):
            assert rows(a, model=model) == rows(b, model=model)


def test_names_of_any_kind():
    got = tables([chat(5, '平台"1', "模型/α"), chat(5, "\\\n", "模型/α"), table(6)])[0]
    assert set(order(got, model="模型/α")) == {'平台"1', "\\\n"}


# --- bad lines

def bad(**change):
    d = {**chat(T0 + 3, "p1"), **change}
    return json.dumps({k: v for k, v in d.items() if v is not ...})


BAD = {
    "no JSON": ("hello", "not a JSON object"),
    "cut": ('{"t":1732370003,"platform":"p1"', "the object does not end"),
    "array": ("[1,2]", "not a JSON object"),
    "two objects": (bad() + bad(), "something follows the object"),
    "no t": (bad(t=...), '"t" is missing'),
    "t is text": (bad(t="x"), '"t" should be a number'),
    "t is null": (bad(t=None), '"t" is missing'),
    "t in milliseconds": (bad(t=1732370003000), '"t" is 1.73237e+12'),
    "no kind": (bad(kind=...), '"kind" is ""'),
    "unknown kind": (bad(kind="frob"), '"kind" is "frob"; it should be one of chat, '),
    "no platform": (bad(platform=...), '"platform" is missing'),
    "no model": (bad(model=...), '"model" is missing'),
    "platform is a number": (bad(platform=3), '"platform" should be a string'),
    "platform too long": (bad(platform="x" * 64), '"platform" is longer than 63 bytes'),
    "unknown source": (bad(source="rumour"), "it should be probe or traffic"),
    "no ok": (bad(ok=...), '"ok" is missing'),
    "ok is a number": (bad(ok=1), '"ok" should be true or false'),
    "unknown error": (bad(ok=False, error="weird"), '"error" is "weird"; it should be one of timeout, '),
    "unknown fault": (bad(ok=False, error="timeout", fault="mine"), "it should be none, relay, ours or local"),
    "negative time": (bad(ttft_ms=-1), '"ttft_ms" is -1; it should be 0 to'),
    "status": (bad(status=1000), '"status" is 1000'),
    "NaN": (bad().replace("500.0", "NaN"), '"ttft_ms" should be a number'),
    "bad UTF-8": (b'{"t":1732370003,"kind":"chat","platform":"\xff"}', '"platform" is not valid UTF-8'),
    "price without any": (json.dumps({"t": T0 + 3, "kind": "price", "platform": "p1", "model": "m1"}), "a price without any"),
    "half a price": (json.dumps({"t": T0 + 3, "kind": "price", "platform": "p1", "model": "m1", "input_usd_per_mtok": 1}), "go together"),
    "backwards": (json.dumps(table(T0 + 1.5)), "time goes backwards: 1732370001.500000 after 1732370002.000000"),
    "override without action": (json.dumps({"t": T0 + 3, "kind": "override", "platform": "p1"}), "it should be drain, pin, enable or none"),
    "no such config": (json.dumps({"t": T0 + 3, "kind": "config", "text": "/nowhere/x.yaml"}), "/nowhere/x.yaml: 1 error"),
    "too long": (" " * 70000, "longer than 65536 bytes"),
    "far too long": ("[" * 1000000, "longer than 65536 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_line(name):
    line, words = BAD[name]
    data = encode([price(T0, "p1"), chat(T0 + 1, "p1"), table(T0 + 2)]) + (line if isinstance(line, bytes) else line.encode()) + b"\n" + encode([table(T0 + 10)])
    done = run(data)
    said = done.stderr.decode()
    assert done.returncode == 1
    assert "line 4: " in said and words in said, said
    assert len(done.stdout.splitlines()) == 1, "what was asked before it is answered, and nothing after it"
    done = run(data, "--skip-bad")
    said = done.stderr.decode()
    assert done.returncode == 0, said
    assert "line 4: " in said and words in said and "; skipped" in said and said.endswith("1 bad line skipped\n"), said
    assert [json.loads(x)["t"] for x in done.stdout.splitlines()] == [T0 + 2, T0 + 10]


def test_skipped_lines_are_counted_and_leave_no_trace():
    lines = world(7, seconds=100)
    spoilt = []
    for i, line in enumerate(lines):
        spoilt += [line, "garbage"] if i % 10 == 0 else [line]
    spoilt.insert(7, "x" * 200000)
    done = run(spoilt, "--skip-bad")
    count = len(spoilt) - len(lines)
    assert done.returncode == 0 and f"{count} bad lines skipped" in done.stderr.decode()
    assert [int(n) for n in re.findall(r"line (\d+):", done.stderr.decode())] == [i + 1 for i, x in enumerate(spoilt) if isinstance(x, str)]
    assert done.stdout == run(lines).stdout


def test_equal_times_are_no_step_back():
    assert len(tables([chat(T0, "a"), table(T0), chat(T0, "b"), table(T0)])) == 2


def test_reader_that_leaves():
    with subprocess.Popen([PROBED, "replay", "-c", PREFERENCES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        p.stdout.close()
        try:
            p.stdin.write(encode(world(8)))
            p.stdin.close()
        except BrokenPipeError:
            pass
        assert p.wait(20) == 1
        assert p.stderr.read().decode().count("the answer could not be written") == 1


# --- arguments

@pytest.mark.parametrize("args", [["--speed", "0"], ["--speed", "-1"], ["--speed", "fast"], ["--speed", ""], ["--speed", "2x"], ["--speed", "nan"],
                                  ["--speed", "inf"], ["--speed"], ["--frob"], ["history.ndjson"]])
def test_bad_arguments(args):
    done = run(b"", *args)
    assert done.returncode == 2 and done.stderr and not done.stdout


def test_bad_configurations(tmp_path):
    done = run(b"", config="/nowhere/x.yaml")
    assert done.returncode == 1 and b"/nowhere/x.yaml" in done.stderr
    done = run(b"", config=write(tmp_path, "bad.yaml", "policies: {a: {second: fast}}"))
    assert done.returncode == 1 and b"bad.yaml:1:" in done.stderr
    assert subprocess.run([PROBED, "replay", "--help"], capture_output=True, timeout=20).returncode == 0


def test_speed():
    lines = [chat(T0, "a"), table(T0), table(T0 + 50), table(T0 + 100)]
    began = time.monotonic()
    with subprocess.Popen([PROBED, "replay", "-c", PREFERENCES, "--speed", "100"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        p.stdin.write(encode(lines))  # all at once
        p.stdin.flush()
        at = []
        for _ in range(3):
            assert p.stdout.readline()
            at.append(time.monotonic() - began)
        p.stdin.close()
        assert p.wait(20) == 0
    assert at[2] >= 0.95 and at[1] >= 0.45
    assert at[0] < at[2] - 0.8, "the first answer waited for later records"


# --- open and closed worlds

def test_closed_world(tmp_path):
    config = write(tmp_path, "c.yaml", {
        "models": {"m1": {}, "m2": {}}, "policies": policies(),
        "platforms": {"a": {"endpoints": "https://a.example/v1", "key": {"env": "NO_SUCH_KEY"},  # no key is needed to look back
                            "models": {"m1": {"price": {"input": "0.1 USD/1M", "output": "0.4 USD/1M"}}, "m2": "x"}},
                      "off": {"endpoints": "https://b.example/v1", "level": "off", "models": {"m1": "m1"}}}})
    got = tables([chat(T0, "a"), table(T0 + 1)], config=config)[0]
    assert list(got["policies"]) == ["production"] and sorted(got["policies"]["production"]) == ["m1", "m2"]
    assert order(got) == ["a", "off"] and row(got, "a")["state"] == "up" and row(got, "off")["state"] == "unusable" and row(got, "off")["weight"] == 0
    assert row(got, "a", model="m2")["provisional"] is True
    for line, what in ((chat(T0, "b"), 'platform "b"'), (chat(T0, "a", "m9"), 'model "m9"'), (price(T0, "b"), 'platform "b"'),
                       ({"t": T0, "kind": "reach", "platform": "b", "ok": True}, 'platform "b"'),
                       ({"t": T0, "kind": "usable", "platform": "b", "ok": True}, 'platform "b"'),
                       ({"t": T0, "kind": "override", "platform": "b", "action": "drain"}, 'platform "b"'),
                       ({"t": T0, "kind": "override", "platform": "a", "model": "m9", "action": "drain"}, 'model "m9"')):
        done = run([line], config=config)
        assert done.returncode == 1 and f"line 1: {what} is not in the configuration" in done.stderr.decode()


def test_open_world_beside_a_configuration(tmp_path):
    config = write(tmp_path, "o.yaml", {
        "replay": {"open": True}, "models": {"m1": {}}, "policies": policies(),
        "platforms": {"a": {"endpoints": "https://a.example/v1", "models": {"m1": "m1"}}}})
    got = tables([table(T0), chat(T0, "b"), chat(T0, "b", "m2"), table(T0 + 1)], config=config)
    assert order(got[0]) == ["a"]
    assert set(order(got[1])) == {"a", "b"} and order(got[1], model="m2") == ["b"]


def test_open_world_is_bounded():
    for kind, what, names in (("listing", "routes", 150), ("reach", "platforms", 20001)):
        done = run([{"t": 1, "platform": f"p{i % names}", "model": f"m{i // names}", "kind": kind, "ok": True} for i in range(20001)])
        assert done.returncode == 1 and f"line 20001: more than 20000 {what} have appeared" in done.stderr.decode()


# --- what is told

def test_names_do_not_matter():
    lines = world(9)
    names = [f"p{i}" for i in range(5)]
    other = dict(zip(names, random.Random(10).sample(names, 5)))
    renamed = [dict(x, platform=other[x["platform"]]) if "platform" in x else x for x in lines]
    for a, b in zip(tables(lines), tables(renamed)):
        for models in a["policies"].values():
            for ranking in models.values():
                for r in ranking:
                    r["platform"] = other[r["platform"]]
        assert a == b


def test_order_of_appearance_does_not_matter():
    lines = world(13)
    head, rest = [x for x in lines if x["t"] == T0], [x for x in lines if x["t"] != T0]
    assert len(head) == 10
    want = run(lines).stdout
    for seed in range(3):
        assert run(random.Random(seed).sample(head, len(head)) + rest).stdout == want


def test_currency_does_not_matter(tmp_path):
    text = open(PREFERENCES, encoding="utf-8").read()
    cny = write(tmp_path, "cny.yaml", text + "\ncurrency: CNY\nrates: {USD: 7.2 CNY}\n")
    for a, b in zip(tables(world(11)), tables(world(11), config=cny)):
        for policy in a["policies"]:
            for model in a["policies"][policy]:
                one, two = rows(a, policy, model), rows(b, policy, model)
                assert [(r["platform"], r["weight"], r["state"]) for r in one] == [(r["platform"], r["weight"], r["state"]) for r in two]
                assert all(abs(x["score"] - y["score"]) < 2e-6 for x, y in zip(one, two))
    done = run([price(T0, "a")], config=write(tmp_path, "none.yaml", text + "\ncurrency: CNY\n"))
    assert done.returncode == 1 and "line 1: the price is in USD, and the configuration has no rate for it" in done.stderr.decode()


def test_every_optional_member():
    more = {"interval_s": 15, "prompt_tokens": 100, "output_tokens": 20, "reasoning_tokens": 0, "cost_usd": 0.0001, "reporter": "gw1", "in_flight": 3,
            "queue_ms": 0.1, "dns_ms": 3, "wait_ms": 200, "content_ms": 510, "gap_max_ms": 60, "flags": "challenge_passed", "text": "words", "fault": "none"}
    plain, rich = [], []
    for i in range(40):
        plain.append(chat(T0 + 15 * i, "a"))
        rich.append(chat(T0 + 15 * i, "a", source="traffic" if i % 2 else "probe", **more))
    rich.append(fail(T0 + 601, "a", "rate_limited", 429, source="traffic", retry_after_s=5, **{**more, "stage": "headers"}))
    assert row(tables(plain + [table(T0 + 602)])[0], "a")["state"] == "up"
    assert row(tables(rich + [table(T0 + 602)])[0], "a")["weight"] == 1
    # Nothing but that it was good.
    assert row(tables([{"t": 1, "platform": "a", "model": "m1", "kind": "chat", "ok": True}, table(2)])[0], "a")["state"] == "up"


@pytest.mark.parametrize("error", ERRORS)
def test_every_error(error):
    lines = steady({"a": 300, "b": 900}, 300) + [fail(T0 + 300 + 15 * i, "a", error, {"rate_limited": 429, "http_5xx": 503}.get(error, 0)) for i in range(4)]
    got = row(tables(lines + [table(T0 + 346)])[0], "a")
    if error in ("auth", "no_credit"):
        assert got["state"] == "unusable" and got["weight"] == 0
    elif error == "rate_limited":
        assert got["state"] == "limited"
    elif error == "model_missing":
        assert got["state"] in ("down", "missing") and got["weight"] == 0
    else:
        assert got["state"] == "down" and got["weight"] == 0


@pytest.mark.parametrize("fault", ["ours", "local", "none"])
def test_what_is_not_the_relays_fault_does_not_count(fault):
    lines = steady({"a": 300, "b": 900}, 300)
    told = [fail(T0 + 300 + i, "a", "http_5xx", 500, fault=fault) for i in range(6)]
    with_them, without = tables(lines + told + [table(T0 + 310)])[0], tables(lines + [table(T0 + 310)])[0]
    if fault != "ours":  # a fault of ours makes it unusable, which is no verdict on the relay
        assert row(with_them, "a")["state"] == "up"
        assert order(with_them) == order(without)
    assert row(with_them, "a")["score"] >= row(without, "a")["score"] - 0.01


def test_failure_without_a_word_goes_by_its_status():
    lines = steady({"a": 300, "b": 900}, 300)
    for status, state in ((401, "unusable"), (429, "limited")):
        told = [{"t": T0 + 301 + i, "platform": "a", "model": "m1", "kind": "chat", "ok": False, "status": status} for i in range(3)]
        assert row(tables(lines + told + [table(T0 + 305)])[0], "a")["state"] == state


def test_override_and_its_end():
    lines = steady({"a": 300, "b": 900}, 120)
    drain = {"t": T0 + 121, "kind": "override", "platform": "a", "action": "drain", "for_s": 60, "text": "invoice"}
    got = tables(lines + [table(T0 + 120), drain, table(T0 + 121), table(T0 + 180.9), table(T0 + 181), table(T0 + 400)])
    assert [row(t, "a")["state"] for t in got] == ["up", "drained", "drained", "up", "up"]
    assert [order(t)[0] for t in got][:3] == ["a", "b", "b"] and row(got[1], "a")["weight"] == 0
    # It ends at its own time, and not when somebody looks: the same as when it was seen in between.
    assert tables(lines + [drain, table(T0 + 400)])[0]["policies"] == got[-1]["policies"]
    # Without an end it lasts until it is taken back.
    forever = {k: v for k, v in drain.items() if k != "for_s"}
    got = tables(lines + [forever, table(T0 + 90000), dict(forever, t=T0 + 90001, action="enable"), table(T0 + 90001)])
    assert [row(t, "a")["state"] for t in got] == ["drained", "up"]
    # A pin of one route, and a drain of who has not appeared yet.
    pin = {"t": T0 + 121, "kind": "override", "platform": "b", "model": "m1", "action": "pin"}
    assert order(tables(lines + [pin, table(T0 + 122)])[0])[0] == "b"
    got = tables(lines + [dict(drain, platform="c"), chat(T0 + 122, "c"), table(T0 + 123)])[0]
    assert row(got, "c")["state"] == "drained"


def test_self_check_freezes_verdicts():
    lines = steady({"a": 300, "b": 900}, 120)
    dead = [fail(T0 + 121 + i, "a", "timeout") for i in range(6)]
    check = {"t": T0 + 120.5, "kind": "self_check", "ok": False}
    got = tables(lines + [table(T0 + 120), check] + dead + [table(T0 + 128), dict(check, t=T0 + 129, ok=True), table(T0 + 129)])
    assert [t["flags"] for t in got] == [[], ["local"], []]
    assert [row(t, "a")["state"] for t in got] == ["up", "up", "up"]
    assert order(got[1]) == order(got[0])
    got = tables(lines + dead + [table(T0 + 128)])[0]
    assert row(got, "a")["state"] == "down"


def test_platform_evidence():
    lines = steady({"a": 300, "b": 900}, 120)
    reach = [{"t": T0 + 121 + 10 * i, "kind": "reach", "platform": "a", "ok": False, "error": "refused"} for i in range(6)]
    got = tables(lines + reach + [table(T0 + 180)])[0]
    assert row(got, "a")["state"] == "down" and row(got, "a")["weight"] == 0
    # Good news of a platform raises nothing.
    up = [{"t": T0 + 121 + i, "kind": kind, "platform": "c", "ok": True, "status": 200} for i in range(50) for kind in ("reach", "models")]
    got = tables(lines + [price(T0 + 120, "c")] + up + [table(T0 + 180)])[0]
    assert row(got, "c")["state"] == "new" and row(got, "c")["provisional"] is True and order(got)[0] == "a"
    listing = {"t": T0 + 121, "kind": "listing", "platform": "a", "model": "m1", "ok": False}
    got = tables(lines + [listing, table(T0 + 122), dict(listing, t=T0 + 123, ok=True), table(T0 + 124)])
    assert [row(t, "a")["state"] for t in got] == ["missing", "up"] and row(got[0], "a")["weight"] == 0
    usable = {"t": T0 + 121, "kind": "usable", "platform": "a", "ok": False}
    got = tables(lines + [usable, table(T0 + 122), dict(usable, t=T0 + 123, ok=True), table(T0 + 124)])
    assert [row(t, "a")["state"] for t in got] == ["unusable", "up"] and row(got[0], "a")["weight"] == 0


def test_config_read_again(tmp_path):
    lines = steady({"a": 300, "b": 900}, 300, prices={"a": 0.3, "b": 0.1})
    write(tmp_path, "one.yaml", {"replay": {"open": True}, "policies": policies()})
    write(tmp_path, "two.yaml", {"replay": {"open": True}, "policies": policies(cheap={"second": 0.0001, "money": 0.5})})
    write(tmp_path, "broken.yaml", "policies: [")
    one = str(tmp_path / "one.yaml")
    got = tables(lines + [table(T0 + 300), {"t": T0 + 300, "kind": "config", "text": "two.yaml"}, table(T0 + 300), chat(T0 + 301, "a", ttft=300), table(T0 + 302)],
                 config=one, cwd=tmp_path)
    assert list(got[0]["policies"]) == ["production"] and list(got[1]["policies"]) == ["production", "cheap"]
    assert order(got[1], "cheap")[0] == "b", "prices that history told are still known"
    # Nothing is forgotten: the old policy's ranking is what it was, but for the seconds that it is younger.
    for r, before in zip(rows(got[1]), rows(got[0])):
        assert [r[k] for k in ("platform", "weight", "state", "provisional")] == [before[k] for k in ("platform", "weight", "state", "provisional")]
        assert abs(r["score"] - before["score"]) < 0.002
    assert got[2]["generation"] >= got[1]["generation"] >= got[0]["generation"]
    # Only told that it was read; and one that is refused: what was in force stays.
    assert tables(lines + [{"t": T0 + 300, "kind": "config"}, table(T0 + 300)], config=one)[0]["policies"] == got[0]["policies"]
    done = run(lines + [{"t": T0 + 300, "kind": "config", "text": "broken.yaml"}, table(T0 + 300)], "--skip-bad", config=one, cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["policies"] == got[0]["policies"]
    # What history told of keys holds as well, and what an operator said.
    told = [{"t": T0 + 300, "kind": "usable", "platform": "a", "ok": False}, {"t": T0 + 300, "kind": "override", "platform": "b", "action": "drain"}]
    got = tables(lines + told + [{"t": T0 + 301, "kind": "config", "text": str(tmp_path / "two.yaml")}, table(T0 + 302)], config=one)[0]
    assert (row(got, "a")["state"], row(got, "b")["state"]) == ("unusable", "drained")


# --- what a table says, in the large

def test_preferences_as_shipped():
    """Three users, three orders, of a fast and dear, a usual, and a slow and cheap platform that are all good."""
    lines = steady({"fast": 250, "usual": 500, "cheap": 2500}, 1800, prices={"fast": 0.6, "usual": 0.15, "cheap": 0.03})
    got = tables(lines + [table(T0 + 1800)])[0]
    assert order(got, "latency")[0] == "fast" and order(got, "latency")[-1] == "cheap"
    assert order(got, "cost")[0] != "fast" and order(got, "cost").index("cheap") < order(got, "cost").index("fast")
    assert order(got, "production")[-1] == "cheap"
    assert not any(r["provisional"] for r in rows(got))


def test_a_dead_route_loses_its_traffic():
    base = steady({"a": 300, "b": 900}, 300)
    probed = [x for i in range(4) for x in (fail(T0 + 300 + 15 * i, "a", "refused"), chat(T0 + 301 + 15 * i, "b", ttft=900), table(T0 + 302 + 15 * i))]
    got = tables(base + probed)
    assert row(got[2], "a")["weight"] == 0 and row(got[2], "a")["state"] == "down"
    reported = [x for i in range(10) for x in (fail(T0 + 300 + 0.2 * i, "a", "refused", source="traffic"), table(T0 + 300.1 + 0.2 * i))]
    got = tables(base + reported)
    assert row(got[3], "a")["weight"] == 0


def test_all_down_is_still_a_table():
    base = steady({"a": 300, "b": 900}, 300)
    got = tables(base + [fail(T0 + 300 + 5 * i, p, "refused") for i in range(8) for p in ("a", "b")] + [table(T0 + 341)])[0]
    check_shape(got)
    assert sum(r["weight"] for r in rows(got)) == 1 and {r["state"] for r in rows(got)} == {"down"}


def test_who_is_not_known_is_not_first():
    base = steady({"a": 500, "b": 700}, 600)
    got = tables(base + [price(T0 + 600, "c"), chat(T0 + 600.5, "c", ttft=100), table(T0 + 601), table(T0 + 630)])
    assert all(order(t)[0] != "c" and row(t, "c")["provisional"] for t in got)


def test_many_observations_in_time():
    rng = random.Random(12)
    line = '{"t":%.3f,"platform":"p%d","model":"m%d","kind":"chat","source":"%s","ok":true,"status":200,"error":"","connect_ms":31.0,"tls_ms":42.0,' \
           '"ttft_ms":%.1f,"total_ms":1320.0,"tokens_per_s":61.0}\n'
    text = "".join(line % (T0 + i * 0.01, rng.randrange(9), rng.randrange(3), "probe" if rng.random() < 0.1 else "traffic", rng.uniform(300, 900))
                   for i in range(100000))
    data = text.encode() + encode([table(T0 + 1001)])
    began = time.monotonic()
    got = tables(data)
    assert time.monotonic() - began < 10 * SLOW  # about 0.3 s where it was written
    check_shape(got[0])


@pytest.mark.parametrize("seed", range(6))
def test_random_histories(seed):
    """Anything that is allowed: shape, and the same bytes twice."""
    rng = random.Random(seed)
    t, lines = T0, []
    for _ in range(1500):
        t = round(t + rng.choice([0, 0, 0.001, 0.3, 3, 30, 3000]) * rng.random(), 6)
        p, m, x = f"p{rng.randrange(8)}", f"m{rng.randrange(3)}", rng.random()
        more = {k: v() for k, v in (("in_flight", lambda: rng.randrange(1000)), ("interval_s", lambda: rng.choice([0, 1, 15, 1e6])),
                                    ("reporter", lambda: f"r{rng.randrange(400)}"), ("cost_usd", lambda: rng.choice([0, 1e-6, 1000])),
                                    ("fault", lambda: rng.choice(["none", "relay", "ours", "local"])), ("retry_after_s", lambda: rng.choice([0, 1, 1e9])))
                if rng.random() < 0.2}
        if x < 0.06:
            lines.append(price(t, p, m, rng.choice([0, 1e-6, 0.1, 100, 1e8])))
        elif x < 0.5:
            lines.append(chat(t, p, m, rng.choice(["probe", "traffic"]), rng.choice([0, 0.001, 300, 5e4, 9e8]) * rng.random(), **more))
        elif x < 0.75:
            lines.append(fail(t, p, rng.choice(ERRORS), model=m, source=rng.choice(["probe", "traffic"]), **more))
        elif x < 0.8:
            lines.append({"t": t, "kind": rng.choice(["reach", "models", "usable"]), "platform": p, "ok": rng.random() < 0.7})
        elif x < 0.83:
            lines.append({"t": t, "kind": "listing", "platform": p, "model": m, "ok": rng.random() < 0.7})
        elif x < 0.86:
            lines.append({"t": t, "kind": "override", "platform": p, "model": rng.choice(["", m]), "action": rng.choice(["drain", "pin", "enable", "none"]),
                          "for_s": rng.choice([0, 1, 1000, 1e9])})
        elif x < 0.88:
            lines.append({"t": t, "kind": "self_check", "ok": rng.random() < 0.7})
        else:
            lines.append(table(t))
    lines.append(table(t + 1))
    got = tables(lines)
    for one in got:
        check_shape(one)
    assert run(lines).stdout == run(lines).stdout
