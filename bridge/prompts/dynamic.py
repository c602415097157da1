r"""Dynamic prompts: ``a {red|blue} __animal__`` becomes a text, the same for the same seed.

Source: the template language of the ``dynamicprompts`` library, which parses and samples here, without Jinja.
Ours are the limits, the errors, the files of the wildcards, and what stays as it is typed:

1. ``#``, ``//`` and ``/*`` begin no comment; a single ``$`` or ``%``, and ``__`` without a name, are text.
2. ``\{``, ``\}`` and ``\|`` are text, without the backslash.
3. Marks of single choices (``{!a|b}``, ``{@a|b}``) count for nothing: who asks decides how it is sampled.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any

from dynamicprompts.commands import Command
from dynamicprompts.enums import SamplingMethod
from dynamicprompts.parser.config import default_parser_config
from dynamicprompts.parser.parse import get_cached_parser
from dynamicprompts.samplers.base import Sampler
from dynamicprompts.samplers.combinatorial import CombinatorialSampler
from dynamicprompts.samplers.random import RandomSampler
from dynamicprompts.sampling_context import SamplingContext
from pyparsing import ParseBaseException

from bridge.errors import InputError
from bridge.prompts.wildcards import Wildcards

TEMPLATE_TEXT = "prompt_template"
"""The PNG text that holds the dynamic prompts that a picture's texts came from, by the input's name."""

MAX_TEMPLATE = 5_000
"""Characters of a dynamic prompt; reading that many choices takes two seconds."""

MAX_TEXT = 20_000
"""Characters of what becomes of it."""

MAX_DEPTH = 16
"""Braces within each other."""

MAX_WORK = 50_000
"""Parts that are looked at for one text, wildcards within wildcards included."""

WILDCARD_WORK = 50
"""Parts that a wildcard counts for: its value is a template that has to be read."""

MAX_COMBINATIONS = 1000
"""Texts of one dynamic prompt."""

MAX_NAME = 200
"""Characters of a wildcard's name: without a bound, every ``__`` of a text is a search through the rest."""

_WILDCARD = rf"__[~!@]?[\w./*-]{{0,{MAX_NAME - 1}}}?[\w*](?:\([^()]*\))?__"

_DYNAMIC = re.compile(rf"(?<!\\)\{{[^{{}}]*(?:\||\$\$)|\$\{{\w|{_WILDCARD}")

_AS_TYPED = re.compile(rf"({_WILDCARD})|\\([{{}}|])|(#|/(?=[/*])|(?<!\$)\$(?![${{])|%(?!{{)|__)")

_KEPT = {
    letter: chr(0xE000 + number) for number, letter in enumerate(["#", "/", "$", "%", "__", "{", "}", "|"])
}
"""What the library must not see, and the private characters that stand for it meanwhile."""

_WHAT_FAILS = (
    ParseBaseException,
    ValueError,
    LookupError,
    TypeError,
    AssertionError,
    RuntimeError,
    StopIteration,
)
"""What the library raises over templates that make no sense; ``RecursionError`` is a ``RuntimeError``."""


logging.getLogger("dynamicprompts").addHandler(logging.NullHandler())  # what it says, our errors say
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it calls pyparsing by the names of version 3.0
    get_cached_parser(default_parser_config)


def is_dynamic(text: str) -> bool:
    """Tell whether a prompt asks for choices: ``{a|b}``, ``{2$$…}``, ``__name__`` or a variable."""
    return _DYNAMIC.search(text) is not None


def resolve(template: str, seed: int, wildcards: Wildcards) -> str:
    """Return one text of a dynamic prompt; a prompt that asks for no choices comes back as it is.

    Args:
        template: As typed.
        seed: The same one gives the same text, as long as the wildcards' files stay the same.
        wildcards: What ``__name__`` may be.

    Raises:
        InputError: ``bad_prompt`` if the template makes no sense or grows beyond all limits;
            ``unknown_wildcard``, or why the wildcard's file cannot be used.
    """
    if not is_dynamic(template):
        return template
    [text] = _texts(template, SamplingMethod.RANDOM, seed, wildcards, most=1) or [""]
    return text


def combinations(template: str, wildcards: Wildcards, limit: int = MAX_COMBINATIONS) -> list[str]:
    """Return all texts of a dynamic prompt, each once, in the order of the template.

    Args:
        template: As typed.
        wildcards: What ``__name__`` may be.
        limit: How many there may be.

    Raises:
        InputError: ``too_many_combinations``, or as ``resolve``.
    """
    if not is_dynamic(template):
        return [template]
    found = _texts(template, SamplingMethod.COMBINATORIAL, 0, wildcards, most=limit + 1)
    if len(found) > limit:
        raise InputError(
            f"this prompt has more than {limit} combinations",
            code="too_many_combinations",
            hint="Have some of them drawn instead, or leave choices out.",
        )
    if not found:
        raise _bad(template, "has no combination", "It asks for more different values than there are.")
    return list(dict.fromkeys(found))


