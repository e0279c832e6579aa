"""What a route can do, and what many requests at once do to it: probes of the rare kinds, asked for by hand, against simulated relays that can, refuse, pass over and lie."""
import os

import pytest

from daemon import BUILD, Probed
from relaysim import Relaysim
from world import config, platform, probes

pytestmark = pytest.mark.skipif(not os.access(os.path.join(BUILD, "relaysim"), os.X_OK), reason="relaysim is not built")
ALL = ["stream", "usage", "tools", "json", "vision"]
RARE = {"timeouts": {"connect": "2s", "headers": "4s", "first": "4s", "stall": "4s", "total": "9s"}}
PRICE = {"input": "0.1 USD/1M", "output": "0.1 USD/1M"}


def whole(made, capabilities=("vision", "tools"), **more):
    text = {"probes": {**probes(), "burst": {"size": 6, **RARE}, "capabilities": {"interval": "300d", **RARE}},
            "policies": {"quick": {"second": 3, "money": 0.01}, "seeing": {"second": 3, "money": 0.01, "require": ["vision"]},
                         "many": {"second": 3, "money": 0.01, "capacity": 1, "concurrency": 6}}}
    return config(made, **{**text, "models": {"m": {"capabilities": list(capabilities)}}, **more})


def results(d, name="a"):
    route = next(r for r in d.get("/v1/capabilities").json["routes"] if r["platform"] == name)
    return {r["capability"]: r for r in route["results"]}


def try_out(d, name="a", until=ALL):
    """Asks for a trial and gives its results when there is a word on each that is wanted."""
    before = {k: r["at"] for k, r in results(d, name).items()}
    d.wait(lambda: d.row("m", name)["state"] == "up")
    assert d.routectl("probe", f"{name}/m", "--kind", "capabilities").returncode == 0
    return d.wait(lambda: (r := results(d, name)) and all(r[c]["at"] not in (None, before[c]) for c in until) and r, deadline=60)


def test_a_good_relay_can_do_everything():
    with Relaysim([{"name": "a", "behaviour": {"first_token": 20, "gap": 3}}]) as sim:
        with Probed(whole({"a": platform(sim.url("a"), price=PRICE)})) as d:
            got = try_out(d)
            assert {c: got[c]["state"] for c in ALL} == {c: "yes" for c in ALL}, got
            assert got["tools"]["declared"] and not got["json"]["declared"]
            out = d.routectl("capabilities")
            assert out.returncode == 0 and "yes" in out.stdout


@pytest.mark.parametrize("refusal", ["error", "ignore", "lie"])
def test_a_declared_capability_that_is_not_there(refusal):
    """One refusal is none; the second takes the route out of what requires it, and the journal says so."""
    relays = [{"name": n, "behaviour": {"first_token": 20, "gap": 3}} for n in ("a", "b")]
    with Relaysim(relays) as sim:
        sim.set("a", capabilities_without=["vision", "json"], capability_refusal=refusal)
        with Probed(whole({n: platform(sim.url(n), price=PRICE) for n in ("a", "b")})) as d:
            first = try_out(d, until=["vision"])
            assert first["vision"]["state"] in ("unclear", "no"), first
            if first["vision"]["state"] == "unclear":
                assert d.row("m", "a", "seeing")["rank"] is not None
                first = try_out(d, until=["vision"])
            assert first["vision"]["state"] == "no" and first["vision"]["evidence"], first
            row = d.wait(lambda: (r := d.row("m", "a", "seeing"))["reason"] == "requirement" and r)
            assert row["slots"] == 0
            assert d.row("m", "a", "quick")["reason"] != "requirement"
            assert d.explain("a", "m", "seeing")["reason_why"] == "measured: no vision"
            assert d.first("m", "seeing") == "b"
            assert d.wait(lambda: [e for e in d.get("/v1/events?name=capability").json["events"] if e["platform"] == "a"])
            # It outlives a restart.
            d.stop()
            d.start()
            assert results(d)["vision"]["state"] == "no"
            # And it comes back as soon as it is there again.
            sim.set("a", capabilities_without=None)
            assert try_out(d, until=["vision"])["vision"]["state"] == "yes"
            d.wait(lambda: d.row("m", "a", "seeing")["slots"] > 0 or d.row("m", "a", "seeing")["reason"] != "requirement")


def test_trouble_is_no_refusal():
    with Relaysim([{"name": "a", "behaviour": {"first_token": 20, "gap": 3}}]) as sim:
        with Probed(whole({"a": platform(sim.url("a"), price=PRICE)})) as d:
            try_out(d)
            before = sim.seq
            sim.set("a", fail_share=1, error="unavailable")
            d.routectl("probe", "a/m", "--kind", "capabilities")
            sim.wait("a", kind="chat", count=4, since=before)
            assert {results(d)[c]["state"] for c in ALL} == {"yes"}, "a clear word stays when the relay is in trouble"


def test_the_same_words_from_two_models():
    with Relaysim([{"name": "a", "behaviour": {"first_token": 20, "gap": 3, "same_answer": True}}]) as sim:
        made = platform(sim.url("a"), models=("gpt-4o-mini", "deepseek-v3"), price=PRICE)
        with Probed(whole({"a": made}, models={"gpt-4o-mini": {}, "deepseek-v3": {}})) as d:
            d.wait(lambda: all(d.row(m, "a")["state"] == "up" for m in ("gpt-4o-mini", "deepseek-v3")))

            def seen():
                routes = d.get("/v1/honesty").json["routes"]
                return all(next(s for s in r["signals"] if s["signal"] == "same_answer")["count"] > 0 for r in routes)
            for _ in range(6):
                for model in ("gpt-4o-mini", "deepseek-v3"):
                    tested = next(r for r in d.get("/v1/capabilities").json["routes"] if r["model"] == model)["tested_at"]
                    d.routectl("probe", f"a/{model}", "--kind", "capabilities")
                    d.wait(lambda m=model, t=tested: next(r for r in d.get("/v1/capabilities").json["routes"] if r["model"] == m)["tested_at"] not in (None, t), deadline=40)
                if seen():
                    break
            d.wait(seen)
            assert "same_answer" in d.routectl("honesty").stdout


def test_a_burst_shows_what_concurrency_does():
    """Two relays alike one by one; one of them fails under six at once. Who has six in flight is sent to the other."""
    relays = [{"name": n, "behaviour": {"first_token": 20, "gap": 3}} for n in ("a", "b")]
    with Relaysim(relays) as sim:
        sim.set("a", max_in_flight=2, limit_error="unavailable")
        with Probed(whole({n: platform(sim.url(n), price=PRICE) for n in ("a", "b")})) as d:
            d.wait(lambda: all(d.row("m", n)["state"] == "up" for n in ("a", "b")))
            for n in ("a", "b", "a", "b", "a", "b"):
                at = (d.explain(n, "m")["burst"] or {}).get("age_s")
                d.routectl("probe", f"{n}/m", "--kind", "burst")
                d.wait(lambda n=n, at=at: (b := d.explain(n, "m")["burst"]) and (at is None or b["age_s"] < at) and b, deadline=60)
            bad, good = d.explain("a", "m")["burst"], d.explain("b", "m")["burst"]
            assert bad["n"] == 6 and bad["failed"] >= 1 and good["failed"] == 0 and good["ok"] == 6, (bad, good)
            assert good["ttft_p95_ms"] > 0
            d.wait(lambda: d.first("m", "many") == "b", deadline=40)
            assert d.row("m", "a")["state"] == "up", "it is no outage"
