"""A terminal that texts of strangers cannot command: what names, prompts and messages hold is only shown."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bridge.errors import shown


class Console(RichConsole):
    """rich's console, whose colours and progress are its own, and the only ones."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as it is laid out; it is as wide as what is shown, so that columns fit."""
        return super().render_str(shown(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the parts of what is printed, without characters that command a terminal."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(shown(part.text), part.style)
