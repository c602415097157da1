"""Getting models from Hugging Face, Civitai and other places: asked for, checked, and never twice."""

from bridge.downloads.address import is_public, look_up
from bridge.downloads.credentials import Credentials, Key, credentials
from bridge.downloads.cut import Cut
from bridge.downloads.network import Network, Patience
from bridge.downloads.plan import Choices, Plan, Planner
from bridge.downloads.pull import Paused, Progress, Puller, cancelled
from bridge.downloads.queue import Consent, Pulls, PullStatus
from bridge.downloads.sizes import gigabytes
from bridge.downloads.web import Web

__all__ = [
    "Choices",
    "Consent",
    "Credentials",
    "Cut",
    "Key",
    "Network",
    "Patience",
    "Paused",
    "Plan",
    "Planner",
    "Progress",
    "PullStatus",
    "Puller",
    "Pulls",
    "Web",
    "cancelled",
    "credentials",
    "gigabytes",
    "is_public",
    "look_up",
]
