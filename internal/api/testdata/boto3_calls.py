"""Calls operations of the control API through boto3, as a test tells it to, and says what boto3 made of the answers.

A line of standard input is a call: {"operation": ..., "body": "<JSON>"}. The answering line has either "error", what boto3 raised, or "output",
what it parsed, with times as {"time": "<ISO 8601>"}. "serialized" says whether boto3's own serializer wrote the request; a body that
it can't write (one with null in a list) is sent as it is, and only the answer is boto3's. "faults" are places where an answer is not as
boto3's model of the API says: unknown members, wrong types, values outside an enum, null.
"""

import datetime
import json
import sys

import boto3
import botocore.config
import botocore.exceptions

client = boto3.client(
    "codedeploy",
    config=botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1}, read_timeout=30),
)
PYTHON_TYPES = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "timestamp": (int, float),
    "list": list,
    "map": dict,
    "structure": dict,
}
exchange = {"raw": None}


def watch_request(params, **_):
    if exchange["raw"] is not None:
        params["body"] = exchange["raw"].encode()
    exchange["sent"] = params["body"]


def watch_answer(http_response, **_):
    exchange["received"] = http_response.content


client.meta.events.register("before-call.codedeploy", watch_request)
client.meta.events.register("after-call.codedeploy", watch_answer)


def faults(value, shape, path):
    """What is not as the model says, in the JSON that was received."""
    expected = PYTHON_TYPES[shape.type_name]
    if not isinstance(value, expected) or (shape.type_name != "boolean" and isinstance(value, bool)):
        return [f"{path} is {value!r}, not a {shape.type_name}"]
    found = []
    if shape.type_name == "structure":
        for name, member in value.items():
            if name in shape.members:
                found += faults(member, shape.members[name], f"{path}.{name}")
            else:
                found.append(f"{path}.{name} is not in the model")
    elif shape.type_name == "list":
        for i, member in enumerate(value):
            found += faults(member, shape.member, f"{path}[{i}]")
    elif shape.type_name == "map":
        for name, member in value.items():
            found += faults(member, shape.value, f"{path}[{name}]")
    elif getattr(shape, "enum", None) and value not in shape.enum:
        found.append(f"{path} is {value}, which is not in the enum {shape.name}")
    return found


def plain(value):
    """A parsed value as JSON. Times have to be aware of their zone."""
    if isinstance(value, datetime.datetime):
        assert value.tzinfo is not None, value
        return {"time": value.astimezone(datetime.timezone.utc).isoformat()}
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def call(operation, body):
    wanted = json.loads(body)
    serialized = True
    exchange.update(raw=None, sent=None, received=None)
    output = error = None
    try:
        # What boto3 would send is only looked at, before it is sent as it is or as it was meant.
        model = client.meta.service_model.operation_model(operation)
        written = client._serializer.serialize_to_request(wanted, model)["body"]
        serialized = json.loads(written) == wanted
    except (AttributeError, KeyError, TypeError, ValueError):
        serialized = False
    params = wanted
    if not serialized:
        exchange["raw"], params = body, {}
    try:
        output = client._make_api_call(operation, params)
    except botocore.exceptions.ClientError as e:
        metadata = e.response["ResponseMetadata"]
        code = e.response["Error"]["Code"]
        error = {
            "class": type(e).__name__,
            "code": code,
            "message": e.response["Error"]["Message"],
            "status": metadata["HTTPStatusCode"],
            "requestId": metadata.get("RequestId", ""),
            "caught": hasattr(client.exceptions, code) and isinstance(e, getattr(client.exceptions, code)),
        }
    answer = {"serialized": serialized, "error": error}
    if error is None:
        answer["requestId"] = output.pop("ResponseMetadata").get("RequestId", "")
        answer["output"] = plain(output)
        shape = model.output_shape
        received = exchange["received"]
        if shape is None:
            answer["faults"] = [f"{received!r} where nothing is to be answered"] if received else []
        else:
            answer["faults"] = faults(json.loads(received), shape, operation)
    return answer


def page_through(operation, body):
    """The number of pages and all entries of a listing, through boto3's paginator."""
    name = botocore.xform_name(operation)
    paginator = client.get_paginator(name)
    key = paginator.result_keys[0].expression
    pages, entries = 0, []
    exchange["raw"] = None
    for page in paginator.paginate(**json.loads(body)):
        pages += 1
        entries += page.get(key, [])
    return {"pages": pages, "entries": plain(entries)}


for line in sys.stdin:
    asked = json.loads(line)
    do = page_through if asked.get("pages") else call
    print(json.dumps(do(asked["operation"], asked["body"])), flush=True)
