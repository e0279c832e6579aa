"""relaysim's money, seen on the wire: price feeds in the shapes of their families, account pages and who may see them, what is charged, and when it shows.

The numbers are worked out here, from the documented rules, not by relaysim's own code. Nothing sleeps: what comes late is polled for, with a deadline.
"""
import gzip
import json
import os
import time

import pytest

from relaysim import Relaysim, RelaysimError, program
from test_relaysim import DEADLINE, QUICK, Client, ask, chat

MODELS = ["plain", "cached", "tiered", "by-call"]
FEEDS = {"openrouter": "/api/v1/models", "newapi": "/api/pricing", "apiyi": "/api/pricing", "dmxapi": "/api/pricing", "rixapi": "/api/pricing",
         "shellapi": "/api/pricing", "voapi": "/api/models/price", "onehub": "/api/available_model", "aihubmix": "/api/v1/models"}
ONEAPI = ["oneapi", "newapi", "onehub", "voapi", "rixapi", "shellapi", "apiyi", "dmxapi", "aihubmix"]
PRICES = {"plain": {"price_input": 0.15, "price_output": 0.6},
          "cached": {"price_input": 3, "price_output": 15, "price_cache_read": 0.3, "price_cache_write": 3.75},
          "tiered": {"price_input": 2.5, "price_output": 15, "price_cache_read": 0.25, "price_tier_from": 272001},
          "by-call": {"price_call": 0.04}}

pytestmark = pytest.mark.skipif(not os.access(program(), os.X_OK), reason="relaysim is not built")


@pytest.fixture(scope="module")
def shared_sim():
    families = sorted(set(FEEDS) | set(ONEAPI) | {"siliconflow", "openai"})
    relays = [{"name": f, "family": f, "key": "sk-" + f, "models": MODELS, "access_token": "at-" + f, "user_id": 17, "management_key": "mk-" + f} for f in families]
    with Relaysim(relays, behaviour=QUICK) as running:
        yield running


@pytest.fixture
def sim(shared_sim):
    yield shared_sim
    shared_sim.reset("*")
    shared_sim.set_models("*", MODELS)


def set_prices(sim, relay, **more):
    sim.set(relay, **more)
    for model, prices in PRICES.items():
        sim.set(relay, model=model, **prices)


def feed(sim, relay, path=None, headers=(), **more):
    with Client(sim, relay, **more) as client:
        client.send("GET", path or FEEDS[relay], headers=list(headers))
        return client.receive()


def get(sim, relay, path, key=None, headers=()):
    with Client(sim, relay) as client:
        client.send("GET", path, key=key, headers=list(headers))
        return client.receive()


def until(look, what):
    deadline = time.monotonic() + DEADLINE
    while not (seen := look()):
        assert time.monotonic() < deadline, what
    return seen


# --- prices, each shape -----------------------------------------------------------------------------------------------


def test_openrouter_lists_prices_as_text(sim):
    sim.set_models("openrouter", MODELS + ["openrouter/auto", "plain:free"])
    set_prices(sim, "openrouter")
    answer = feed(sim, "openrouter")
    rows = {m["id"]: m for m in answer.json["data"]}
    assert list(rows) == MODELS + ["openrouter/auto", "plain:free"]
    assert rows["plain"]["pricing"]["prompt"] == "0.00000015" and rows["plain"]["pricing"]["completion"] == "0.0000006"
    assert rows["cached"]["pricing"]["input_cache_read"] == "0.0000003" and rows["cached"]["pricing"]["input_cache_write"] == "0.00000375"
    assert rows["tiered"]["pricing"]["overrides"] == [{"min_prompt_tokens": 272001, "prompt": "0.000005", "completion": "0.00003", "input_cache_read": "0.0000005"}]
    assert rows["by-call"]["pricing"]["request"] == "0.04" and rows["by-call"]["pricing"]["prompt"] == "0"
    assert rows["openrouter/auto"]["pricing"] == {"prompt": "-1", "completion": "-1"} and rows["openrouter/auto"]["top_provider"]["context_length"] is None
    assert rows["plain:free"]["pricing"]["prompt"] == "0" and rows["plain:free"]["pricing"]["completion"] == "0"
    wanted = {"id", "canonical_slug", "hugging_face_id", "name", "created", "description", "context_length", "architecture", "pricing", "top_provider",
              "per_request_limits", "supported_parameters", "default_parameters", "supported_voices", "knowledge_cutoff", "expiration_date", "links"}
    assert all(set(m) == wanted for m in rows.values())
    assert sim.last("openrouter", kind="models")["how"] == "answered"


def test_openrouter_lists_the_providers_of_a_model(sim):
    sim.set_models("openrouter", ["vendor/plain"])
    sim.set("openrouter", price_input=1, price_output=2)
    data = feed(sim, "openrouter", "/api/v1/models/vendor/plain/endpoints").json["data"]
    assert data["id"] == "vendor/plain" and [e["pricing"]["prompt"] for e in data["endpoints"]] == ["0.000001", "0.0000015"]
    assert data["endpoints"][0]["latency_last_30m"] is None and data["endpoints"][0]["provider_name"] == "Simulated"
    assert sim.last("openrouter", kind="price")["status"] == 200
    missing = feed(sim, "openrouter", "/api/v1/models/vendor/other/endpoints")
    assert missing.status == 404 and missing.json["error"]["code"] == 404


