"""The user's keys to Hugging Face and Civitai: looked for when they are needed, told to nobody else.

A key belongs to one host and goes to no other, wherever a redirect leads. None is ever logged, kept with a
model, or part of a message.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from bridge.client import state_folder

MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Key:
    """Where a key may be.

    Args:
        variables: Of the environment; the first that is set counts.
        files: Looked into if none is.
        page: Where a user makes one.
    """

    variables: tuple[str, ...]
    files: tuple[Path, ...]
    page: str

    def read(self) -> str:
        """Return the key, or nothing."""
        for name in self.variables:
            if text := os.environ.get(name, "").strip():
                return text
        return next(filter(None, map(_content, self.files)), "")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Which key goes to which host.

    Args:
        keys: By host.
        given: Keys that came with an address (``?token=…``), by host; they come first.
    """

    keys: Mapping[str, Key]
    given: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headers(self, host: str, port: int) -> dict[str, str]:
        """Return what to send along to a host."""
        key = self.keys.get(host)
        if port != 443 or key is None:
            return {}
        token = self.given.get(host) or key.read()
        is_sound = token.isascii() and token.isprintable() and " " not in token
        return {"Authorization": f"Bearer {token}"} if token and is_sound else {}

    def advice(self, host: str) -> str:
        """Say what a user can do where a host wants to know who asks."""
        key = self.keys.get(host)
        if key is None:
            return "Download it in a browser where you are logged in, then: framebridge models add FILE"
        where = f"set {key.variables[0]} to a key of yours ({key.page})"
        return f"Accept its licence on its page, if it has one to accept, and {where}; then try again."


def credentials(given: Mapping[str, str] | None = None) -> Credentials:
    """Return the keys of this user.

    Args:
        given: Keys that came with an address, by host.
    """
    own = _settings_folder()
    hub = Path(os.environ.get("HF_HOME", "").strip() or Path.home() / ".cache" / "huggingface")
    hub_file = os.environ.get("HF_TOKEN_PATH", "").strip()
    return Credentials(
        {
            "huggingface.co": Key(
                ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
                (own / "huggingface.token", Path(hub_file) if hub_file else hub / "token"),
                "https://huggingface.co/settings/tokens",
            ),
            "civitai.com": Key(
                ("CIVITAI_TOKEN", "CIVITAI_API_KEY"),
                (own / "civitai.token",),
                "https://civitai.com/user/account",
            ),
        },
        given or {},
    )


def _settings_folder() -> Path:
    if os.environ.get("FRAMEBRIDGE_HOME", "").strip():
        return state_folder()
    return Path(platformdirs.user_config_dir("framebridge", appauthor=False))


def _content(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip() if file.stat().st_size <= MOST_BYTES else ""
    except (OSError, ValueError):
        return ""
