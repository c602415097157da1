"""The names of the engine's API that the plugin uses; a test keeps this list true."""

API: tuple[str, ...] = ()
OPTIONAL: tuple[str, ...] = ()
