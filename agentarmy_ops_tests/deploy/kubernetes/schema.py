"""Kubernetes' API as the types of its Python client know it: unknown fields, missing ones, and
values of another type, which the API server refuses or drops without a word."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes.client
from kubernetes.client import Configuration

_PRIMITIVES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": (int, float),
}
# One for all: each model makes its own otherwise, which is slow.
_CONFIGURATION = Configuration()

Object = Mapping[str, Any]


def problems(document: Object) -> list[str]:
    """What is wrong with an object of the API, each with the way to it; empty when it is right.
    What has no type in the client (a custom resource) is wrong."""
    version = str(document.get("apiVersion", "")).rpartition("/")[2]
    name = f"{version[:1].upper()}{version[1:]}{document.get('kind')}"
    model = getattr(kubernetes.client, name, None)
    if model is None:
        return [f"no such kind: {document.get('apiVersion')} {document.get('kind')}"]
    return list(_of_model(model, document, str(document["kind"])))


def problems_of(model_name: str, document: Object) -> list[str]:
    """:func:`problems` of a part of an object, such as a ``V1PodSpec``."""
    return list(_of_model(getattr(kubernetes.client, model_name), document, model_name))


def _of_model(model: Any, document: Any, path: str) -> Iterator[str]:
    if not isinstance(document, Mapping):
        yield f"{path}: not an object"
        return
    by_name = {json_name: name for name, json_name in model.attribute_map.items()}
    for key, value in document.items():
        if key not in by_name:
            yield f"{path}: unknown field {key}"
        elif value is not None:
            yield from _of_type(model.openapi_types[by_name[key]], value, f"{path}.{key}")
    present = dict.fromkeys(by_name.values()) | {
        by_name[key]: value for key, value in document.items() if key in by_name
    }
    try:
        model(**present, local_vars_configuration=_CONFIGURATION)
    except ValueError as error:  # a required field, or one with few values
        yield f"{path}: {error}"


def _of_type(type_name: str, value: Any, path: str) -> Iterator[str]:
    if type_name == "object":
        return
    if listed := re.fullmatch(r"list\[(.*)\]", type_name):
        if not isinstance(value, list):
            yield f"{path}: not a list"
            return
        for index, item in enumerate(value):
            yield from _of_type(listed[1], item, f"{path}[{index}]")
    elif mapped := re.fullmatch(r"dict[\[(]str, (.*)[\])]", type_name):
        if not isinstance(value, Mapping):
            yield f"{path}: not an object"
            return
        for key, item in value.items():
            yield from _of_type(mapped[1], item, f"{path}.{key}")
    elif type_name in _PRIMITIVES:
        of_type = isinstance(value, _PRIMITIVES[type_name])
        if not of_type or (isinstance(value, bool) and type_name != "bool"):
            yield f"{path}: {value!r} is no {type_name}"
    else:
        yield from _of_model(getattr(kubernetes.client, type_name), value, path)
