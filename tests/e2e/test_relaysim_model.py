"""relaysim's models, seen on the wire: the Gemini and responses dialects, what a model can do besides talking and how it fails to, models that think, and
answers that are not honest.
"""
import base64
import json
import os
import struct
import zlib

import pytest

from relaysim import Relaysim, RelaysimError, program
from test_relaysim import QUICK, Client, ask, chat, prompt_body

MODELS = ["gpt-4o-mini", "gemini-2.5-flash", "google/gemini-2.5-pro"]
FAMILIES = ["openai", "openrouter", "siliconflow", "newapi", "aihubmix", "anthropic"]
CHALLENGE = ("Note 5b1e09af: Nora found the kettle, Omar found the drum, Petra found the ladder, Felix found the rope and Silas found the lamp. "
             "Who found the drum? Answer with one word only.")

pytestmark = pytest.mark.skipif(not os.access(program(), os.X_OK), reason="relaysim is not built")


@pytest.fixture(scope="module")
def shared_sim():
    with Relaysim([{"name": f, "family": f, "key": "sk-" + f, "models": MODELS} for f in FAMILIES], behaviour=QUICK) as running:
        yield running


@pytest.fixture
def sim(shared_sim):
    yield shared_sim
    shared_sim.reset("*")
    shared_sim.set_models("*", MODELS)


# --- Gemini -----------------------------------------------------------------------------------------------------------


def gemini(sim, relay, prompt=CHALLENGE, action="streamGenerateContent?alt=sse", model="gemini-2.5-flash", headers=None, prefix="", limit=None, **more):
    body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}], **more}
    if limit is not None:
        body["generationConfig"] = {"maxOutputTokens": limit}
    with Client(sim, relay) as client:
        client.send("POST", f"{prefix}/v1beta/models/{model}:{action}", body, headers=[f"x-goog-api-key: sk-{relay}"] if headers is None else headers)
        return client.receive()


def parts(chunk):
    return chunk["candidates"][0]["content"]["parts"]


def gemini_text(answer, thought=False):
    return "".join(p["text"] for chunk in answer.data for p in parts(chunk) if p.get("thought", False) == thought)


@pytest.mark.parametrize("relay", FAMILIES)
def test_a_stream_in_the_gemini_dialect(sim, relay):
    sim.set(relay, reasoning=3)
    answer = gemini(sim, relay)
    assert answer.status == 200 and answer.headers["content-type"] == "text/event-stream" and answer.end == "complete"
    assert all(name is None for name, _ in answer.events) and b"[DONE]" not in answer.body
    assert gemini_text(answer) == "Omar" and gemini_text(answer, thought=True).split()
    finishes = [c["candidates"][0].get("finishReason") for c in answer.data]
    assert finishes[-1] == "STOP" and set(finishes[:-1]) == {None}
    usage = answer.data[-1]["usageMetadata"]
    assert usage["thoughtsTokenCount"] == 3 and usage["candidatesTokenCount"] == 1 and usage["totalTokenCount"] == usage["promptTokenCount"] + 4
    assert answer.data[0]["modelVersion"] == "gemini-2.5-flash" and "usageMetadata" not in answer.data[0]
    record = sim.last(relay)
    assert (record["dialect"], record["model"], record["stream"], record["how"]) == ("gemini", "gemini-2.5-flash", True, "answered")
    assert record["reasoning_tokens"] == 3 and record["completion_tokens"] == 4 and "content" in record["times"] and "reasoning" in record["times"]


def test_gemini_whole_and_as_a_list(sim):
    whole = gemini(sim, "openai", action="generateContent").json
    assert parts(whole)[0]["text"] == "Omar" and whole["candidates"][0]["finishReason"] == "STOP" and whole["usageMetadata"]["promptTokenCount"] > 10
    listed = gemini(sim, "openai", action="streamGenerateContent")
    assert listed.headers["content-type"] == "application/json" and parts(listed.json[0])[0]["text"] == "Omar"
    assert sim.last("openai")["dialect"] == "gemini"


