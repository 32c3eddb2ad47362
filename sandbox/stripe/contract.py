"""Holds recorded traffic against Stripe's own OpenAPI description.

    python -m sandbox.stripe.contract RECORD...

A record is what the sandbox writes when SANDBOX_RECORD names a file: every request with its answer, and every event.
Checked are the parameters of each request, each answer, and the object inside each event. Objects are held to be
closed: a field that Stripe's schema does not name is a violation, as is one missing.
The description is STRIPE_OPENAPI, or ../shared/stripe/openapi.json beside the checkout; without it nothing is checked.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]

from .parameters import decode

ROOT = Path(__file__).resolve().parents[2]
FORM = "application/x-www-form-urlencoded"
SHOWN_VIOLATIONS = 40
# The description that we have is a part of Stripe's and leaves these out; they follow Stripe's reference by hand.
LEFT_OUT = frozenset({"radar.early_fraud_warning"})
ID_LIKE = re.compile(r"[a-z]{2,12}_[A-Za-z0-9_]{10,}")

Schema = dict[str, Any]


def description_path() -> Path:
    return Path(os.environ.get("STRIPE_OPENAPI") or ROOT.parent / "shared" / "stripe" / "openapi.json")


@dataclass
class Report:
    """What was checked, and what was wrong."""

    checked: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)

    def note(self, what: str, violations: Iterable[str]) -> None:
        self.checked[what] += 1
        self.violations.update(violations)

    def text(self) -> str:
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.checked.items())) or "nothing"
        lines = [f"Checked {counts}: {sum(self.violations.values())} violations."]
        lines += [f"  {count} x {text}" for text, count in self.violations.most_common(SHOWN_VIOLATIONS)]
        if len(self.violations) > SHOWN_VIOLATIONS:
            lines.append(f"  and {len(self.violations) - SHOWN_VIOLATIONS} more kinds")
        return "\n".join(lines)


def _json_schema(schema: Any, *, closed: bool) -> Any:
    """OpenAPI 3.0 to JSON Schema: `nullable` becomes a type, and objects with named properties are closed."""
    if isinstance(schema, list):
        return [_json_schema(one, closed=closed) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _json_schema(inner, closed=closed) for name, inner in schema.items() if name != "nullable"}
    if closed and "properties" in schema and "additionalProperties" not in schema:
        made["additionalProperties"] = False
    if schema.get("nullable") is not True:
        return made
    if "anyOf" in made:
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    elif "type" in made:
        made["type"] = [made["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made


class Contract:
    """Stripe's description, ready to be held against what was recorded."""

    def __init__(self, path: Path | None = None) -> None:
        with (path or description_path()).open(encoding="utf-8") as file:
            described = json.load(file)
        schemas = described["components"]["schemas"]
        self.components = {"components": {"schemas": {n: _json_schema(s, closed=True) for n, s in schemas.items()}}}
        self.paths = {_pattern(path): operations for path, operations in described["paths"].items()}
        self._validators: dict[str, Draft202012Validator] = {}
        self._seen_right: set[tuple[str, str]] = set()

    # Objects

    def object_violations(self, subject: Any, where: str) -> list[str]:
        """What is wrong with one object, a list of them, or an error; `where` begins each text."""
        if not isinstance(subject, dict):
            return [f"{where}: no object but {subject!r}"]
        if subject.get("object") == "list":
            return [text for one in subject["data"] for text in self.object_violations(one, where)]
        name = "error" if "error" in subject else str(subject.get("object"))
        if subject.get("deleted"):
            name = f"deleted_{name}"
        return self._violations(name, subject, f"{where} {name}")

    def _violations(self, name: str, subject: Any, where: str) -> list[str]:
        if name in LEFT_OUT:
            return []
        if name not in self.components["components"]["schemas"]:
            return [f"{where}: Stripe has no such object"]
        shape = (name, json.dumps(_shape(subject), sort_keys=True))
        if shape in self._seen_right:
            return []
        found = [_told(error, where) for error in self._validator(name).iter_errors(subject)]
        if not found:
            self._seen_right.add(shape)
        return found

    def _validator(self, name: str) -> Draft202012Validator:
        if name not in self._validators:
            schema = {"$ref": f"#/components/schemas/{name}", **self.components}
            self._validators[name] = Draft202012Validator(schema)
        return self._validators[name]

    # Requests

    def request_violations(self, method: str, path: str, encoded: str) -> list[str]:
        """What is wrong with a request's parameters. Calls that the description leaves out have none."""
        found = self._operation(method, path)
        if found is None:
            return []
        name, schema = found
        given = _coerced(decode(encoded), schema, self.components)
        key = f"{method} {name}"
        if key not in self._validators:
            self._validators[key] = Draft202012Validator({**schema, **self.components})
        return [_told(error, key) for error in self._validators[key].iter_errors(given)]

    def _operation(self, method: str, path: str) -> tuple[str, Schema] | None:
        for pattern, operations in self.paths.items():
            if pattern.fullmatch(path) and method.lower() in operations:
                return pattern.pattern, _parameters_schema(operations[method.lower()], method)
        return None

    # Records

    def check_record(self, path: Path, report: Report) -> None:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                self.check_line(json.loads(line), report)

    def check_line(self, line: dict[str, Any], report: Report) -> None:
        if line["record"] == "event":
            event = json.loads(line["event"])
            inside = event["data"]["object"]
            wrong = self.object_violations(event, "event")
            report.note("events", wrong + self.object_violations(inside, f"in {event['type']}:"))
            return
        report.note("requests", self.request_violations(line["method"], line["path"], line["encoded"]))
        if line["answer"]:  # none when a fault left the request unanswered
            where = f"answer to {line['method']} {re.sub(ID_LIKE, '*', line['path'])}:"
            report.note("answers", self.object_violations(json.loads(line["answer"]), where))


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path))