@pytest.mark.parametrize("relay", ["newapi", "apiyi"])
def test_newapi_lists_ratios(sim, relay):
    set_prices(sim, relay)
    answer = feed(sim, relay).json
    rows = {m["model_name"]: m for m in answer["data"]}
    assert rows["plain"]["quota_type"] == 0 and rows["plain"]["model_ratio"] == 0.075 and rows["plain"]["completion_ratio"] == 4
    assert rows["cached"]["cache_ratio"] == pytest.approx(0.1) and rows["cached"]["create_cache_ratio"] == 1.25
    assert rows["tiered"]["billing_mode"] == "tiered_expr"
    assert rows["tiered"]["billing_expr"] == 'len <= 272000 ? tier("standard", p * 2.5 + c * 15 + cr * 0.25) : tier("long_context", p * 5 + c * 30 + cr * 0.5)'
    assert rows["by-call"]["quota_type"] == 1 and rows["by-call"]["model_price"] == 0.04 and rows["by-call"]["model_ratio"] == 0
    assert answer["success"] is True and answer["group_ratio"] == {"default": 1, "vip": 0.8} and "" in answer["usable_group"]
    assert rows["plain"]["enable_groups"] == ["default", "vip"] and answer["vendors"][0]["id"] == 1 and answer["pricing_version"]


def test_newapi_as_it_was(sim):
    sim.set("newapi", feed_version="old", price_input=2, price_output=2)
    answer = feed(sim, "newapi").json
    assert set(answer) == {"success", "data", "group_ratio", "usable_group"}
    assert set(answer["data"][0]) == {"model_name", "quota_type", "model_ratio", "model_price", "owner_by", "completion_ratio", "enable_groups"}


def test_groups_and_scales_leave_the_price_alone(sim):
    """2.5 a million, whatever the group's ratio and the size of a quota point."""
    sim.set("newapi", price_input=2.5, price_output=10, price_group="gold", price_group_ratio=0.5, quota_per_unit=1000000)
    answer = feed(sim, "newapi").json
    row, status = answer["data"][0], feed(sim, "newapi", "/api/status").json["data"]
    points = row["model_ratio"] * answer["group_ratio"]["gold"] * 1e6  # a million tokens
    assert points / status["quota_per_unit"] == pytest.approx(2.5)
    assert row["enable_groups"] == ["gold", "vip"]
    sim.set("newapi", price_groups=["svip", "all"])
    assert feed(sim, "newapi").json["data"][0]["enable_groups"] == ["svip", "all"]


def test_status_tells_the_scale(sim):
    sim.set("newapi", quota_per_unit=250000, quota_display_type="CNY", price=2, usd_exchange_rate=7.1)
    data = feed(sim, "newapi", "/api/status").json["data"]
    assert (data["quota_per_unit"], data["quota_display_type"], data["price"], data["usd_exchange_rate"]) == (250000, "CNY", 2, 7.1)
    old = feed(sim, "oneapi", "/api/status").json["data"]
    assert old["quota_per_unit"] == 500000 and old["chat_link"] == "" and "quota_display_type" not in old


def test_onehub_lists_both_ratios(sim):
    set_prices(sim, "onehub", price_group_ratio=2)
    data = feed(sim, "onehub").json["data"]
    assert data["cached"]["price"]["type"] == "tokens" and data["cached"]["price"]["input"] == 0.75 and data["cached"]["price"]["output"] == 3.75
    assert data["cached"]["price"]["extra_ratios"]["cached_tokens"] == pytest.approx(0.1) and data["plain"]["groups"] == ["default", "vip"]
    assert data["by-call"]["price"]["type"] == "times" and data["by-call"]["price"]["input"] == 10  # x 0.002 x 2
    assert feed(sim, "onehub", "/api/user_group_map").json["data"]["default"]["ratio"] == 2
    assert [m["model"] for m in feed(sim, "onehub", "/api/prices").json["data"]] == MODELS


def test_voapi_has_the_group_in_the_price(sim):
    set_prices(sim, "voapi", price_group_ratio=2)
    rows = {m["key"]: m for m in feed(sim, "voapi").json["data"]["models"]}
    assert rows["cached"]["group_price"]["default"] == {"type": 0, "price": 1.5} and rows["cached"]["completion_ratio"] == 5
    assert rows["by-call"]["group_price"]["default"] == {"type": 1, "price": 0.04}


@pytest.mark.parametrize("relay", ["rixapi", "dmxapi"])
def test_rixapi_in_both_shapes(sim, relay):
    set_prices(sim, relay)
    rows = {m["model_name"]: m["price_info"]["default"]["default"] for m in feed(sim, relay).json["data"]["model_info"]}
    assert rows["cached"] == {"quota_type": 0, "model_price": 0, "model_ratio": 1.5, "model_completion_ratio": 5}
    assert rows["by-call"]["model_price"] == 0.04 and rows["by-call"]["model_ratio"] == 0
    for model in [None] + MODELS:
        sim.set(relay, model=model, feed_version="old", price_group_ratio=2)
    data = feed(sim, relay).json["data"]
    assert data["model_group"]["default"]["GroupRatio"] == 2 and data["model_completion_ratio"]["cached"] == 5
    assert data["model_group"]["default"]["ModelPrice"]["cached"] == {"isPrice": False, "price": 0.75}
    assert data["model_group"]["default"]["ModelPrice"]["by-call"] == {"isPrice": True, "price": 0.02}


