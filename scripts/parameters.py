#!/usr/bin/env python3
"""Prints src/catalog/parameters.tsv for an OpenAPI document of the Management API.

usage: scripts/parameters.py OPENAPI.json > src/catalog/parameters.tsv
The document is what Logto serves at /api/.well-known/management.openapi.json. What it does not say is added here.
"""

import json
import sys

HEADER = """\
# Which query parameters an operation takes, and which members the JSON object in its body may have at its top: facts of
# Logto's OpenAPI document (v1.42.0) and of measurements. Made by scripts/parameters.py; not edited by hand.
# operationId, parameters, members; separated by one tab, names by commas, "-" where there is none. An operation without a
# line takes neither. "search*" is every name that begins so. "*" among members: any name is one.
"""

# The document has one parameter "search_params" for a whole family; these are what Logto parses.
SEARCH = ["isCaseSensitive", "joint", "jointMode", "mode*", "search*"]

# What an operation takes although the document does not have it: measured, and read in Logto's source.
UNDOCUMENTED = {"ListUsers": ["excludeOrganizationId", "excludeRoleId", "includePasswordHash"]}

document = json.load(open(sys.argv[1], encoding="utf-8"))


def resolved(value):
    while isinstance(value, dict) and "$ref" in value:
        target = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        value = target
    return value


def members(schema):
    """The names at the top of the object; of several alternatives all."""
    schema = resolved(schema)
    found = set(schema.get("properties", {}))
    if schema.get("additionalProperties"):
        found.add("*")
    for several in ("oneOf", "anyOf", "allOf"):
        for one in schema.get(several, []):
            found |= members(one)
    return found


lines = []
for item in document["paths"].values():
    for method, operation in item.items():
        if method not in ("get", "post", "put", "patch", "delete"):
            continue
        declared = [resolved(one) for one in item.get("parameters", []) + operation.get("parameters", [])]
        query = {one["name"] for one in declared if one["in"] == "query"}
        if "search_params" in query:
            query = query - {"search_params"} | set(SEARCH)
        query |= set(UNDOCUMENTED.get(operation["operationId"], []))
        content = resolved(operation.get("requestBody", {})).get("content", {})
        body = members(content.get("application/json", {}).get("schema", {}))
        if "*" in body:
            body = {"*"}
        if query or body:
            columns = (",".join(sorted(names)) or "-" for names in (query, body))
            lines.append("\t".join([operation["operationId"], *columns]))
sys.stdout.write(HEADER + "".join(f"{line}\n" for line in sorted(lines)))
