"""The one error family of the local runtime."""


class LocalError(Exception):
    """Something on this machine stops Attune from running; `mend` says what to do about it."""

    def __init__(self, problem: str, *, mend: str = "") -> None:
        super().__init__(f"{problem} ({mend})" if mend else problem)
        self.problem = problem
        self.mend = mend