def test_shellapi_has_maps(sim):
    set_prices(sim, "shellapi")
    data = feed(sim, "shellapi").json["data"]
    assert data["ModelRatio"]["cached"] == 1.5 and data["CompletionRatio"]["cached"] == 5 and data["GroupRatio"]["default"] == 1
    assert data["ModelFixedPrice"] == {"by-call": 0.04} and data["Models"] == MODELS


def test_aihubmix_lists_a_million(sim):
    set_prices(sim, "aihubmix")
    answer = feed(sim, "aihubmix")
    assert answer.headers["cache-control"] == "max-age=300" and "etag" in answer.headers
    rows = {m["model_id"]: m for m in answer.json["data"]}
    assert rows["cached"]["pricing"] == {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75} and rows["cached"]["types"] == "llm"


def test_the_reference_and_the_rates(sim):
    set_prices(sim, "openai")
    sim.set("openai", model="cached", reference_input=1, reference_output=4)
    table = feed(sim, "openai", "/reference.json").json
    assert table["plain"]["input_cost_per_token"] == 1.5e-07 and table["plain"]["output_cost_per_token"] == 6e-07 and table["plain"]["mode"] == "chat"
    assert table["cached"]["input_cost_per_token"] == 1e-06 and isinstance(table["sample_spec"]["max_tokens"], str)
    sim.set("openai", usd_exchange_rate=7.25)
    rates = feed(sim, "openai", "/rates.json").json
    assert rates["base"] == "USD" and rates["rates"]["CNY"] == 7.25 and rates["rates"]["USD"] == 1
    sim.set("openai", feed_fault="empty")
    assert feed(sim, "openai", "/reference.json").json == {} and feed(sim, "openai", "/rates.json").json["rates"] == {}


@pytest.mark.parametrize("relay", sorted(FEEDS))
def test_models_come_go_hide_and_are_renamed(sim, relay):
    def names():
        data = feed(sim, relay).json["data"]
        data = data.get("models") or data.get("model_info") or data.get("Models") or data if isinstance(data, dict) else data
        return [m if isinstance(m, str) else m.get("id") or m.get("model_name") or m.get("key") or m.get("model_id") for m in data]
    assert names() == MODELS
    sim.set(relay, model="cached", price_hidden=True)
    assert names() == ["plain", "tiered", "by-call"]
    assert ask(sim, relay, path="/v1/models").body.count(b"cached") > 0 or relay == "openrouter"
    sim.set_models(relay, ["plain-2", "tiered"])
    assert names() == ["plain-2", "tiered"]


# --- how feeds are sent, and what goes wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("relay", sorted(FEEDS))
def test_etag_and_gzip(sim, relay):
    sim.set(relay, price_input=1)
    plain = feed(sim, relay)
    assert "content-encoding" not in plain.headers
    packed = feed(sim, relay, headers=["Accept-Encoding: deflate, gzip"])
    assert packed.headers["content-encoding"] == "gzip" and gzip.decompress(packed.body) == plain.body and packed.headers["etag"] == plain.headers["etag"]
    assert len(packed.body) < len(plain.body)
    same = feed(sim, relay, headers=[f"If-None-Match: {plain.headers['etag']}"])
    assert same.status == 304 and same.body == b"" and same.headers["etag"] == plain.headers["etag"]
    sim.set(relay, price_input=1.5)
    changed = feed(sim, relay, headers=[f"If-None-Match: {plain.headers['etag']}"])
    assert changed.status == 200 and changed.headers["etag"] != plain.headers["etag"]
    sim.set(relay, feed_etag=False, feed_gzip=False)
    bare = feed(sim, relay, headers=["Accept-Encoding: gzip", f"If-None-Match: {changed.headers['etag']}"])
    assert bare.status == 200 and "etag" not in bare.headers and bare.json


@pytest.mark.parametrize("relay", sorted(FEEDS))
def test_faults_of_feeds(sim, relay):
    whole = feed(sim, relay).body
    sim.set(relay, feed_fault="html")
    page = feed(sim, relay)
    assert page.status == 200 and page.headers["content-type"].startswith("text/html") and b"<html" in page.body
    sim.set(relay, feed_fault="truncated")
    assert whole.startswith(feed(sim, relay).body) and len(feed(sim, relay).body) == len(whole) // 2
    sim.set(relay, feed_fault="empty")
    assert b"plain" not in feed(sim, relay).body and feed(sim, relay).json
    sim.set(relay, feed_fault="duplicate", price_input=1, price_output=1)
    assert feed(sim, relay).body.count(b'"plain"') >= 2
    for fault in ("unknown", "minus_one", "zero", "missing_group"):
        sim.set(relay, feed_fault=fault)
        assert b"plain" in feed(sim, relay).body and feed(sim, relay).json
    sim.set(relay, feed_fault="huge")
    packed = feed(sim, relay, headers=["Accept-Encoding: gzip"])
    assert len(packed.body) < 200000 and len(gzip.decompress(packed.body)) > 12 * 1024 * 1024
    assert b"plain" in ask(sim, relay, path="/v1/models").body, "the list of models is another matter"


