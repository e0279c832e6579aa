"""Prices, balances and what is really charged, with the real daemon, the real routectl and simulated relays of every family."""
import json
import os
import re

import pytest

from daemon import BUILD, Probed as Daemon
from relaysim import Relaysim
from world import config, probes

pytestmark = pytest.mark.skipif(not os.access(os.path.join(BUILD, "relaysim"), os.X_OK), reason="relaysim is not built")

# family, price source, balance source (None = none), currency of its unit, and what else the balance needs
FAMILIES = [
    ("openrouter", "openrouter", "openrouter", "USD"),
    ("siliconflow", "config", "siliconflow", "CNY"),
    ("newapi", "newapi", "newapi", "USD"),
    ("oneapi", "config", "oneapi", "USD"),
    ("onehub", "onehub", "oneapi", "USD"),
    ("voapi", "voapi", "oneapi", "USD"),
    ("rixapi", "rixapi", "dmxapi", "CNY"),
    ("dmxapi", "rixapi", "dmxapi", "CNY"),
    ("shellapi", "shellapi", "oneapi", "USD"),
    ("aihubmix", "aihubmix", "aihubmix", "USD"),
    ("apiyi", "newapi", "apiyi", "USD"),
]
OWN_KEY = {"aihubmix", "apiyi"}
KEY = "sk-SECRETsecret{}0123456789abcdef"
TOKEN = "TOKENtoken{}0123456789abcdef"
FEED = {"interval": "1s", "fast": "200ms", "timeouts": {"total": "900ms"}}
FAST = {"price": FEED, "balance": FEED}


def relays(families=FAMILIES):
    return [{"name": f, "family": f, "key": KEY.format(f), "access_token": TOKEN.format(f), "user_id": "7", "models": ["m"],
             "behaviour": {"price_input": 0.5, "price_output": 2, "balance": 40, "first_token": 5, "gap": 1}} for f, *_ in families]


def platforms(sim, families=FAMILIES, **more):
    made = {}
    for family, price, balance, currency in families:
        source = {"source": price, "currency": currency} if price != "config" else "config"
        account = {"source": balance, "currency": currency}
        if family in OWN_KEY:
            account["key"] = {"env": f"TOKEN_{family.upper()}"}
        model = {} if price != "config" else {"price": {"input": f"0.5 {currency}/1M", "output": f"2 {currency}/1M"}}
        made[family] = {"endpoints": [sim.url(family) + "/v1"], "key": {"env": f"KEY_{family.upper()}"}, "price_source": source,
                        "balance_source": account, "models": {"m": model}, **more}
    return made


def environment(families=FAMILIES):
    env = {f"KEY_{f.upper()}": KEY.format(f) for f, *_ in families}
    env.update({f"TOKEN_{f.upper()}": TOKEN.format(f) for f, *_ in families})
    return env


def whole(made, **more):
    return config(made, **{"rates": {"CNY": "0.14 USD"}, "currency": "USD", "probes": {**probes(), **FAST}, **more})


def prices(d, **query):
    text = "&".join(f"{k}={v}" for k, v in query.items())
    return d.get("/v1/prices" + ("?" + text if text else "")).json


def price_row(d, platform, model="m", **query):
    found = [r for m in prices(d, model=model, **query)["models"] for r in m["rows"] if r["platform"] == platform]
    assert len(found) == 1
    return found[0]


def spend(d, platform, **query):
    text = "&".join(f"{k}={v}" for k, v in query.items())
    return next(p for p in d.get("/v1/spend" + ("?" + text if text else "")).json["platforms"] if p["platform"] == platform)


@pytest.fixture
def sim():
    with Relaysim(relays()) as s:
        yield s


