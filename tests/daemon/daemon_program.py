"""Runs a daemon as the command line would: settings as JSON in, an error's code and exit status 3 out.

``file_size_limit`` is no setting: it is how many bytes any file of the process may have, as on a full disk.
"""

import json
import sys

from bridge.daemon import Settings, serve
from bridge.errors import BridgeError

if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    if limit := settings.pop("file_size_limit", 0):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        serve(Settings(**settings))
    except BridgeError as error:
        print(json.dumps(error.problem.to_json()))
        sys.exit(3)
