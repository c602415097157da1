"""What another try may mend."""

from bridge.errors import BridgeError


class Cut(BridgeError):
    """The connection ended early, or the server wants us to come again; another try may do.

    Args:
        message: What happened.
        wait_s: How long the server wants us to wait.
    """

    code = "pull_cut"

    def __init__(self, message: str, *, code: str = "", hint: str = "", wait_s: float = 0.0) -> None:
        super().__init__(message, code=code, hint=hint or "Pull it again: it goes on where it was cut.")
        self.wait_s = wait_s