def _texts(template: str, method: SamplingMethod, seed: int, wildcards: Wildcards, most: int) -> list[str]:
    _check(template)
    work = _Work()
    context = _Context(
        method,
        _Values(wildcards, work),  # type: ignore[arg-type]
        {SamplingMethod.RANDOM: _Random(work), SamplingMethod.COMBINATORIAL: _All(work)},
        rand=Random(seed),  # noqa: S311
    )
    found = []
    try:
        for result in islice(context.sample_prompts(_hide(template)), most):
            work.begin_anew()
            found.append(_show(result.text).strip())
            if len(found[-1]) > MAX_TEXT:
                raise _too_much(template)
    except _WHAT_FAILS as error:
        raise _no_sense(template, error) from error
    return found


def _check(template: str) -> None:
    """Refuse what is too long or too deep, and braces without their partner.

    Raises:
        InputError: ``bad_prompt``.
    """
    if len(template) > MAX_TEMPLATE:
        raise _bad(template, f"has more than {MAX_TEMPLATE} characters", "Move choices into wildcard files.")
    opened: list[int] = []
    for place, letter in enumerate(_AS_TYPED.sub(lambda found: " " * len(found[0]), template)):
        if letter == "{":
            opened.append(place)
        elif letter == "}" and opened:
            opened.pop()
        if len(opened) > MAX_DEPTH:
            raise _bad(template, f"has more than {MAX_DEPTH} braces within each other", "Use wildcard files.")
    if opened:
        where = f"has a {{ without its }} at character {opened[-1] + 1}"
        raise _bad(template, where, "Close it, or write \\{ for the brace itself.")


def _hide(template: str) -> str:
    """Put private characters in the place of what is to stay as it is typed."""

    def hidden(found: re.Match[str]) -> str:
        return found[1] or _KEPT[found[2] or found[3]]

    return _AS_TYPED.sub(hidden, template)


def _show(text: str) -> str:
    for letter, private in _KEPT.items():
        text = text.replace(private, letter)
    return text


class _Values:
    """Wildcards as the library asks for them."""

    def __init__(self, wildcards: Wildcards, work: "_Work") -> None:
        self._wildcards, self._work = wildcards, work

    def get_values(self, name: str) -> "_Items":
        """Return the values of a wildcard, at least one."""
        self._work.take(WILDCARD_WORK)
        return _Items(tuple(_hide(value) for value in self._wildcards.values(name)))


class _Items(tuple[str, ...]):
    """Values with equal weights."""

    __slots__ = ()

    def iterate_string_values_weighted(self) -> Iterator[str]:
        """Yield every value once."""
        return iter(self)

    def get_weighted_random_generator(self, rand: Random) -> Iterator[str]:
        """Yield values at random, for ever."""
        while True:
            yield rand.choice(self)


class _Work:
    """Counts what is looked at, so that a few characters cannot keep a machine busy for years."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def begin_anew(self) -> None:
        """Note that a text is finished."""
        self._left = MAX_WORK

    def take(self, parts: int = 1) -> None:
        """Count parts.

        Raises:
            InputError: ``bad_prompt``.
        """
        self._left -= parts
        if self._left < 0:
            raise InputError(
                f"this prompt takes more than {MAX_WORK} choices for one text",
                code="bad_prompt",
                hint="Do wildcards or variables name each other many times over? Leave some out.",
            )


class _Counted(Sampler):
    def __init__(self, work: _Work) -> None:
        super().__init__()
        self._work = work

    def generator_from_command(self, command: Command, context: SamplingContext) -> Any:
        """Count, and go on as the library does."""
        self._work.take()
        return super().generator_from_command(command, context)


class _Random(_Counted, RandomSampler):
    """Draws."""


class _All(_Counted, CombinatorialSampler):
    """Goes through all."""


class _Context(SamplingContext):
    """Samples everything in one way, whatever single choices are marked with."""

    def get_sampler_and_context(self, command: Command) -> tuple[Sampler, SamplingContext]:
        """Return the one sampler."""
        return self.default_sampler, self

    def get_effective_sampling_method(self, command: Command) -> SamplingMethod:
        """Return the one method."""
        return self.default_sampling_method


def _no_sense(template: str, error: BaseException) -> InputError:
    if isinstance(error, RecursionError):
        return _bad(template, "never ends", "A wildcard or variable names itself: leave that out.")
    if isinstance(error, ParseBaseException):
        return _bad(
            template,
            f"makes no sense at character {error.loc + 1}",
            "See docs/prompts.md for what is understood.",
        )
    return _bad(
        template,
        f"makes no sense: {str(error)[:200].strip(chr(34))}",
        "See docs/prompts.md for what is understood.",
    )


def _too_much(template: str) -> InputError:
    return _bad(template, f"becomes more than {MAX_TEXT} characters", "Leave wildcards or variables out.")


def _bad(template: str, what: str, hint: str) -> InputError:
    shown = template if len(template) <= 60 else f"{template[:59]}…"
    return InputError(f'the prompt "{shown}" {what}', code="bad_prompt", hint=hint)