def test_every_family_tells_its_price_and_balance(sim):
    with Daemon(whole(platforms(sim)), env=environment()) as d:
        for family, price, _, currency in FAMILIES:
            rate = 0.14 if currency == "CNY" else 1
            row = d.wait(lambda f=family, p=price: (r := price_row(d, f))["source"] == p and r, what=f"price of {family}")
            assert row["input"] == pytest.approx(0.5 * rate, rel=1e-6), family
            assert row["output"] == pytest.approx(2 * rate, rel=1e-6), family
            assert row["own_currency"] == currency and row["own"]["input"] == pytest.approx(0.5, rel=1e-6), family
            assert row["state"] == "ok" and row["verified"]["state"] == "insufficient_data", family
            got = d.wait(lambda f=family: (s := spend(d, f))["balance"]["state"] == "ok" and s, what=f"balance of {family}")
            assert got["balance"]["own_currency"] == currency, family
            assert 39.9 < got["balance"]["own_left"] <= 40, (family, got)
            assert got["balance"]["left"] == pytest.approx(got["balance"]["own_left"] * rate, rel=1e-6), family
        # The table uses the feed's price, and shows in whatever currency is asked for.
        d.wait(lambda: d.row("m", "newapi")["price"]["input"] == pytest.approx(0.5))
        assert price_row(d, "newapi", currency="CNY")["input"] == pytest.approx(0.5 / 0.14, rel=1e-6)
        status = {p["platform"]: p for p in d.status()["platforms"]}
        assert status["newapi"]["price_source"]["state"] == "ok" and status["newapi"]["balance"]["left"] == pytest.approx(40, abs=0.1)
        for verb in ("prices", "spend", "platforms", "capabilities", "honesty"):
            assert d.routectl(verb).returncode == 0, verb
        assert d.get("/v1/prices?currency=XYZ").status == 400 and d.get("/v1/prices?model=nope").status == 404


def test_a_price_change_is_an_event_and_counts_at_once(sim):
    families = [f for f in FAMILIES if f[0] in ("newapi", "onehub")]
    with Daemon(whole(platforms(sim, families)), env=environment(families)) as d:
        d.wait(lambda: price_row(d, "newapi")["source"] == "newapi" and price_row(d, "onehub")["source"] == "onehub")
        sim.set("newapi", price_input=0.6, price_output=2.4)
        d.wait(lambda: price_row(d, "newapi")["input"] == pytest.approx(0.6))
        d.wait(lambda: d.row("m", "newapi")["price"]["input"] == pytest.approx(0.6))
        event = d.wait(lambda: next((e for e in d.get("/v1/events?name=price").json["events"]), None))
        assert (event["platform"], event["model"], event["from"], event["to"]) == ("newapi", "m", "0.5/2 USD", "0.6/2.4 USD")
        assert "+20.0 %" in event["text"]
        # A model that comes and one that goes; the price of the one that is gone stays.
        sim.set_models("newapi", ["other"])
        gone = d.wait(lambda: [e for e in d.get("/v1/events?name=listed").json["events"] if e["model"] == "m"], what="the model is gone")
        assert gone[0]["to"] in ("gone", "renamed")
        row = d.wait(lambda: (r := price_row(d, "newapi"))["state"] == "stale" and r)
        assert row["input"] == pytest.approx(0.6)


@pytest.mark.parametrize("fault", ["html", "truncated", "empty", "unknown", "minus_one", "missing_group"])
def test_the_last_good_price_stays(sim, fault):
    families = [f for f in FAMILIES if f[0] == "newapi"]
    with Daemon(whole(platforms(sim, families)), env=environment(families)) as d:
        d.wait(lambda: price_row(d, "newapi")["source"] == "newapi")
        before = sim.seq
        sim.set("newapi", feed_fault=fault, price_input=9, price_output=9)
        sim.wait("newapi", kind="price", count=4, since=before)
        row = d.wait(lambda: price_row(d, "newapi"))
        assert (row["source"], row["input"], row["output"]) == ("newapi", pytest.approx(0.5), pytest.approx(2)), row
        assert d.row("m", "newapi")["state"] in ("up", "new", "degraded"), "a feed that fails is no fault of a route"
        sim.set("newapi", feed_fault=None)
        d.wait(lambda: price_row(d, "newapi")["input"] == pytest.approx(9))


