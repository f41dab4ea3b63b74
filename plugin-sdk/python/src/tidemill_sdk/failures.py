"""How a plugin says that something is wrong."""

from typing import NoReturn


class Reject(Exception):
    """This record is refused, the others go on; the operator's policy says what becomes of it."""


class Fatal(Exception):
    """The whole call fails, and trying again would not help."""


class Retryable(Exception):
    """The whole call fails; trying the same records again may help."""


def reject(reason: str) -> NoReturn:
    """Refuses the record at hand."""
    raise Reject(reason)


def explain(error: BaseException) -> str:
    """An error in one line, with the place in the author's code where it was raised."""
    if isinstance(error, (Reject, Fatal, Retryable)):
        return str(error)
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "tidemill_sdk" not in code.co_filename:
            place = f" ({code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}"
