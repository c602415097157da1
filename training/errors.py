"""What can go wrong outside this code, said so that a person can act on it."""


class TrainingError(Exception):
    """A failure with a hint; the command line prints both and no traceback."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