def test_gemini_limits_and_paths(sim):
    sim.set("aihubmix", answer="fixed", text="one two three four five six")
    answer = gemini(sim, "aihubmix", prefix="/gemini", limit=2)
    assert gemini_text(answer) == "one two" and answer.data[-1]["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert gemini(sim, "aihubmix", model="google%2Fgemini-2.5-pro").data[0]["modelVersion"] == "google/gemini-2.5-pro"
    assert sim.last("aihubmix")["model"] == "google/gemini-2.5-pro"
    assert gemini(sim, "aihubmix", action="countTokens").status == 404
    names = [m["name"] for m in ask(sim, "aihubmix", path="/v1beta/models").json["models"]]
    assert names == ["models/" + m for m in MODELS] and sim.last("aihubmix", kind="models")["dialect"] == "gemini"


def test_gemini_keys(sim):
    assert gemini(sim, "newapi", action="generateContent?key=sk-newapi", headers=[]).status == 200
    assert gemini(sim, "newapi", action="generateContent", headers=["Authorization: Bearer sk-newapi"]).status == 200
    wrong = gemini(sim, "newapi", headers=["x-goog-api-key: sk-no"])
    assert wrong.status == 401 and wrong.json["error"]["status"] == "UNAUTHENTICATED" and wrong.json["error"]["code"] == 401


@pytest.mark.parametrize("error, status, word", [("rate_limited", 429, "RESOURCE_EXHAUSTED"), ("no_credit", 403, "PERMISSION_DENIED"),
                                                 ("unavailable", 503, "UNAVAILABLE"), ("server", 500, "INTERNAL"), ("bad_request", 400, "INVALID_ARGUMENT")])
def test_gemini_errors(sim, error, status, word):
    sim.set("newapi", error=error, message="words")
    answer = gemini(sim, "newapi")
    assert answer.status == status and answer.json["error"]["status"] == word and answer.json["error"]["message"].startswith("words")
    assert gemini(sim, "newapi", model="missing").status in (503, status)


def test_gemini_usage_forms(sim):
    sim.set("openai", answer="fixed", text="one two six", usage="each")
    assert [c["usageMetadata"]["candidatesTokenCount"] for c in gemini(sim, "openai").data] == [1, 2, 3, 3]
    sim.set("openai", usage="never")
    assert all("usageMetadata" not in c for c in gemini(sim, "openai").data)
    sim.set("openai", usage="zero")
    assert gemini(sim, "openai").data[-1]["usageMetadata"]["totalTokenCount"] == 0


# --- responses --------------------------------------------------------------------------------------------------------


def respond(sim, relay, prompt=CHALLENGE, stream=True, **more):
    body = {"model": "gpt-4o-mini", "input": [{"role": "user", "content": [{"type": "input_text", "text": prompt}]}], "stream": stream, **more}
    return ask(sim, relay, "POST", "/v1/responses", body)


@pytest.mark.parametrize("relay", FAMILIES)
def test_a_stream_of_responses(sim, relay):
    sim.set(relay, reasoning=2)
    answer = respond(sim, relay)
    assert answer.status == 200 and answer.end == "complete" and b"[DONE]" not in answer.body
    assert all(name == event["type"] for (name, _), event in zip(answer.events, answer.data))
    assert [e["sequence_number"] for e in answer.data] == list(range(len(answer.data)))
    assert [e["type"] for e in answer.data] == [
        "response.created", "response.in_progress",
        "response.output_item.added", "response.reasoning_summary_part.added", "response.reasoning_summary_text.delta", "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done", "response.reasoning_summary_part.done", "response.output_item.done",
        "response.output_item.added", "response.content_part.added", "response.output_text.delta",
        "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"]
    whole = answer.data[-1]["response"]
    assert whole["status"] == "completed" and [i["type"] for i in whole["output"]] == ["reasoning", "message"]
    assert whole["output"][1]["content"][0]["text"] == "Omar" and whole["id"] == answer.data[0]["response"]["id"]
    usage = whole["usage"]
    assert usage["output_tokens"] == 3 and usage["output_tokens_details"]["reasoning_tokens"] == 2
    assert usage["total_tokens"] == usage["input_tokens"] + 3 and ("cost" in usage) == (relay == "openrouter")
    record = sim.last(relay)
    assert record["dialect"] == "responses" and record["told_completion_tokens"] == 3 and record["how"] == "answered"


def test_responses_whole(sim):
    whole = respond(sim, "openai", stream=False).json
    assert whole["object"] == "response" and whole["status"] == "completed" and whole["output"][0]["content"][0] == \
        {"type": "output_text", "annotations": [], "logprobs": [], "text": "Omar"}
    assert ask(sim, "openai", "POST", "/api/v1/responses", {"model": "gpt-4o-mini", "input": CHALLENGE}).json["output"][0]["content"][0]["text"] == "Omar"


def test_responses_limit(sim):
    sim.set("openai", answer="fixed", text="one two three four")
    last = respond(sim, "openai", max_output_tokens=2).data[-1]
    assert last["type"] == "response.incomplete" and last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"} and last["response"]["output"][0]["content"][0]["text"] == "one two"
    assert respond(sim, "openai", stream=False, max_output_tokens=2).json["status"] == "incomplete"
    sim.set("openai", reasoning=5)
    last = respond(sim, "openai", max_output_tokens=3).data[-1]["response"]
    assert [i["type"] for i in last["output"]] == ["reasoning"] and last["usage"]["output_tokens"] == 3


def test_responses_errors(sim):
    sim.set("newapi", error="no_credit")
    answer = respond(sim, "newapi")
    assert answer.status == 403 and answer.json["error"]["code"] == "insufficient_user_quota"
    sim.only("newapi", fault="stream_error", error="rate_limited", on=["chat"])
    last = respond(sim, "newapi").data[-1]
    assert last["type"] == "response.failed" and last["response"]["status"] == "failed" and last["response"]["error"]["code"] == "rate_limit_exceeded"
    sim.only("newapi", usage="never")
    assert respond(sim, "newapi").data[-1]["response"]["usage"] is None
    sim.only("newapi", done=False)
    assert respond(sim, "newapi").data[-1]["type"] == "response.output_item.done"


SEND = {"gemini": gemini, "responses": respond}


@pytest.mark.parametrize("dialect", sorted(SEND))
@pytest.mark.parametrize("fault, end, at_last", [("truncate", "complete", False), ("cut", "eof", False), ("stream_reset", "reset", False), ("stream_error", "complete", True),
                                                 ("malformed", "complete", True), ("bad_utf8", "complete", True), ("empty", "complete", True)])
def test_broken_streams(sim, dialect, fault, end, at_last):
    sim.set("openai", fault=fault, on=["chat"], answer="fixed", text="one two three", at=2)
    answer = SEND[dialect](sim, "openai")
    assert answer.end == end and sim.last("openai")["how"] == fault
    if fault == "bad_utf8":
        assert b"\xff\xfe" in answer.body
    elif fault == "malformed":
        with pytest.raises(ValueError):
            answer.data  # noqa: B018
    elif fault == "empty":
        said = gemini_text(answer) if dialect == "gemini" else [e for e in answer.data if e["type"].endswith("text.delta")]
        assert not said and answer.data[-1]
    else:
        final = answer.data[-1]
        assert ("error" in final or final.get("type") == "response.failed") == at_last


@pytest.mark.parametrize("dialect", sorted(SEND))
def test_odd_streams(sim, dialect):
    sim.set("openai", answer="fixed", text="one two six", cumulative=True, empty_deltas=2, comments=2, crlf=True, multiline=True)
    answer = SEND[dialect](sim, "openai")
    if dialect == "gemini":
        said = [parts(c)[0]["text"] for c in answer.data]
    else:
        said = [e["delta"] for e in answer.data if e["type"] == "response.output_text.delta"]
    assert [s for s in said if s] == ["one", "one two", "one two six"] and said[:2] == ["", ""]
    assert answer.body.startswith(b":")
    sim.only("openai", burst=True, answer="fixed", text="one two three")
    assert SEND[dialect](sim, "openai").status == 200


# --- tools ------------------------------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "properties": {"code": {"type": "string"}, "count": {"type": "integer"}, "colour": {"enum": ["red", "blue"]}, "fine": {"type": "boolean"}},
          "required": ["code"]}
