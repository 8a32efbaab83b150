"""Files that cannot be read as what they are: cut short, altered, or of another version."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from superficial.artifacts.errors import UserError


@contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """Turn what readers of Parquet, CSV, JSON and safetensors say of a damaged file into a UserError that names it."""
    try:
        yield
    except (UserError, FileNotFoundError):
        raise
    except Exception as error:
        # Of Arrow and JSON all are ValueErrors, or OSErrors that the system knows nothing of.
        known = isinstance(error, ValueError | EOFError) or type(error).__name__ == "SafetensorError"
        if not known and not (isinstance(error, OSError) and error.errno is None):
            raise
        what = (str(error).splitlines() or [""])[0][:200]
        raise UserError(
            f"it is damaged, or of another version ({what})", where=str(path),
            remedy="delete it and run the same command again: it is made anew",
        ) from error  # fmt: skip
