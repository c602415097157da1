"""The pictures and latents that lie in the running job's folders, by the names that nodes use."""

from pathlib import Path

from bridge.engine import current_job
from bridge.errors import InputError
from bridge.paths import resolve_in, split_annotation


def job_file(name: str, home: str = "input") -> Path:
    """Return the path behind a name; it need not exist.

    Args:
        name: Of a file in ``home``; ``name [output]`` lies in the output folder, whatever ``home`` is.
        home: ``input``, ``output`` or ``temp``.

    Raises:
        InputError: ``bad_path`` if the name leads out of the folder.
    """
    folder, name = split_annotation(name, home)
    root: Path = getattr(current_job().folders, folder)
    return resolve_in(root, name)


def job_file_stamp(name: str, home: str = "input") -> tuple[int, int] | None:
    """Return what changes when the file behind a name does; ``None`` while there is none."""
    try:
        stat = job_file(name, home).stat()
    except (OSError, InputError):
        return None
    return stat.st_mtime_ns, stat.st_size
