"""The daemon: the one place where nodes, jobs and the web server meet."""

from bridge.daemon.daemon import Daemon, serve
from bridge.daemon.instance import wait_until_gone
from bridge.daemon.log import keeping_log
from bridge.daemon.packs import InstalledPack, installed_packs, switch_pack
from bridge.daemon.service import create_service
from bridge.daemon.settings import Settings, data_folder, make_folders, wildcard_folder

__all__ = [
    "Daemon",
    "InstalledPack",
    "Settings",
    "create_service",
    "data_folder",
    "installed_packs",
    "keeping_log",
    "make_folders",
    "serve",
    "switch_pack",
    "wait_until_gone",
    "wildcard_folder",
]