def test_what_is_not_known(sim):
    set_prices(sim, "newapi")
    sim.set("newapi", feed_fault="minus_one")
    row = feed(sim, "newapi").json["data"][0]
    assert row["model_ratio"] == -1 and row["model_price"] == -1
    sim.set("newapi", feed_fault="unknown")
    row = feed(sim, "newapi").json["data"][0]
    assert row["model_name"] == "plain" and row["model_ratio"] is None and row["model_price"] is None
    sim.set("newapi", feed_fault="zero")
    assert feed(sim, "newapi").json["data"][0]["model_ratio"] == 0
    sim.set("newapi", feed_fault="missing_group")
    answer = feed(sim, "newapi").json
    assert "default" not in answer["group_ratio"] and "default" in answer["data"][0]["enable_groups"]
    sim.set("newapi", feed_fault="duplicate")
    ratios = [m["model_ratio"] for m in feed(sim, "newapi").json["data"] if m["model_name"] == "plain"]
    assert ratios == [0.075, 0.15]
    sim.set("openrouter", feed_fault="minus_one", price_input=1)
    assert feed(sim, "openrouter").json["data"][0]["pricing"] == {"prompt": "-1", "completion": "-1"}
    sim.set("openrouter", feed_fault="unknown")
    assert feed(sim, "openrouter").json["data"][0]["pricing"] == {}


def test_a_slow_feed_and_a_late_one(sim):
    sim.set("newapi", feed_fault="slow", feed_gap=5)
    began = time.monotonic()
    answer = feed(sim, "newapi")
    assert answer.json["success"] and len(answer.pieces) > 3 and time.monotonic() - began >= 15 * 0.005
    sim.only("newapi", feed_delay=60)
    began = time.monotonic()
    assert feed(sim, "newapi").json["success"] and time.monotonic() - began >= 0.06
    assert chat(sim, "newapi", model="plain").end == "complete"


@pytest.mark.parametrize("status", [401, 403, 429, 500])
@pytest.mark.parametrize("relay", ["newapi", "openrouter", "onehub"])
def test_errors_of_feeds(sim, relay, status):
    sim.set(relay, feed_error=status)
    answer = feed(sim, relay)
    assert answer.status == status
    assert (relay != "openrouter" and status == 429 and answer.body == b"") or answer.json
    assert chat(sim, relay, model="plain").status == 200


def test_what_faults_are_on(sim):
    sim.set("newapi", error="unavailable", on=["price"])
    assert feed(sim, "newapi").status == 503 and get(sim, "newapi", "/api/usage/token/", "sk-newapi").status == 200 and ask(sim, "newapi").status == 200
    sim.set("newapi", on=["balance"])
    assert feed(sim, "newapi").status == 200 and get(sim, "newapi", "/api/usage/token/", "sk-newapi").status == 503
    sim.only("newapi", error="unavailable")
    assert feed(sim, "newapi").status == 503 and get(sim, "newapi", "/api/usage/token/", "sk-newapi").status == 503
    sim.only("newapi", fault="hang", on=["balance"])
    with Client(sim, "newapi", timeout=0.2) as client:
        client.send("GET", "/api/usage/token/", key="sk-newapi")
        assert client.receive().end == "timeout"


# --- balances, and who may see them -----------------------------------------------------------------------------------


def spend(sim, relay, amount=0.25):
    """One chat that costs so much."""
    sim.set(relay, price_call=amount)
    assert chat(sim, relay, model="plain", stream=False).status == 200


def test_openrouter_keys(sim):
    sim.set("openrouter", balance=50)
    spend(sim, "openrouter")
    data = get(sim, "openrouter", "/api/v1/key", "sk-openrouter").json["data"]
    assert (data["limit"], data["limit_remaining"], data["usage"], data["is_management_key"]) == (50, 49.75, 0.25, False)
    assert get(sim, "openrouter", "/api/v1/key", "mk-openrouter").json["data"]["is_management_key"] is True
    assert get(sim, "openrouter", "/api/v1/key", "sk-other").status == 401 and get(sim, "openrouter", "/api/v1/key").status == 401
    refused = get(sim, "openrouter", "/api/v1/credits", "sk-openrouter")
    assert refused.status == 403 and refused.json["error"]["message"] == "Only management keys can perform this operation"
    assert get(sim, "openrouter", "/api/v1/credits", "sk-other").status == 401
    assert get(sim, "openrouter", "/api/v1/credits", "mk-openrouter").json == {"data": {"total_credits": 50, "total_usage": 0.25}}
    sim.set("openrouter", unlimited=True)
    data = get(sim, "openrouter", "/api/v1/key", "sk-openrouter").json["data"]
    assert data["limit"] is None and data["limit_remaining"] is None and data["usage"] == 0.25
    assert [r["kind"] for r in sim.log("openrouter", last=2)] == ["balance", "balance"]


def test_a_generation_comes_late(sim):
    sim.set("openrouter", price_input=100, price_output=200, post_delay=150, cached_tokens=3)
    answer = chat(sim, "openrouter", model="plain", stream=False).json
    path = "/api/v1/generation?id=" + answer["id"]
    assert get(sim, "openrouter", path, "sk-openrouter").status == 404
    data = until(lambda: get(sim, "openrouter", path, "sk-openrouter").json.get("data"), "the generation is posted")
    assert data["id"] == answer["id"] and data["total_cost"] == pytest.approx(answer["usage"]["cost"]) and data["model"] == "plain"
    assert data["native_tokens_prompt"] == answer["usage"]["prompt_tokens"] and data["native_tokens_completion"] == answer["usage"]["completion_tokens"]
    assert data["native_tokens_cached"] == 3 and data["streamed"] is False
    assert get(sim, "openrouter", "/api/v1/generation?id=gen-0000000000000001", "sk-openrouter").status == 404
    assert get(sim, "openrouter", path, "sk-other").status == 401