WANTED = {"code": "5b1e09af", "count": 7, "colour": "red", "fine": True}
ORDER = "Call record_code with the code 5b1e09af and a count of 7. Do not answer in any other way."
TOOL = {"name": "record_code", "description": "Records a code.", "parameters": SCHEMA}


def call_openai(sim, relay, stream):
    answer = chat(sim, relay, prompt=ORDER, stream=stream, tools=[{"type": "function", "function": TOOL}])
    if not stream:
        message = answer.json["choices"][0]["message"]
        assert message["content"] is None and answer.json["choices"][0]["finish_reason"] == "tool_calls"
        call = message["tool_calls"][0]
        assert call["type"] == "function" and call["id"]
        return call["function"]["name"], call["function"]["arguments"]
    deltas = [t for c in answer.data for x in c["choices"] for t in x["delta"].get("tool_calls", [])]
    assert [c["choices"][0]["finish_reason"] for c in answer.data if c["choices"]][-1] == "tool_calls" and answer.text == ""
    assert deltas[0]["id"] and all(d["index"] == 0 for d in deltas) and len(deltas) > 2
    return deltas[0]["function"]["name"], "".join(d["function"]["arguments"] for d in deltas)


def call_anthropic(sim, relay, stream):
    answer = chat(sim, relay, prompt=ORDER, stream=stream, path="/v1/messages", max_tokens=200, tools=[{"name": TOOL["name"], "input_schema": SCHEMA}])
    if not stream:
        block = answer.json["content"][0]
        assert block["type"] == "tool_use" and answer.json["stop_reason"] == "tool_use"
        return block["name"], json.dumps(block["input"])
    start = next(e for e in answer.data if e["type"] == "content_block_start")
    assert next(e for e in answer.data if e["type"] == "message_delta")["delta"]["stop_reason"] == "tool_use"
    return start["content_block"]["name"], "".join(e["delta"]["partial_json"] for e in answer.data if e["type"] == "content_block_delta")


