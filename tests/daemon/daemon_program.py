"""Runs a daemon as the command line would: settings as JSON in, an error's code and exit status 3 out."""

import json
import sys

from bridge.daemon import Settings, serve
from bridge.errors import BridgeError

if __name__ == "__main__":
    try:
        serve(Settings(**json.loads(sys.argv[1])))
    except BridgeError as error:
        print(json.dumps(error.problem.to_json()))
        sys.exit(3)