def test_a_failing_feed_is_told_once_and_back(sim):
    families = [f for f in FAMILIES if f[0] == "aihubmix"]
    with Daemon(whole(platforms(sim, families)), env=environment(families)) as d:
        d.wait(lambda: price_row(d, "aihubmix")["source"] == "aihubmix")
        sim.set("aihubmix", feed_error=500)
        d.wait(lambda: prices(d)["platforms"][0]["state"] in ("failed", "stale"))
        assert prices(d)["platforms"][0]["why"]
        sim.set("aihubmix", feed_error=0)
        d.wait(lambda: prices(d)["platforms"][0]["state"] == "ok")
        def told():
            return [e["to"] for e in d.get("/v1/events?name=feed").json["events"] if e["from"] == "price"]

        d.wait(lambda: told()[:1] == ["ok"] and "failed" in told() and told()[-1] == "ok")
        assert len(told()) <= 4, told()


def test_etag_saves_the_list(sim):
    families = [f for f in FAMILIES if f[0] == "aihubmix"]
    with Daemon(whole(platforms(sim, families)), env=environment(families)) as d:
        sim.wait("aihubmix", kind="price", count=4)
        statuses = [r["status"] for r in sim.log("aihubmix", kind="price")]
        assert statuses[0] == 200 and 304 in statuses[1:], statuses
        assert price_row(d, "aihubmix")["age_s"] < 10


def test_an_implausible_price_is_no_truth(sim):
    families = [f for f in FAMILIES if f[0] == "newapi"]
    reference = sim.url("openrouter") + "/reference.json"
    with Daemon(whole(platforms(sim, families), price_reference=reference), env=environment(families)) as d:
        d.wait(lambda: price_row(d, "newapi")["reference"] is not None and price_row(d, "newapi")["source"] == "newapi")
        sim.set("newapi", price_input=50, price_output=200)
        row = d.wait(lambda: (r := price_row(d, "newapi"))["state"] == "implausible" and r)
        assert row["off_reference"] == pytest.approx(100, rel=0.01)
        assert row["input"] == pytest.approx(0.5), "the last good price stays"
        event = d.wait(lambda: next((e for e in d.get("/v1/events?name=implausible").json["events"]), None))
        assert event["platform"] == "newapi"


@pytest.mark.parametrize("configured", [True, False])
def test_a_list_that_was_never_plausible(sim, configured):
    """Read before the reference is, as at a start, it is believed no longer than until then."""
    families = [f for f in FAMILIES if f[0] == "newapi"]
    sim.set("newapi", price_input=50, price_output=200, reference_input=0.5, reference_output=2)
    sim.set("openrouter", feed_delay=700)
    made = platforms(sim, families)
    if configured:
        made["newapi"]["models"] = {"m": {"price": {"input": "0.6 USD/1M", "output": "2.4 USD/1M"}}}
    with Daemon(whole(made, price_reference=sim.url("openrouter") + "/reference.json"), env=environment(families)) as d:
        row = d.wait(lambda: (r := price_row(d, "newapi"))["state"] == "implausible" and r)
        assert (row["source"], row["input"]) == (("config", pytest.approx(0.6)) if configured else ("reference", pytest.approx(0.5)))
        d.wait(lambda: d.row("m", "newapi")["price"]["input"] == pytest.approx(0.6 if configured else 0.5))
        assert d.wait(lambda: [e for e in d.get("/v1/events?name=implausible").json["events"]])


def test_a_reload_finds_prices_in_the_lists_that_are_there(sim):
    """A new route at once; a route that means another model now does not keep the former one's price."""
    families = [f for f in FAMILIES if f[0] == "newapi"]
    sim.set_models("newapi", ["m", "other"])
    sim.set("newapi", model="other", price_input=3, price_output=9)
    made = platforms(sim, families)
    with Daemon(whole(made), env=environment(families)) as d:
        d.wait(lambda: price_row(d, "newapi")["source"] == "newapi")
        made["newapi"]["models"] = {"m": {}, "n": {"upstream": "other"}}
        d.reload(whole(made))
        row = d.wait(lambda: price_row(d, "newapi", "n"))
        assert (row["source"], row["input"], row["state"]) == ("newapi", pytest.approx(3), "ok")
        made["newapi"]["models"] = {"m": {"upstream": "not-listed"}, "n": {}}
        d.reload(whole(made))
        row = d.wait(lambda: (r := price_row(d, "newapi"))["upstream_model"] == "not-listed" and r)
        assert row["source"] == "none"
        assert price_row(d, "newapi", "n")["source"] == "none"


