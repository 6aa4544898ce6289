"""JSON Schema of Cloud Run's resources, from Google's discovery document of its API.

The document comes with google-api-python-client. What it says in words alone (what is not
supported, which annotations there are) is read from the words.
"""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

_KINDS = {"Service": "serving.knative.dev/v1", "WorkerPool": "run.googleapis.com/v1"}
_KINDS["Job"] = "run.googleapis.com/v1"
# Observed on services that are exported, and in no list of the document.
_BESIDES = {"run.googleapis.com/iap-enabled"}


@cache
def _document() -> dict[str, Any]:
    documents = files("googleapiclient") / "discovery_cache" / "documents"
    loaded: dict[str, Any] = json.loads((documents / "run.v1.json").read_text())
    return loaded


@cache
def validator(kind: str) -> Draft202012Validator:
    """Of a resource of this kind, as it is written, not as it is read back."""
    definitions = {name: _translated(one) for name, one in _document()["schemas"].items()}
    resource = definitions[kind]
    resource["properties"].pop("status", None)
    resource["properties"]["apiVersion"] = {"const": _KINDS[kind]}
    resource["properties"]["kind"] = {"const": kind}
    resource["required"] = ["apiVersion", "kind", "metadata", "spec"]
    definitions["Container"]["required"] = ["name", "image"]
    definitions["EnvVar"]["required"] = ["name"]
    definitions["SecretKeySelector"]["required"] = ["name", "key"]
    return Draft202012Validator({**resource, "$defs": definitions})


@cache
def annotations() -> frozenset[str]:
    """All that Cloud Run knows."""
    described = _document()["schemas"]["ObjectMeta"]["properties"]["annotations"]["description"]
    found = re.findall(r"`((?:run\.googleapis\.com|autoscaling\.knative\.dev)/[\w-]+)`", described)
    return frozenset(found) | _BESIDES


def mistakes(resource: Any) -> list[str]:
    """What the schema has against a resource, each with its place."""
    kind = resource.get("kind")
    if kind not in _KINDS:
        return [f"kind: {kind!r} is none of {', '.join(_KINDS)}"]
    return [
        f"{'.'.join(str(part) for part in error.absolute_path) or kind}: {error.message}"
        for error in validator(kind).iter_errors(resource)
    ]


def _translated(schema: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0911 - one for each type
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    match schema.get("type"):
        case "object" if "properties" in schema:
            properties = {
                name: _translated(one)
                for name, one in schema["properties"].items()
                if not one.get("readOnly") and _is_supported(one)
            }
            return {"type": "object", "properties": properties, "additionalProperties": False}
        case "object":
            other = _translated(schema.get("additionalProperties", {}))
            return {"type": "object", "additionalProperties": other}
        case "array":
            return {"type": "array", "items": _translated(schema["items"])}
        case "string" if schema.get("format") == "int64":
            return {"type": "string", "pattern": r"^\d+$"}
        case "integer" | "number" | "boolean" | "string" as plain:
            return {"type": plain, **({"enum": schema["enum"]} if "enum" in schema else {})}
    return {}


def _is_supported(schema: dict[str, Any]) -> bool:
    return not schema.get("description", "").startswith("Not supported")
