from tidemill_sdk import transform


@transform
def plugin(value: str) -> str:
    """Folds each value to upper case."""
    return value.upper()