def test_siliconflow_tells_texts(sim):
    sim.set("siliconflow", balance=88, gift=0.88)
    answer = get(sim, "siliconflow", "/v1/user/info", "sk-siliconflow").json
    assert answer["code"] == 20000 and answer["data"]["balance"] == "0.880000" and answer["data"]["chargeBalance"] == "88.000000"
    assert answer["data"]["totalBalance"] == "88.880000"
    sim.set("siliconflow", balance_unit=0.01)
    spend(sim, "siliconflow", 0.001)
    assert get(sim, "siliconflow", "/v1/user/info", "sk-siliconflow").json["data"]["totalBalance"] == "88.87"
    wrong = get(sim, "siliconflow", "/v1/user/info", "sk-wrong")
    assert wrong.status == 401 and wrong.json["code"] == 20001


@pytest.mark.parametrize("relay", ONEAPI)
@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_billing_of_oneapi(sim, relay, prefix):
    sim.set(relay, balance=12.5)
    spend(sim, relay, 1.25)
    def page(name, key="sk-" + relay):
        answer = get(sim, relay, f"{prefix}/dashboard/billing/{name}", key)
        body = gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body
        return answer.status, json.loads(body)
    assert page("subscription")[1]["hard_limit_usd"] == 12.5 and page("usage")[1]["total_usage"] == 125
    assert page("usage", "sk-wrong")[0] == 401
    sim.set(relay, unlimited=True)
    assert page("subscription")[1]["hard_limit_usd"] == 100000000


def test_newapi_shows_its_own_currency(sim):
    sim.set("newapi", balance=10, quota_display_type="CNY", usd_exchange_rate=7)
    spend(sim, "newapi", 1)
    assert get(sim, "newapi", "/v1/dashboard/billing/subscription", "sk-newapi").json["hard_limit_usd"] == 70
    assert get(sim, "newapi", "/v1/dashboard/billing/usage", "sk-newapi").json["total_usage"] == 700
    sim.set("newapi", quota_display_type="TOKENS")
    assert get(sim, "newapi", "/v1/dashboard/billing/subscription", "sk-newapi").json["hard_limit_usd"] == 5000000


@pytest.mark.parametrize("slash", ["/", ""])
def test_newapi_tells_quota_points(sim, slash):
    sim.set("newapi", balance=10)
    spend(sim, "newapi", 0.5)
    answer = get(sim, "newapi", "/api/usage/token" + slash, "sk-newapi").json
    assert answer["code"] is True
    assert {k: answer["data"][k] for k in ("total_granted", "total_used", "total_available", "unlimited_quota")} == \
        {"total_granted": 5000000, "total_used": 250000, "total_available": 4750000, "unlimited_quota": False}
    sim.set("newapi", quota_per_unit=1000, unlimited=True)
    data = get(sim, "newapi", "/api/usage/token" + slash, "sk-newapi").json["data"]
    assert data["unlimited_quota"] is True and data["total_used"] == 500
    wrong = get(sim, "newapi", "/api/usage/token/", "at-newapi")
    assert wrong.status == 401 and wrong.json["success"] is False


HEADERS = {"newapi": ["New-Api-User"], "voapi": ["voapi-user"], "rixapi": ["Rix-Api-User"], "dmxapi": ["Rix-Api-User", "Dmx-Api-User"]}


@pytest.mark.parametrize("relay", ONEAPI)
@pytest.mark.parametrize("page", ["/api/user/self", "/api/log/self"])
def test_the_user_page_wants_its_token(sim, relay, page):
    bare = relay in ("aihubmix", "apiyi")
    right = [f"Authorization: {'' if bare else 'Bearer '}at-{relay}"]
    for header in HEADERS.get(relay, [None]):
        user = [f"{header}: 17"] if header else []
        assert get(sim, relay, page, headers=right + user).status == 200
        if header:
            assert get(sim, relay, page, headers=right).status == 401
            assert get(sim, relay, page, headers=right + [f"{header}: 18"]).status == 401
            assert get(sim, relay, page, headers=right + ["Veloera-User: 17"]).status == 401
        wrong = get(sim, relay, page, headers=[f"Authorization: sk-{relay}"] + user)
        assert wrong.status == 401, "the key of the chats is no access token"
        if bare:
            assert get(sim, relay, page, headers=[f"Authorization: Bearer at-{relay}"]).status == 401
    assert get(sim, relay, page).status == 401


