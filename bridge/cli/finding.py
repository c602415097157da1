"""What ``framebridge doctor`` finds: one link of the chain, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One link of the chain.

    Args:
        link: Which.
        state: ``ok``, ``note`` or ``bad``.
        text: What was found.
        hint: What to do about it.
    """

    link: str
    state: str
    text: str
    hint: str = ""