def call_gemini(sim, relay, stream):
    answer = gemini(sim, relay, prompt=ORDER, action="streamGenerateContent?alt=sse" if stream else "generateContent", tools=[{"functionDeclarations": [TOOL]}])
    calls = [p["functionCall"] for c in (answer.data if stream else [answer.json]) for p in parts(c) if "functionCall" in p]
    assert len(calls) == 1
    return calls[0]["name"], json.dumps(calls[0]["args"])


def call_responses(sim, relay, stream):
    answer = respond(sim, relay, prompt=ORDER, stream=stream, tools=[{"type": "function", **TOOL}])
    whole = answer.data[-1]["response"] if stream else answer.json
    item = whole["output"][0]
    assert item["type"] == "function_call" and item["call_id"] and item["status"] == "completed"
    if stream:
        said = "".join(e["delta"] for e in answer.data if e["type"] == "response.function_call_arguments.delta")
        assert said == item["arguments"] == next(e["arguments"] for e in answer.data if e["type"] == "response.function_call_arguments.done")
    return item["name"], item["arguments"]


CALLS = {"openai": call_openai, "anthropic": call_anthropic, "gemini": call_gemini, "responses": call_responses}


@pytest.mark.parametrize("dialect", sorted(CALLS))
@pytest.mark.parametrize("stream", [True, False])
def test_functions_are_called(sim, dialect, stream):
    name, arguments = CALLS[dialect](sim, "newapi", stream)
    assert name == "record_code" and json.loads(arguments) == WANTED
    sim.set("newapi", reasoning=3)
    assert CALLS[dialect](sim, "anthropic", stream)[0] == "record_code"


def test_functions_that_must_not_be_called(sim):
    answer = chat(sim, "openai", prompt=CHALLENGE, stream=False, tools=[{"type": "function", "function": TOOL}], tool_choice="none")
    assert answer.json["choices"][0]["message"]["content"] == "Omar" and answer.json["choices"][0]["finish_reason"] == "stop"


# --- JSON, pictures, vectors ------------------------------------------------------------------------------------------


def said(answer):
    return answer.json["choices"][0]["message"]["content"]