def test_the_reference_stands_in_where_no_source_says_anything(sim):
    made = platforms(sim, [f for f in FAMILIES if f[0] == "newapi"])
    made["newapi"]["price_source"] = "config"
    with Daemon(whole(made, price_reference=sim.url("openrouter") + "/reference.json"), env=environment()) as d:
        row = d.wait(lambda: (r := price_row(d, "newapi"))["source"] == "reference" and r)
        assert row["input"] == pytest.approx(0.5) and row["state"] == "ok"


def test_fetched_rates_count_while_they_are_plausible(sim):
    families = [f for f in FAMILIES if f[0] == "dmxapi"]
    source = {"url": sim.url("openrouter") + "/rates.json", "interval": "1m"}
    sim.set("openrouter", usd_exchange_rate=7)
    with Daemon(whole(platforms(sim, families), rate_source=source), env=environment(families)) as d:
        row = d.wait(lambda: (r := price_row(d, "dmxapi"))["source"] == "rixapi" and r["input"] == pytest.approx(0.5 / 7, rel=1e-4) and r)
        assert next(r for r in prices(d)["rates"] if r["currency"] == "CNY")["source"] == "fed"
        assert row["own"]["input"] == pytest.approx(0.5)
    sim.set("openrouter", usd_exchange_rate=70)
    with Daemon(whole(platforms(sim, families), rate_source=source), env=environment(families)) as d:
        d.wait(lambda: [e for e in d.get("/v1/events?name=rate").json["events"]], what="the rate is told to be implausible")
        d.wait(lambda: price_row(d, "dmxapi")["input"] == pytest.approx(0.5 * 0.14))


def test_a_site_that_sells_its_dollars_for_yuan(sim):
    """Where nothing is configured, prices and balance are both in what a site dollar was bought for."""
    families = [f for f in FAMILIES if f[0] == "newapi"]
    made = platforms(sim, families)
    made["newapi"]["price_source"] = "newapi"
    made["newapi"]["balance_source"] = "newapi"
    sim.set("newapi", price=2, balance=10)
    with Daemon(whole(made), env=environment(families)) as d:
        row = d.wait(lambda: (r := price_row(d, "newapi"))["source"] == "newapi" and r)
        assert row["own_currency"] == "CNY" and row["own"]["input"] == pytest.approx(1) and row["input"] == pytest.approx(0.14)
        balance = d.wait(lambda: (b := spend(d, "newapi")["balance"])["state"] == "ok" and b)
        assert balance["own_currency"] == "CNY" and balance["own_left"] == pytest.approx(20, abs=0.1)


def test_prices_and_credit_outlive_a_restart(sim):
    families = [f for f in FAMILIES if f[0] == "newapi"]
    with Daemon(whole(platforms(sim, families)), env=environment(families)) as d:
        d.wait(lambda: price_row(d, "newapi")["source"] == "newapi" and spend(d, "newapi")["balance"]["state"] == "ok")
        d.stop()
        sim.set("newapi", feed_error=500)
        d.start()
        row = price_row(d, "newapi")
        assert (row["source"], row["input"]) == ("newapi", pytest.approx(0.5)), "the last good price is there before the feed answers"
        assert row["age_s"] is not None


def test_openrouter_charges_are_compared(sim):
    families = [f for f in FAMILIES if f[0] == "openrouter"]
    sim.set("openrouter", overcharge=1.5)
    with Daemon(whole(platforms(sim, families)), env=environment(families)) as d:
        row = d.wait(lambda: (r := price_row(d, "openrouter"))["verified"]["state"] == "dearer" and r, deadline=60)
        assert row["verified"]["ratio"] == pytest.approx(1.5, rel=0.05)
        assert row["verified"]["evidence"] in ("usage_cost", "generation")
        # It counts: what tables use is what is charged.
        d.wait(lambda: price_row(d, "openrouter")["effective"]["input"] == pytest.approx(0.75, rel=0.06))
        d.wait(lambda: d.row("m", "openrouter")["price"]["input"] == pytest.approx(0.75, rel=0.06))
        assert d.wait(lambda: [e for e in d.get("/v1/events?name=charged").json["events"]])