def test_the_user_page(sim):
    sim.set("newapi", balance=20, user_header="Veloera-User")
    spend(sim, "newapi", 2)
    data = get(sim, "newapi", "/api/user/self", "at-newapi", ["Veloera-User: 17"]).json["data"]
    assert (data["id"], data["quota"], data["used_quota"], data["request_count"], data["group"]) == (17, 9000000, 1000000, 1, "default")
    sim.set("apiyi", balance=3)
    answer = get(sim, "apiyi", "/api/user/self", headers=["Authorization: at-apiyi"])
    assert answer.headers["content-encoding"] == "gzip" and json.loads(gzip.decompress(answer.body))["data"]["quota"] == 1500000
    wrong = get(sim, "apiyi", "/api/user/self", headers=["Authorization: no"])
    assert wrong.status == 401 and "access token is invalid" in json.loads(gzip.decompress(wrong.body))["message"]
    sim.set_secrets("newapi", access_token=None)
    assert get(sim, "newapi", "/api/user/self", "at-newapi", ["Veloera-User: 17"]).status == 401
    sim.set_secrets("newapi", access_token="at-newapi")


def test_the_log_of_charges(sim):
    sim.set("newapi", price_input=10, price_output=10, overcharge=2)
    for i in range(12):
        chat(sim, "newapi", model="plain", prompt=f"question {i}", stream=i % 2 == 0)
    head = ["Authorization: Bearer at-newapi", "New-Api-User: 17"]
    page = get(sim, "newapi", "/api/log/self?p=1&page_size=5&type=2", headers=head).json["data"]
    assert page["total"] == 12 and [i["is_stream"] for i in page["items"]] == [False, True, False, True, False]
    last = sim.last("newapi")
    assert page["items"][0]["quota"] == round(last["charged"] * 500000) and page["items"][0]["prompt_tokens"] == last["told_prompt_tokens"]
    assert json.loads(page["items"][0]["other"])["group_ratio"] == 1
    assert len(get(sim, "newapi", "/api/log/self?p=3&page_size=5", headers=head).json["data"]["items"]) == 2
    assert get(sim, "newapi", "/api/log/self?start_timestamp=99999999999", headers=head).json["data"]["total"] == 0
    sim.set("newapi", feed_version="old")
    assert len(get(sim, "newapi", "/api/log/self?p=1&pageSize=10", headers=head).json["data"]) == 2


@pytest.mark.parametrize("relay", ["dmxapi", "rixapi"])
def test_the_key_in_the_path(sim, relay):
    sim.set(relay, balance=8)
    spend(sim, relay, 1)
    data = get(sim, relay, f"/api/token/key/sk-{relay}").json["data"]
    assert data["used_quota"] == 500000 and data["remain_quota"] == 3500000 and data["unlimited_quota"] is False and data["expired_time"] == -1
    wrong = get(sim, relay, "/api/token/key/sk-wrong").json
    assert wrong["success"] is False
    assert "sk-" not in json.dumps(sim.log(relay))


def test_pages_of_others_are_not_there(sim):
    for relay, path in [("openai", "/v1/dashboard/billing/usage"), ("siliconflow", "/api/user/self"), ("oneapi", "/api/usage/token/"),
                        ("newapi", "/api/v1/key"), ("oneapi", "/api/pricing"), ("newapi", "/api/models/price"), ("openai", "/api/token/key/sk-openai")]:
        assert get(sim, relay, path, "sk-" + relay).status == 404, path


# --- what is charged --------------------------------------------------------------------------------------------------


def cost(record, price_in, price_out):
    return (record["told_prompt_tokens"] * price_in + record["told_completion_tokens"] * price_out) / 1e6


def test_every_answer_is_charged(sim):
    sim.set("newapi", price_input=10, price_output=30, balance=1)
    for i in range(3):
        chat(sim, "newapi", model="plain", prompt=f"one {i}", stream=i != 1)
    records, account = sim.log("newapi", kind="chat", last=3), sim.account("newapi")
    for r in records:
        assert r["charged"] == r["advertised"] == r["cost"] == pytest.approx(cost(r, 10, 30)) and r["charged"] > 0
        assert (r["told_prompt_tokens"], r["told_completion_tokens"]) == (r["prompt_tokens"], r["completion_tokens"])
    total = sum(r["charged"] for r in records)
    assert account["charged"] == account["posted"] == account["advertised"] == account["fair"] == pytest.approx(total)
    assert account["left"] == account["left_true"] == pytest.approx(1 - total) and account["requests"] == 3 and account["pending_requests"] == 0
    assert account["prompt_tokens"] == account["told_prompt_tokens"] == sum(r["prompt_tokens"] for r in records)


def test_overcharged_and_rounded(sim):
    sim.set("newapi", price_input=10, price_output=30, overcharge=1.5)
    chat(sim, "newapi", model="plain")
    r = sim.last("newapi")
    assert r["charged"] == pytest.approx(1.5 * r["advertised"]) and r["advertised"] == pytest.approx(cost(r, 10, 30))
    sim.set("newapi", charge_round=0.001, overcharge=1)
    chat(sim, "newapi", model="plain", prompt="rounded")
    r = sim.last("newapi")
    assert r["advertised"] < 0.001 and r["charged"] == pytest.approx(0.001)
    sim.set("newapi", price_call=0.003)
    chat(sim, "newapi", model="plain", prompt="whole", max_tokens=1)
    assert sim.last("newapi")["charged"] == pytest.approx(0.004)
    sim.set("newapi", price_input=0, price_output=0)
    chat(sim, "newapi", model="plain", prompt="exact")
    assert sim.last("newapi")["charged"] == pytest.approx(0.003)
    account = sim.account("newapi")
    assert account["charged"] > account["advertised"]


