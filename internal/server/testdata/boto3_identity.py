"""Calls IAM and STS through boto3, as a test tells it to, and says what boto3 made of the answers.

A line of standard input is a call: {"service": ..., "operation": ..., "params": {...}, "key": [id, secret, token] or absent}. The answering line has
"error", what boto3 raised, or "output", what it parsed, with times as ISO 8601. "faults" are places where the document is not as boto3's
model of the API says: unknown elements, missing required ones, values outside an enum, times or numbers that are none.
"""

import datetime
import json
import os
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree

import boto3
import botocore.config
import botocore.exceptions

exchange = {}
clients = {}
session = boto3.Session()


def client(service, key):
    if key is None:
        key = [os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], None]
    known = clients.get((service, *key))
    if known is not None:
        return known
    made = clients[(service, *key)] = session.client(
        service,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        aws_session_token=key[2],
        config=botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1}, read_timeout=30),
    )
    made.meta.events.register("before-parse.*", watch)
    return made


def watch(response_dict, **_):
    exchange["body"] = response_dict["body"]
    exchange["type"] = response_dict["headers"].get("content-type")


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def compare(path, element, shape, faults):
    children = list(element)
    if shape.type_name == "structure":
        known = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        seen = set()
        for child in children:
            if local(child) not in known:
                faults.append(f"{path}: unknown element {local(child)}")
                continue
            name, member = known[local(child)]
            if name in seen:
                faults.append(f"{path}: {name} twice")
            seen.add(name)
            compare(f"{path}.{name}", child, member, faults)
        for name in shape.required_members:
            if name not in seen:
                faults.append(f"{path}: no {name}")
    elif shape.type_name == "list":
        for child in children:
            if local(child) != "member":
                faults.append(f"{path}: unknown element {local(child)}")
            compare(path + "[]", child, shape.member, faults)
    elif children:
        faults.append(f"{path}: elements in a {shape.type_name}")
    else:
        text = element.text or ""
        try:
            if shape.type_name == "timestamp":
                datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
            elif shape.type_name in ("integer", "long"):
                int(text)
        except ValueError:
            faults.append(f"{path}: {text} is no {shape.type_name}")
        if shape.type_name == "boolean" and text not in ("true", "false"):
            faults.append(f"{path}: {text} is no boolean")
        if shape.type_name == "string" and shape.enum and text not in shape.enum:
            faults.append(f"{path}: {text} is not in the enum")


def faults_of(made, operation):
    model = made.meta.service_model.operation_model(operation)
    faults = []
    if made.meta.service_model.metadata["protocol"] != "query":
        return faults
    if exchange.get("type") != "text/xml":
        faults.append(f"the content type is {exchange.get('type')}")
    root = ElementTree.fromstring(exchange["body"])
    if root.tag != "{%s}%sResponse" % (made.meta.service_model.metadata["xmlNamespace"], operation):
        faults.append(f"the root is {root.tag}")
    parts = [local(child) for child in root]
    want = (["%sResult" % operation] if model.output_shape is not None else []) + ["ResponseMetadata"]
    if parts != want:
        faults.append(f"the parts are {parts}")
    if model.output_shape is not None:
        compare(operation, root[0], model.output_shape, faults)
    return faults


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    raise TypeError(type(value))


def presigned(made, call):
    """Sends the URL that boto3 signs for a call, by the method that it is signed for."""
    method = call["presigned"]
    url = made.generate_presigned_url(botocore.xform_name(call["operation"]), Params=call.get("params", {}), HttpMethod=method)
    try:
        # An own header instead of the default one: nobody who was handed a URL knows of a form.
        with urllib.request.urlopen(urllib.request.Request(url, method=method, headers={"Content-Type": "text/plain"})) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as e:
        status, body = e.code, e.read()
    return {"output": {"status": status, "body": body.decode()}, "request": "own"}


for line in sys.stdin:
    call = json.loads(line)
    exchange.clear()
    made = client(call["service"], call.get("key"))
    if "presigned" in call:
        print(json.dumps(presigned(made, call)), flush=True)
        continue
    answer = {}
    try:
        output = getattr(made, botocore.xform_name(call["operation"]))(**call.get("params", {}))
        answer["request"] = output.pop("ResponseMetadata")["RequestId"]
        answer["output"] = output
        answer["faults"] = faults_of(made, call["operation"])
    except botocore.exceptions.ClientError as e:
        error, metadata = e.response["Error"], e.response["ResponseMetadata"]
        names = [n for n in dir(made.exceptions) if n.endswith("Exception") and type(e) is getattr(made.exceptions, n)]
        answer["error"] = {
            "code": error["Code"],
            "message": error["Message"],
            "type": error.get("Type"),
            "status": metadata["HTTPStatusCode"],
            "class": names[0] if names else "",
        }
        answer["request"] = metadata.get("RequestId", "")
    print(json.dumps(answer, default=plain), flush=True)