@pytest.mark.parametrize("prompt, wanted", [
    ('Answer with a JSON object that has one key, "code", with the text "81f0c3aa" as its value, and nothing else.', {"code": "81f0c3aa"}),
    ('Reply with exactly this JSON: {"nonce": "abc", "list": [1, 2]} and nothing else.', {"nonce": "abc", "list": [1, 2]}),
    ('A JSON object whose "word" is kettle.', {"word": "kettle"}),
    ("Any JSON with the nonce 77ab12cd.", {"answer": "77ab12cd"}),
])
def test_json_mode(sim, prompt, wanted):
    assert json.loads(said(chat(sim, "openai", prompt=prompt, stream=False, response_format={"type": "json_object"}))) == wanted
    assert json.loads(respond(sim, "openai", prompt=prompt, stream=False, text={"format": {"type": "json_object"}}).json["output"][0]["content"][0]["text"]) == wanted


def test_json_with_a_schema(sim):
    answer = chat(sim, "openai", prompt="code 5b1e09af, count 7", stream=False, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}})
    assert json.loads(said(answer)) == WANTED


def png(pixel, side=8, kind=2, depth=8, palette=None, level=9, filtering=0):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    row = bytes([filtering]) + bytes(pixel) * side
    if depth < 8:
        row = bytes([filtering]) + bytes(side * depth // 8)
    packed = zlib.compress(row * side, level)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, 0)) + \
        (chunk(b"PLTE", bytes(palette)) if palette else b"") + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


PICTURES = {
    "red": png([225, 20, 20]), "green": png([20, 170, 40], level=0), "blue": png([25, 45, 225, 255], kind=6), "yellow": png([255, 255, 0], side=1),
    "white": png([255], kind=0), "black": png([0, 0], kind=4), "orange": png([1], kind=3, palette=[0, 0, 0, 255, 140, 0]),
    "purple": png([], kind=3, depth=1, side=64, palette=[120, 20, 150], level=0), "cyan": png([0, 0, 255, 255, 255, 255], depth=16), "pink": png([255, 150, 190], side=64),
}


def look(sim, relay, picture, dialect="openai", prompt="Which colour is this picture? Answer with one word."):
    data = base64.b64encode(picture).decode()
    if dialect == "openai":
        content = [{"type": "text", "text": prompt}, {"type": "image_url", "image_url": {"url": "data:image/png;base64," + data}}]
        return said(ask(sim, relay, "POST", "/v1/chat/completions", {"model": MODELS[0], "messages": [{"role": "user", "content": content}]}))
    if dialect == "anthropic":
        content = [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}, {"type": "text", "text": prompt}]
        body = {"model": MODELS[0], "max_tokens": 9, "messages": [{"role": "user", "content": content}]}
        return ask(sim, relay, "POST", "/v1/messages", body).json["content"][0]["text"]
    if dialect == "responses":
        content = [{"type": "input_text", "text": prompt}, {"type": "input_image", "image_url": "data:image/png;base64," + data}]
        return ask(sim, relay, "POST", "/v1/responses", {"model": MODELS[0], "input": [{"role": "user", "content": content}]}).json["output"][0]["content"][0]["text"]
    content = [{"text": prompt}, {"inlineData": {"mimeType": "image/png", "data": data}}]
    return parts(ask(sim, relay, "POST", f"/v1beta/models/{MODELS[1]}:generateContent", {"contents": [{"parts": content}]}).json)[0]["text"]


@pytest.mark.parametrize("colour", sorted(PICTURES))
def test_pictures_are_looked_at(sim, colour):
    assert look(sim, "openai", PICTURES[colour]) == colour


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "responses"])
def test_pictures_in_other_dialects(sim, dialect):
    assert look(sim, "openai", PICTURES["blue"], dialect) == "blue"


def test_pictures_of_other_kinds(sim):
    assert look(sim, "openai", png([200, 60, 40]), prompt="Is it red, green or blue?") == "red", "the nearest of those that are offered"
    assert "cannot make out" in look(sim, "openai", b"GIF89a no picture")
    assert "cannot make out" in look(sim, "openai", PICTURES["red"][:60])
    assert "cannot make out" in look(sim, "openai", png([1, 2, 3])[:45] + b"\xff" * 40)