def test_openrouter_tells_what_it_charges(sim):
    sim.set("openrouter", price_input=10, price_output=30, overcharge=2)
    answer = chat(sim, "openrouter", model="plain", stream=False).json
    r = sim.last("openrouter")
    assert answer["usage"]["cost"] == pytest.approx(r["charged"]) and r["charged"] == pytest.approx(2 * r["advertised"])
    stream = chat(sim, "openrouter", model="plain", prompt="again")
    assert stream.data[-1]["usage"]["cost"] == pytest.approx(sim.last("openrouter")["charged"])


def test_inflated_tokens(sim):
    sim.set("openai", price_input=10, price_output=30)
    fair = chat(sim, "openai", model="plain", prompt="the very same", stream=False).json["usage"]
    sim.set("openai", inflate_prompt=2, inflate_output=3, hidden_prompt=100)
    told = chat(sim, "openai", model="plain", prompt="the very same", stream=False).json["usage"]
    assert told["prompt_tokens"] == 2 * (fair["prompt_tokens"] + 100) and told["completion_tokens"] == 3 * fair["completion_tokens"]
    r, account = sim.last("openai"), sim.account("openai")
    assert (r["prompt_tokens"], r["completion_tokens"]) == (fair["prompt_tokens"], fair["completion_tokens"])
    assert r["told_prompt_tokens"] == told["prompt_tokens"] and r["charged"] == pytest.approx(cost(r, 10, 30))
    assert account["told_prompt_tokens"] > account["prompt_tokens"] and account["fair"] < account["advertised"]


