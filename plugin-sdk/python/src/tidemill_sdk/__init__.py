"""Write Tidemill plugins in Python: a plain function over records.

    from tidemill_sdk import transform

    @transform
    def plugin(value: str):
        '''Emits each word of a line as a record of its own.'''
        return value.split()

What the function's parameters are called says which parts of a record it gets, and only those cross the
boundary: `key`, `value`, `headers`, `timestamp`, or `record` for all that `reads` names. Their annotations
say in which form: `bytes`, `str`, or either with `| None` where a part may be absent. `settings` gets the
plugin's parameters, a dataclass.
"""

from .codecs import Bytes, Codec, Float, Int, Json, Struct, Text
from .failures import Fatal, Reject, Retryable, reject
from .filtering import Filter, filter
from .grants import log, metrics
from .outputs import KEEP, Out
from .parameters import Doc
from .records import Header, Record, Window
from .reducing import Reducer, ReducerPlugin, reducer
from .transforming import Transform, transform

__all__ = [
    "KEEP", "Bytes", "Codec", "Doc", "Fatal", "Filter", "Float", "Header", "Int", "Json", "Out", "Record",
    "Reducer", "ReducerPlugin", "Reject", "Retryable", "Struct", "Text", "Transform", "Window", "filter", "log",
    "metrics", "reducer", "reject", "transform",
]