def embed(sim, relay, text, **more):
    return ask(sim, relay, "POST", "/v1/embeddings", {"model": MODELS[0], "input": text, **more})


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b))


def test_embeddings(sim):
    sim.set("openai", price_input=10)
    answer = embed(sim, "openai", ["the quick brown fox", "the quick brown dog", "an entirely other matter"])
    assert answer.json["object"] == "list" and [d["index"] for d in answer.json["data"]] == [0, 1, 2] and answer.json["usage"]["prompt_tokens"] > 5
    a, b, c = [d["embedding"] for d in answer.json["data"]]
    assert len(a) == 256 and cosine(a, a) == pytest.approx(1, abs=1e-6) and cosine(a, b) > cosine(a, c) + 0.3
    assert embed(sim, "openai", "the quick brown fox").json["data"][0]["embedding"] == a
    small = embed(sim, "openai", "the quick brown fox", dimensions=8, encoding_format="base64").json["data"][0]["embedding"]
    assert len(struct.unpack("<8f", base64.b64decode(small))) == 8
    record = sim.last("openai", kind="embeddings")
    assert record["model"] == MODELS[0] and record["charged"] == pytest.approx(record["prompt_tokens"] * 10 / 1e6)
    assert embed(sim, "openai", 5).status == 400
    assert ask(sim, "openai", "POST", "/v1/embeddings", {"model": "other", "input": "x"}).status == 404


# --- what it cannot do ------------------------------------------------------------------------------------------------

TRIES = {
    "stream": lambda sim: chat(sim, "openai", prompt=CHALLENGE),
    "usage": lambda sim: chat(sim, "openai", prompt=CHALLENGE, stream_options={"include_usage": True}),
    "tools": lambda sim: chat(sim, "openai", prompt=ORDER, stream=False, tools=[{"type": "function", "function": TOOL}]),
    "json": lambda sim: chat(sim, "openai", prompt='the key "code" has the value "ab12"', stream=False, response_format={"type": "json_object"}),
    "embeddings": lambda sim: embed(sim, "openai", "words"),
}


@pytest.mark.parametrize("capability, word", [("stream", "stream"), ("usage", "stream_options"), ("tools", "tools"), ("json", "response_format")])
def test_refused_with_an_error(sim, capability, word):
    assert TRIES[capability](sim).status == 200
    sim.set("openai", capabilities_without=[capability])
    answer = TRIES[capability](sim)
    assert answer.status == 400 and answer.json["error"]["param"] == word and word in answer.json["error"]["message"]
    assert sim.last("openai")["how"] == "error"
    assert chat(sim, "openai", prompt=CHALLENGE, stream=False).json["choices"][0]["message"]["content"] == "Omar"


def test_refused_in_the_dialect_s_shape(sim):
    sim.set("openai", capabilities_without=["tools"])
    assert gemini(sim, "openai", tools=[{"functionDeclarations": [TOOL]}]).json["error"]["status"] == "INVALID_ARGUMENT"
    assert chat(sim, "openai", path="/v1/messages", tools=[{"name": "x", "input_schema": SCHEMA}]).json["type"] == "error"
    sim.set("openai", capabilities_without=["embeddings", "vision"])
    assert embed(sim, "openai", "x").status == 404
    body = prompt_body(stream=False)
    body["messages"][0]["content"] = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    refused = ask(sim, "openai", "POST", "/v1/chat/completions", body)
    assert refused.status == 400 and "image_url" in refused.json["error"]["message"]


def test_passed_over(sim):
    sim.set("openai", capability_refusal="ignore", capabilities_without=["stream", "tools", "json", "vision", "embeddings", "usage"])
    plain = TRIES["stream"](sim)
    assert plain.headers["content-type"] == "application/json" and said(plain) == "Omar" and "usage" not in plain.json
    assert TRIES["tools"](sim).json["choices"][0]["message"]["content"]
    with pytest.raises(ValueError):
        json.loads(said(TRIES["json"](sim)))
    assert "cannot see" in look(sim, "openai", PICTURES["red"])
    assert TRIES["embeddings"](sim).json["data"] == []
    sim.set("openai", capabilities_without=["usage"])
    assert all("usage" not in c for c in TRIES["usage"](sim).data)


