"""Reads OpenLineage events, one JSON document a line, into the classes of OpenLineage's own client.

They are made of the spec: an unknown or missing member and a wrong facet fail. Prints the keys of the facets.
"""

import importlib
import json
import pkgutil
import re
import sys
import types
import typing

import attr
import openlineage.client.generated as generated
from openlineage.client.generated import base

modules = {name: importlib.import_module(f"{generated.__name__}.{name}") for _, name, _ in pkgutil.iter_modules(generated.__path__)}
facets = {
    cls._get_schema(): cls
    for module in modules.values()
    for cls in vars(module).values()
    if isinstance(cls, type) and attr.has(cls) and hasattr(cls, "_get_schema")
}
seen = set()


def build(cls, value, module):
    """An instance of an attrs class; raises for members that it does not know, or lacks."""
    names = {**vars(typing), **vars(base), **vars(module)}
    hints = {one.name: eval(one.type, names) for one in attr.fields(cls) if not one.name.startswith("_")}
    known = {name: member(hints.get(name), item, module) for name, item in value.items() if not name.startswith("_")}
    return cls(**known)


def member(hint, value, module):
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for choice in choices:
        if isinstance(choice, type) and attr.has(choice):
            return build(choice, value, module)
        if typing.get_origin(choice) is list:
            return [member(typing.get_args(choice)[0], one, module) for one in value]
        if typing.get_origin(choice) is dict and isinstance(value, dict):
            return {key: member(typing.get_args(choice)[1], one, module) for key, one in value.items()}
    plain = [one for one in choices if one in (str, int, float, bool)]
    plain += [int] if float in plain else []
    if plain and type(value) not in plain:
        raise TypeError(f"{value!r} is no {plain}")
    return value


def facet(key, value):
    cls = facets[value["_schemaURL"]]
    words = re.sub(r"(Run|Job|InputDataset|OutputDataset|Dataset)Facet$", "", cls.__name__).lower()
    if words.removesuffix("input").removesuffix("output") != key.replace("_", "").lower():
        raise KeyError(f"{key} is the key of a {cls.__name__}")
    seen.add(key)
    return build(cls, value, sys.modules[cls.__module__])


def all_facets(owner, key="facets"):
    return {name: facet(name, value) for name, value in (owner.get(key) or {}).items()}


for line in open(sys.argv[1], encoding="utf8"):
    event = json.loads(line)
    run = base.Run(runId=event["run"]["runId"], facets=all_facets(event["run"]))
    job = base.Job(namespace=event["job"]["namespace"], name=event["job"]["name"], facets=all_facets(event["job"]))
    for side, cls, extra in (("inputs", base.InputDataset, "inputFacets"), ("outputs", base.OutputDataset, "outputFacets")):
        for one in event[side]:
            assert set(one) <= {"namespace", "name", "facets", extra}, one
            given = {name: one[name] for name in ("namespace", "name")}
            cls(**given, facets=all_facets(one), **{extra: all_facets(one, extra)})
    head = {name: event[name] for name in ("eventTime", "producer")}
    base.RunEvent(**head, run=run, job=job, eventType=base.EventType[event["eventType"]])
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert set(event) == {"eventType", "eventTime", "run", "job", "inputs", "outputs", "producer", "schemaURL"}, event
print(json.dumps(sorted(seen)))