def test_cached_tokens_are_cheaper(sim):
    sim.set("openai", price_input=10, price_output=0, price_cache_read=1, cached_tokens=5)
    usage = chat(sim, "openai", model="plain", stream=False).json["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 5
    assert sim.last("openai")["charged"] == pytest.approx(((usage["prompt_tokens"] - 5) * 10 + 5) / 1e6)


def test_tiers_and_calls_are_charged(sim):
    sim.set("openai", price_input=10, price_output=0, price_tier_from=50, price_tier=3, hidden_prompt=100)
    chat(sim, "openai", model="plain")
    r = sim.last("openai")
    assert r["charged"] == pytest.approx(3 * cost(r, 10, 0))
    sim.only("openai", price_call=0.04)
    chat(sim, "openai", model="plain")
    assert sim.last("openai")["charged"] == pytest.approx(0.04)
    sim.set_models("openai", ["plain:free"])
    chat(sim, "openai", model="plain:free")
    assert sim.last("openai")["charged"] == 0


def test_the_price_of_one_model(sim):
    sim.set("openai", price_call=1)
    sim.set("openai", model="cached", price_call=2)
    chat(sim, "openai", model="plain")
    chat(sim, "openai", model="cached")
    assert [r["charged"] for r in sim.log("openai", kind="chat", last=2)] == [1, 2]


@pytest.mark.parametrize("how", [{"error": "server"}, {"fault": "truncate", "on": ["chat"]}, {"fault": "reset", "on": ["chat"]}, {"fault": "html", "on": ["chat"]}])
def test_failures_cost_a_share(sim, how):
    sim.set("openai", price_call=1, **how)
    chat(sim, "openai", model="plain")
    assert sim.account("openai")["charged"] == 0
    sim.set("openai", fail_charge=0.5)
    chat(sim, "openai", model="plain", prompt="again")
    assert sim.account("openai")["charged"] == 0.5 and sim.last("openai")["charged"] == 0.5


def test_who_has_no_key_pays_nothing(sim):
    sim.set("openai", price_call=1, fail_charge=1)
    assert chat(sim, "openai", model="plain", key="sk-wrong").status == 401 and chat(sim, "openai", model="unknown").status == 404
    assert sim.account("openai")["charged"] == 0


def test_charges_post_late(sim):
    sim.set("newapi", price_call=1, post_delay={"uniform": [100, 200]}, balance=10)
    chat(sim, "newapi", model="plain")
    account = sim.account("newapi")
    assert (account["charged"], account["posted"], account["pending"], account["left"], account["left_true"], account["pending_requests"]) == (1, 0, 1, 10, 9, 1)
    assert get(sim, "newapi", "/api/usage/token/", "sk-newapi").json["data"]["total_used"] == 0
    until(lambda: sim.account("newapi")["posted"] == 1, "the charge is posted")
    assert get(sim, "newapi", "/api/usage/token/", "sk-newapi").json["data"]["total_used"] == 500000


def test_charges_post_in_lumps(sim):
    sim.set("newapi", price_call=1, post_lump=1000000, balance=100)
    for i in range(5):
        chat(sim, "newapi", model="plain", prompt=f"{i}")
    account = sim.account("newapi")
    assert (account["posted"], account["pending"], account["pending_requests"], account["left"]) == (0, 5, 5, 100), "not before the end of the lump"
    sim.only("newapi", price_call=1, post_lump=200, balance=100)
    assert sim.account("newapi")["posted"] == 0
    for i in range(5):
        chat(sim, "newapi", model="plain", prompt=f"{i}")
    seen = [sim.account("newapi")["posted"]]
    until(lambda: seen.append(sim.account("newapi")["posted"]) or seen[-1] == 5, "all is posted")
    assert len(set(seen)) <= 3, "not one by one"


# --- money comes and goes ---------------------------------------------------------------------------------------------


def test_topups_gifts_and_corrections(sim):
    sim.set("siliconflow", balance=10)
    sim.topup("siliconflow", 5)
    sim.topup("siliconflow", 3, kind="gift")
    sim.topup("siliconflow", -1, kind="correction")
    account = sim.account("siliconflow")
    assert (account["left"], account["topped_up"], account["gifts"], account["gift_left"]) == (17, 5, 3, 3)
    spend(sim, "siliconflow", 2)
    assert sim.account("siliconflow")["gift_left"] == 1, "gifts are used first"
    data = get(sim, "siliconflow", "/v1/user/info", "sk-siliconflow").json["data"]
    assert float(data["balance"]) == 1 and float(data["chargeBalance"]) == 14
    sim.set("siliconflow", balance=4)
    assert sim.account("siliconflow")["left"] == 4
    with pytest.raises(RelaysimError, match="kind"):
        sim.topup("siliconflow", 1, kind="theft")
    with pytest.raises(RelaysimError, match="amount"):
        sim.call("topup", relay="siliconflow")
    with pytest.raises(RelaysimError, match="relay"):
        sim.call("account")


def test_gifts_of_the_configuration():
    relays = [{"name": "a", "family": "newapi", "behaviour": {"balance": 5, "gift": 2}}, {"name": "b", "family": "newapi"}]
    with Relaysim(relays, behaviour={"gift": 1, "gift_expires": 100000}) as sim:
        assert sim.account("a")["left"] == 7 and sim.account("a")["gift_left"] == 2
        assert sim.account("b")["left"] == 101
        sim.set("b", gift=3)
        assert sim.account("b")["left"] == 104 and sim.account("b")["gift_left"] == 4
        with pytest.raises(RelaysimError, match="family"):
            sim.add({"name": "c", "behaviour": {"gift": 1}, "family": "none"})
        with pytest.raises(RelaysimError, match="price_call"):
            sim.add({"name": "c", "behaviour": {"gift": 1}, "model_behaviour": {"m": {"price_call": "much"}}})


def test_a_gift_expires(sim):
    sim.set("newapi", balance=10)
    sim.set("newapi", gift=4, gift_expires=150)
    assert sim.account("newapi")["left"] == 14
    spend(sim, "newapi", 1)
    until(lambda: sim.account("newapi")["expired"] == 3, "what was left of the gift is gone")
    assert sim.account("newapi")["left"] == 10 and sim.account("newapi")["gift_left"] == 0
    assert get(sim, "newapi", "/api/usage/token/", "sk-newapi").json["data"]["total_available"] == 5000000


def test_others_use_the_account(sim):
    sim.set("newapi", balance=10, foreign=3600)  # one a second
    first = sim.account("newapi")["foreign"]
    until(lambda: sim.account("newapi")["foreign"] > first + 0.01, "others use it")
    sim.set("newapi", foreign=0)
    account = sim.account("newapi")
    assert account["charged"] == 0 and account["left"] == pytest.approx(10 - account["foreign"])
    assert sim.account("newapi")["foreign"] == account["foreign"]


def test_a_coarse_balance(sim):
    sim.set("newapi", balance=10, balance_unit=0.5)
    spend(sim, "newapi", 0.1)
    data = get(sim, "newapi", "/api/usage/token/", "sk-newapi").json["data"]
    assert data["total_available"] == 4750000 and data["total_used"] == 250000
    assert sim.account("newapi")["left"] == pytest.approx(9.9)


def test_an_empty_account_serves_nobody(sim):
    sim.set("newapi", balance=0.5)
    spend(sim, "newapi", 1)
    assert sim.account("newapi")["left"] == -0.5
    answer = chat(sim, "newapi", model="plain")
    assert answer.status == 403 and answer.json["error"]["code"] == "insufficient_user_quota"
    sim.topup("newapi", 1)
    assert chat(sim, "newapi", model="plain").status == 200
    sim.set("newapi", balance=0, unlimited=True)
    assert chat(sim, "newapi", model="plain").status == 200


def test_a_reset_is_a_new_account(sim):
    spend(sim, "newapi", 1)
    assert sim.account("newapi")["charged"] == 1
    sim.reset("newapi")
    assert sim.account("newapi")["charged"] == 0 and sim.account("newapi")["left"] == 100


def test_charges_are_kept_in_bounds():
    """The newest 4,096 are known one by one, all of them in the sum."""
    body = b'{"model":"m","input":"x","dimensions":1}'
    request = b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with Relaysim([{"name": "a", "family": "openrouter", "behaviour": {**QUICK, "price_call": 0.001}}], log=16) as sim:
        with Client(sim, "a") as client:
            raw = b""
            for _ in range(42):
                client.sock.sendall(100 * request)
                heads = raw.count(b"X-Generation-Id") + 100
                while raw.count(b"X-Generation-Id") < heads or not raw.endswith(b"}}"):
                    raw += client.sock.recv(65536)
        ids = [line.split(b" ")[1].decode() for line in raw.split(b"\r\n") if line.startswith(b"X-Generation-Id")]
        assert len(set(ids)) == 4200 and sim.account("a")["requests"] == 4200 and sim.account("a")["charged"] == pytest.approx(4.2)
        assert get(sim, "a", "/api/v1/generation?id=" + ids[0]).status == 404
        assert get(sim, "a", "/api/v1/generation?id=" + ids[200]).status == get(sim, "a", "/api/v1/generation?id=" + ids[-1]).status == 200