def test_top_ups_and_low_credit(sim):
    families = [f for f in FAMILIES if f[0] == "newapi"]
    with Daemon(whole(platforms(sim, families), credit={"low": "30 USD"}), env=environment(families)) as d:
        d.wait(lambda: spend(d, "newapi")["balance"]["state"] == "ok")
        sim.topup("newapi", 25)
        change = d.wait(lambda: spend(d, "newapi")["changes"], deadline=30)[0]
        assert change["kind"] == "topup" and change["amount"] == pytest.approx(25, rel=0.01)
        assert d.wait(lambda: [e for e in d.get("/v1/events?name=topup").json["events"]])
        sim.set("newapi", balance=12)
        d.wait(lambda: "low_credit" in spend(d, "newapi")["alerts"], deadline=30)
        assert "newapi is low" in d.routectl("check").stdout
        assert d.wait(lambda: [e for e in d.get("/v1/events?name=credit").json["events"] if e["to"] == "low"])


def test_forecast(sim):
    families = [f for f in FAMILIES if f[0] in ("newapi", "dmxapi")]
    work = [{"model": "m", "requests": "50k/day", "input": 1200, "output": 300}]
    with Daemon(whole(platforms(sim, families), workload=work), env=environment(families)) as d:
        d.wait(lambda: price_row(d, "newapi")["source"] == "newapi" and price_row(d, "dmxapi")["source"] == "rixapi")
        d.wait(lambda: d.row("m", "newapi")["state"] == "up" and d.row("m", "dmxapi")["state"] == "up")
        got = d.get("/v1/forecast").json["workloads"][0]
        of = {p["platform"]: p for p in got["platforms"]}
        fair = 50000 * 30 * (1200 * 0.5 + 300 * 2) / 1e6
        assert of["newapi"]["cost"] == pytest.approx(fair, rel=0.5) and of["newapi"]["cost"] >= fair * 0.999
        assert of["newapi"]["low"] <= of["newapi"]["cost"] <= of["newapi"]["high"]
        assert of["dmxapi"]["cost"] == pytest.approx(of["newapi"]["cost"] * 0.14, rel=0.5)
        assert got["table"]["cost"] is not None and sum(s["weight"] for s in got["table"]["shares"]) == pytest.approx(1)
        d.wait(lambda: next(p for p in d.get("/v1/forecast").json["workloads"][0]["platforms"] if p["platform"] == "newapi")["balance"] is not None)
        other = d.get("/v1/forecast?model=m&requests_per_day=10&days=10").json["workloads"][0]
        assert other["requests_per_day"] == 10 and other["declared"] is False
        assert d.get("/v1/forecast?requests_per_day=abc").status == 400
        assert d.routectl("forecast").returncode == 0
        assert d.routectl("forecast", "m", "--requests", "1k/day").returncode == 0


def test_money_spent_survives_another_reference_currency(sim):
    """By a restart: what was spent in USD counts in CNY. A reload refuses it."""
    families = [f for f in FAMILIES if f[0] == "oneapi"]
    with Daemon(whole(platforms(sim, families)), env=environment(families)) as d:
        d.wait(lambda: d.status()["budget"]["spent"] > 0.0005)
        other = whole(platforms(sim, families), currency="CNY", rates={"USD": "7 CNY"}, budget={"all": "700 CNY/day"})
        d.write("probed.yaml", other)
        assert d.post("/v1/reload", {}).status == 422
        assert d.status()["currency"] == "USD"
        spent = d.status()["budget"]["spent"]
        d.stop()
        for again in range(2):
            d.start()
            status = d.status()
            assert status["currency"] == "CNY" and status["budget"]["spent"] >= 7 * spent * 0.999, (again, spent, status["budget"])
            assert status["budget"]["spent"] < 7 * (spent + 0.01) * 2, (again, spent, status["budget"])
            d.stop()


