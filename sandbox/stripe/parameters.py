"""Request parameters: form encoding to nested values, then to checked and typed ones, refused as Stripe refuses them.

A specification is written as plain data:

    {"amount!": "int", "currency!": "str", "metadata": "map", "expand": "list", "reason": ("duplicate", "fraudulent")}

A trailing "!" on a name: it is required. A tuple lists the only values. A nested dict is an object. `Clearable(x)`: an
empty value is allowed and unsets it. "any" is let through unread: what depends on it is outside the sandbox.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from .errors import StripeError, missing_param

PAIRS_LIMIT = 1_000
METADATA_KEYS_LIMIT = 50
METADATA_KEY_CHARACTERS = 40
METADATA_VALUE_CHARACTERS = 500


@dataclass(frozen=True)
class Clearable:
    spec: Any


Spec: TypeAlias = Any
Values: TypeAlias = dict[str, Any]


def decode(encoded: str) -> Values:
    """`a=1&b[c]=2&d[]=3&d[]=4&e[0][f]=5` to nested dicts and lists of strings; `e` stays a dict keyed "0"."""
    values: Values = {}
    pairs = parse_qsl(encoded, keep_blank_values=True)
    if len(pairs) > PAIRS_LIMIT:
        raise StripeError(f"Too many parameters: {len(pairs)}; the sandbox reads at most {PAIRS_LIMIT}.")
    for name, value in pairs:
        if "[" not in name:
            values[name] = value
            continue
        head, _, rest = name.partition("[")
        _place(values, [head, *rest.removesuffix("]").split("][")], value, name)
    return values


def _place(values: Values, path: list[str], value: str, name: str) -> None:
    target: Any = values
    for step, following in pairwise(path):
        target = target.setdefault(step, [] if following == "" else {})
        if not isinstance(target, dict) and following != "":
            raise StripeError(f"Invalid hash: {name}", param=path[0])
    if isinstance(target, list):
        target.append(value)
    else:
        target[path[-1]] = value


def check(values: Values, spec: dict[str, Spec], prefix: str = "") -> Values:
    """Typed parameters, or the StripeError that Stripe would answer: missing, unknown, of the wrong type, empty."""
    known = {name.rstrip("!"): inner for name, inner in spec.items()}
    unknown = [name for name in values if name not in known]
    if unknown:
        raise _unknown(unknown, list(known), prefix)
    for name in spec:
        if name.endswith("!") and values.get(name[:-1], "") == "":
            raise missing_param(_joined(prefix, name[:-1]))
    return {name: _checked(value, known[name], _joined(prefix, name)) for name, value in values.items()}


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}[{name}]" if prefix else name


def _unknown(unknown: list[str], known: list[str], prefix: str) -> StripeError:
    names = [_joined(prefix, name) for name in unknown]
    close = difflib.get_close_matches(unknown[0], known, n=1)
    hint = f". Did you mean {_joined(prefix, close[0])}?" if close and len(unknown) == 1 else ""
    plural = "s" if len(names) > 1 else ""
    return StripeError(
        f"Received unknown parameter{plural}: {', '.join(names)}{hint}",
        code="parameter_unknown",
        param=names[0],
    )


def _checked(value: Any, spec: Spec, name: str) -> Any:
    if isinstance(spec, Clearable):
        return None if value == "" else _checked(value, spec.spec, name)
    if spec == "any":
        return value
    if isinstance(spec, dict):
        if not isinstance(value, dict):
            raise StripeError("Invalid object", param=name)
        return check(value, spec, name)
    if isinstance(spec, tuple):
        return _one_of(value, spec, name)
    return READERS[spec](value, name)


def _one_of(value: Any, allowed: tuple[str, ...], name: str) -> str:
    if value in allowed:
        return str(value)
    listed = ", ".join(allowed[:-1]) + (f", or {allowed[-1]}" if len(allowed) > 1 else allowed[0])
    raise StripeError(f"Invalid {name}: must be one of {listed}", param=name)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise StripeError(f"Invalid string: {value}", param=name)
    if value == "":
        raise StripeError(
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty "
            "value.",
            code="parameter_invalid_empty",
            param=name,
        )
    return value


def _integer(value: Any, name: str) -> int:
    text = _text(value, name)
    if not text.lstrip("-").isdecimal():
        raise StripeError(f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    return int(text)


def _boolean(value: Any, name: str) -> bool:
    text = _text(value, name)
    if text not in ("true", "false"):
        raise StripeError(f"Invalid boolean: {text}", param=name)
    return text == "true"


def _strings(value: Any, name: str) -> list[str]:
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value, key=lambda key: (len(key), key))]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise StripeError("Invalid array", param=name)
    return value


def _metadata(value: Any, name: str) -> dict[str, str]:
    """Stripe's limits: 50 keys of 40 characters, values of 500. An empty value removes its key; "" removes all."""
    if value == "":
        return {"": ""}
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise StripeError("Metadata must be a hash of strings to strings.", param=name)
    if len(value) > METADATA_KEYS_LIMIT:
        raise StripeError("You can have at most 50 metadata keys.", param=name)
    for key, text in value.items():
        if len(key) > METADATA_KEY_CHARACTERS:
            raise StripeError(
                f"Metadata keys can be at most 40 characters. Invalid key: {key}",
                code="parameter_invalid",
                param=name,
            )
        if len(text) > METADATA_VALUE_CHARACTERS:
            raise StripeError(
                f"Metadata values can have up to 500 characters, but you passed in a value that is {len(text)} "
                f"characters. Invalid value: {text}",
                param=_joined(name, key),
            )
    return value


def _range(value: Any, name: str) -> Values:
    """`created=5` or `created[gte]=5`: always as a dict of bounds."""
    if isinstance(value, str):
        moment = _integer(value, name)
        return {"gte": moment, "lte": moment}
    return check(value, {"gt": "int", "gte": "int", "lt": "int", "lte": "int"}, name)


READERS = {
    "str": _text,
    "int": _integer,
    "bool": _boolean,
    "list": _strings,
    "map": _metadata,
    "range": _range,
}


def merged_metadata(old: dict[str, str], given: dict[str, str] | None) -> dict[str, str]:
    """Metadata after an update: keys are merged, an empty value removes its key, `{"": ""}` removes them all."""
    if given is None:
        return old
    if given == {"": ""}:
        return {}
    return {key: text for key, text in {**old, **given}.items() if text != ""}
