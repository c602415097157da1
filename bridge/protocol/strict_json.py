"""JSON as the wire allows it: one meaning, and nothing that the standard reader lets slip.

The standard library accepts NaN and duplicate names, turns 1e999 into infinity, and raises three kinds
of exception for hostile input; here all of that is ``bad_json``.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn

from ..errors import RemoteProtocolError
from .schema import quoted


def parse_json(text: str | bytes) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        text: Bytes are UTF-8.

    Raises:
        RemoteProtocolError: ``bad_json``, with line and column where the syntax is at fault.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode()
        if decoded.startswith("\ufeff"):
            raise _fault("it begins with a byte order mark (BOM)")
        data = _DECODER.decode(decoded)
    except json.JSONDecodeError as error:
        raise _fault(f"line {error.lineno} column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise _fault(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise _fault("nested too deeply") from None
    except ValueError as error:
        raise _fault(str(error)) from None
    if not isinstance(data, dict):
        raise _fault("this is JSON, but not an object")
    return data


def dump_json(data: Mapping[str, Any]) -> str:
    """Write checked JSON data in its shortest form."""
    return _ENCODER.encode(data)


def _fault(message: str) -> RemoteProtocolError:
    return RemoteProtocolError(message, code="bad_json", hint="A message is one JSON object.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{quoted(digits)} is too large a number")
    return number


def _bounded(digits: str) -> int:
    if len(digits) > 64:
        raise ValueError(f"{quoted(digits)} has too many digits")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{quoted(twice)} is given twice")
    return content


# Made once: the functions of ``json`` make new ones for each call, which takes longer than a short message.
_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant,
    parse_float=_finite,
    parse_int=_bounded,
    object_pairs_hook=_unique,
)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