def all_texts(d, sim, families):
    """Everything that anybody could see of the daemon."""
    yield "log", d.log().encode() if isinstance(d.log(), str) else d.log()
    targets = ["/v1/status", "/v1/prices", "/v1/spend", "/v1/capabilities", "/v1/honesty", "/v1/forecast?model=m&requests_per_day=1", "/v1/routes", "/v1/routes.txt",
               "/v1/events?limit=1000", "/v1/report", "/v1/dump"] + [f"/v1/explain?platform={f}&model=m" for f, *_ in families]
    for target in targets:
        yield target, d.get(target).body.encode()
    with open(f"/proc/{d.process.pid}/cmdline", "rb") as file:
        yield "argv", file.read()
    for verb in (["status"], ["prices"], ["spend"], ["platforms"], ["events"], ["prices", "--json"], ["spend", "--json"], ["platforms", "--json"]):
        got = d.routectl(*verb)
        yield " ".join(verb), (got.stdout + got.stderr).encode()
    for directory, _, names in os.walk(d.dir):
        for name in names:
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    yield path, file.read()


SHAPES = {"sk": "sk-SECRETsecret{}0123456789abcdef", "uuid": "{}47611a3-ce9d-4b8e-9f00-1a2b3c4d5e6f", "dotted": "{}9f8e7d.Q3xT7vB9kLw2"}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_no_key_is_seen_anywhere(shape, monkeypatch):
    """Of good feeds, of feeds that fail in every way with the key in their words, in the log at its most talkative, in files, argv and answers."""
    monkeypatch.setitem(globals(), "KEY", SHAPES[shape])
    with Relaysim(relays()) as sim:
        no_key_is_seen(sim)


def no_key_is_seen(sim):
    with Daemon(whole(platforms(sim), log_level="debug"), env=environment(), args=["-d"]) as d:
        for family, _, balance, _ in FAMILIES:
            d.wait(lambda f=family: spend(d, f)["balance"]["state"] == "ok", what=family)
        needles = [k.encode() for f, *_ in FAMILIES for k in (KEY.format(f), *([TOKEN.format(f)] if f in OWN_KEY else []))]
        for family, *_ in FAMILIES:
            sim.set(family, error="bad_key", on=["balance"], message=f"keys {KEY.format(family)} and {TOKEN.format(family) if family in OWN_KEY else 'none'} are no good")
        for family, *_ in FAMILIES:
            d.wait(lambda f=family: spend(d, f)["balance"]["state"] in ("failed", "stale"), what=f"{family} fails")
        for family, *_ in FAMILIES:
            sim.set(family, error="bad_key", on=["chat", "models", "balance", "price"], message=f"key {KEY.format(family)} is no good")
        d.wait(lambda: all(d.row("m", f)["state"] == "unusable" for f, *_ in FAMILIES), deadline=30)
        # In the names that it gives to models, whole and in halves, percent-encoded too.
        for family, *_ in FAMILIES:
            key = KEY.format(family)
            sim.set(family, error=None, message=None, on=None, model_echo=key)
            sim.set_models(family, ["m", key, "x-" + key[:len(key) // 2]])
        d.wait(lambda: all(d.row("m", f)["state"] != "unusable" for f, *_ in FAMILIES), deadline=30)
        d.wait(lambda: len(d.get("/v1/events?name=listed&limit=1000").json["events"]) > 0)
        halves = [k for n in list(needles) for k in (n[:len(n) // 2], n[len(n) // 2:], n[6:18])]
        needles += [h for h in halves if len(h) >= 8]
        for where, data in all_texts(d, sim, FAMILIES):
            for needle in needles:
                at = data.find(needle)
                assert at < 0, (where, data[max(0, at - 80):at + 20])


def test_a_shared_secret_path_is_not_shown(sim):
    """DMXAPI's balance has the key in its URL."""
    families = [f for f in FAMILIES if f[0] == "dmxapi"]
    with Daemon(whole(platforms(sim, families), log_level="debug"), env=environment(families), args=["-d"]) as d:
        d.wait(lambda: spend(d, "dmxapi")["balance"]["state"] == "ok")
        port = re.search(r":(\d+)", sim.url("dmxapi")).group(1)
        sim.set("dmxapi", fault="refuse")
        d.wait(lambda: spend(d, "dmxapi")["balance"]["state"] in ("failed", "stale"), what="the balance fails")
        assert KEY.format("dmxapi") not in json.dumps(spend(d, "dmxapi")) and port
        for where, data in all_texts(d, sim, families):
            assert KEY.format("dmxapi").encode() not in data, where