def _parameters_schema(operation: Schema, method: str) -> Schema:
    """One closed object schema for the query or the form."""
    if method == "POST":
        schema = operation.get("requestBody", {}).get("content", {}).get(FORM, {}).get("schema", {})
        made: Schema = _json_schema(schema, closed=True)
        return made
    queries = [one for one in operation.get("parameters", []) if one["in"] == "query"]
    return {
        "type": "object",
        "properties": {one["name"]: _json_schema(one["schema"], closed=True) for one in queries},
        "required": [one["name"] for one in queries if one.get("required")],
        "additionalProperties": False,
    }


def _coerced(value: Any, schema: Schema, components: Schema) -> Any:
    """A form's texts as the types that the schema wants; what does not fit stays as it is and is then refused."""
    if "anyOf" in schema:
        tries = [_coerced(value, one, components) for one in schema["anyOf"]]
        fits = (made for made, one in zip(tries, schema["anyOf"], strict=True) if _is_valid(made, one, components))
        return next(fits, tries[0])
    kind = schema.get("type")
    if kind == "array" and isinstance(value, dict) and all(key.isdecimal() for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    if isinstance(value, dict):
        inner = schema.get("properties", {})
        other = schema.get("additionalProperties")
        rest = other if isinstance(other, dict) else {}
        return {name: _coerced(one, inner.get(name, rest), components) for name, one in value.items()}
    if isinstance(value, list):
        return [_coerced(one, schema.get("items", {}), components) for one in value]
    if kind == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


def _is_valid(value: Any, schema: Schema, components: Schema) -> bool:
    return bool(Draft202012Validator({**schema, **components}).is_valid(value))


def _shape(value: Any) -> Any:
    """An object without what no schema looks at, so that a thousand alike are checked once."""
    if isinstance(value, dict):
        return {
            name: {} if name == "metadata" and _plain_metadata(inner) else _shape(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_shape(one) for one in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return 0
    if isinstance(value, str) and ID_LIKE.fullmatch(value):
        return "id"
    return value


def _plain_metadata(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) and len(text) <= 500 for text in value.values())


def _told(error: Any, where: str) -> str:
    """One violation as a short line: the deepest reason, and where in the object it is."""
    deepest = best_match([error]) or error
    place = ".".join("*" if isinstance(step, int) else str(step) for step in deepest.absolute_path) or "(itself)"
    return f"{where} at {place}: {re.sub(ID_LIKE, '*', deepest.message)[:300]}"


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__)
        return 2
    path = description_path()
    if not path.exists():
        print(f"The contract with Stripe was NOT checked: there is no {path}. Name it with STRIPE_OPENAPI.")
        return 0
    contract, report = Contract(path), Report()
    for name in arguments:
        contract.check_record(Path(name), report)
    print(report.text())
    return 1 if report.violations else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
