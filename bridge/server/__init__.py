"""The daemon's one port: the native socket, a few plain routes, and the guard in front of them."""

from bridge.server.access import Access
from bridge.server.app import SOCKET_PATH, create_app
from bridge.server.bodies import announced_bytes, take_large_body
from bridge.server.clients import Clients
from bridge.server.faults import answer_to, status_of
from bridge.server.health import MIN_FREE_BYTES, Checks, room_in
from bridge.server.listen import WebServer, bind
from bridge.server.outside import Outside, bind_outside, checked_outside, read_token
from bridge.server.pictures import PictureNames
from bridge.server.replies import NO_STORE, PIECE_BYTES, as_bytes, as_json, whole_number
from bridge.server.together import until_one_ends
from bridge.server.transport import send_texts

__all__ = [
    "MIN_FREE_BYTES",
    "NO_STORE",
    "PIECE_BYTES",
    "SOCKET_PATH",
    "Access",
    "Checks",
    "Clients",
    "Outside",
    "PictureNames",
    "WebServer",
    "announced_bytes",
    "answer_to",
    "as_bytes",
    "as_json",
    "bind",
    "bind_outside",
    "checked_outside",
    "create_app",
    "read_token",
    "room_in",
    "send_texts",
    "status_of",
    "take_large_body",
    "until_one_ends",
    "whole_number",
]
