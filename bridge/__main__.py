"""``python -m bridge`` is ``framebridge``."""

from bridge.cli import main

main()