def test_pretended(sim):
    sim.set("openai", capability_refusal="lie", capabilities_without=["stream", "tools", "json", "vision", "embeddings", "usage"], answer="fixed", text="one two three four")
    with Client(sim, "openai") as client:
        client.send("POST", "/v1/chat/completions", prompt_body(), key="sk-openai")
        answer = client.receive()
    assert answer.text == "one two three four" and sim.last("openai")["times"]["content"] == sim.last("openai")["times"]["content_last"]
    assert answer.data[-1]["usage"]["total_tokens"] == 0
    call = TRIES["tools"](sim).json["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "record_code" and json.loads(call["arguments"])["code"] == "unknown"
    assert json.loads(said(TRIES["json"](sim))) == {"result": "ok"}
    assert look(sim, "openai", PICTURES["red"], prompt="red, green or blue?") in ("green", "blue")
    assert set(TRIES["embeddings"](sim).json["data"][0]["embedding"]) == {0}


# --- models that think ------------------------------------------------------------------------------------------------


def test_thinking_is_burned(sim):
    sim.set("openai", reasoning_burn=950, price_output=10)
    usage = chat(sim, "openai", prompt=CHALLENGE, stream=False, max_tokens=16).json["usage"]
    assert usage["completion_tokens"] == 951 and usage["completion_tokens_details"]["reasoning_tokens"] == 950
    record = sim.last("openai")
    assert record["charged"] == pytest.approx(951 * 10 / 1e6) and record["reasoning_tokens"] == 950 and record["tokens_sent"] == 1
    assert respond(sim, "openai").data[-1]["response"]["usage"]["output_tokens_details"]["reasoning_tokens"] == 950
    assert gemini(sim, "openai").data[-1]["usageMetadata"]["thoughtsTokenCount"] == 950
    answer = chat(sim, "openai", prompt=CHALLENGE)
    assert answer.text == "Omar" and answer.data[-1]["usage"]["completion_tokens"] == 951


@pytest.mark.parametrize("low", [{"reasoning_effort": "low"}, {"enable_thinking": False}, {"reasoning": {"effort": "minimal"}}, {"thinking": {"type": "disabled"}}])
def test_little_thinking_burns_less(sim, low):
    sim.set("openai", reasoning_burn=950, reasoning_burn_low=40)
    assert chat(sim, "openai", prompt=CHALLENGE, stream=False, **low).json["usage"]["completion_tokens"] == 41
    assert chat(sim, "openai", prompt=CHALLENGE, stream=False, reasoning_effort="high").json["usage"]["completion_tokens"] == 951
    assert gemini(sim, "openai", generationConfig={"thinkingConfig": {"thinkingBudget": 0}}).data[-1]["usageMetadata"]["thoughtsTokenCount"] == 40
    sim.set("openai", reasoning_burn_low=None)
    assert chat(sim, "openai", prompt=CHALLENGE, stream=False, **low).json["usage"]["completion_tokens"] == 951


def test_too_small_a_limit(sim):
    sim.set("openai", reasoning_min=100, price_call=1)
    answer = chat(sim, "openai", max_tokens=16)
    assert answer.status == 400 and answer.json["error"]["message"].startswith("Could not finish the message because max_tokens or model output limit was reached")
    assert answer.json["error"]["type"] == "invalid_request_error" and sim.account("openai")["charged"] == 0
    assert chat(sim, "openai", max_tokens=100).status == 200 and chat(sim, "openai").status == 200
    sim.set("openai", fail_charge=1)
    assert respond(sim, "openai", max_output_tokens=16).status == 400 and sim.account("openai")["charged"] == 3


def test_parameters_that_are_refused(sim):
    sim.set("openai", refuse_parameter=["max_tokens", "temperature", "reasoning.effort"])
    answer = chat(sim, "openai", max_tokens=16)
    assert answer.status == 400 and answer.json["error"] == {
        "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "type": "invalid_request_error", "param": "max_tokens", "code": "unsupported_parameter"}
    assert chat(sim, "openai", temperature=0).json["error"]["param"] == "temperature"
    assert respond(sim, "openai", reasoning={"effort": "low"}).status == 400 and respond(sim, "openai", reasoning={"summary": "auto"}).status == 200
    assert chat(sim, "openai", max_completion_tokens=16).status == 200
    sim.set("openai", refuse_parameter=["reasoning_effort=minimal", "temperature=0"])
    answer = chat(sim, "openai", reasoning_effort="minimal")
    assert answer.status == 400 and answer.json["error"]["code"] == "unsupported_value" and "does not support minimal" in answer.json["error"]["message"]
    assert chat(sim, "openai", temperature=0).status == 400
    assert chat(sim, "openai", reasoning_effort="low", temperature=1).status == 200
    sim.set("openai", refuse_parameter=None)
    assert chat(sim, "openai", max_tokens=16).status == 200


# --- answers that are not honest --------------------------------------------------------------------------------------

OPEN = "In two sentences, describe the inside of an old repair shop for bicycles."


def test_honest_models_say_other_things_each_time(sim):
    answers = [chat(sim, "openai", prompt=OPEN, model=m) for m in MODELS + MODELS]
    assert len({a.text for a in answers}) == 6 and all(len(a.text) > 150 and len(a.data) > 50 for a in answers)
    assert chat(sim, "openai", prompt="ping").text == "I cannot tell."


def test_one_answer_for_all_models(sim):
    sim.set("openai", same_answer=True)
    assert len({chat(sim, "openai", prompt=OPEN, model=m).text for m in MODELS}) == 1 and len(chat(sim, "openai", prompt=OPEN).text) > 200
    assert chat(sim, "openai", prompt=CHALLENGE).text == "Omar"


def test_a_cached_answer(sim):
    assert chat(sim, "openai", prompt=CHALLENGE).text == "Omar"
    sim.set("openai", cached_answer=True)
    assert chat(sim, "openai", prompt=CHALLENGE.replace("the drum?", "the rope?")).text == "Omar"
    assert chat(sim, "openai", prompt=OPEN).text == "Omar"
    sim.set("openai", cached_answer=False)
    assert chat(sim, "openai", prompt=CHALLENGE.replace("the drum?", "the rope?")).text == "Felix"


def test_another_id(sim):
    assert chat(sim, "openai").data[0]["id"].startswith("chatcmpl-")
    sim.set("openai", id_prefix="msg_bdrk_")
    assert chat(sim, "openai").data[0]["id"].startswith("msg_bdrk_") and chat(sim, "openai", path="/v1/messages", stream=False).json["id"].startswith("msg_bdrk_")
    assert respond(sim, "openai").data[0]["response"]["id"].startswith("msg_bdrk_") and gemini(sim, "openai").data[0]["responseId"].startswith("msg_bdrk_")


def test_absurd_usage(sim):
    sim.set("openai", usage_absurd=True)
    answer = chat(sim, "openai", prompt=CHALLENGE, stream=False)
    usage = answer.json["usage"]
    assert usage["prompt_tokens"] == 1 and usage["completion_tokens"] > 10 * len("Omar")
    record = sim.last("openai")
    assert record["completion_tokens"] == 1 and record["told_completion_tokens"] == usage["completion_tokens"]


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini", "responses"])
def test_cached_tokens_are_told(sim, dialect):
    sim.set("openai", cached_tokens=5)
    if dialect == "openai":
        assert chat(sim, "openai").data[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 5
    elif dialect == "anthropic":
        start = chat(sim, "openai", path="/v1/messages").data[0]["message"]["usage"]
        assert start["cache_read_input_tokens"] == 5 and start["input_tokens"] + 5 == sim.last("openai")["prompt_tokens"]
    elif dialect == "gemini":
        assert gemini(sim, "openai").data[-1]["usageMetadata"]["cachedContentTokenCount"] == 5
    else:
        assert respond(sim, "openai").data[-1]["response"]["usage"]["input_tokens_details"]["cached_tokens"] == 5


def test_words_are_checked(sim):
    with pytest.raises(RelaysimError, match="capabilities_without"):
        sim.set("openai", capabilities_without=["flying"])
    with pytest.raises(RelaysimError, match="did you mean \"overcharge\""):
        sim.set("openai", overcharged=2)
