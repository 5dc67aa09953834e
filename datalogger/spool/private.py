"""Files that their owner writes, their group reads, and nobody else."""

import os
from pathlib import Path

MODE = 0o640


def make(path: Path, owner_of: Path | None = None) -> None:
    """An empty file, whatever the umask; one that is there stays as it is.

    owner_of: where root makes it, it belongs to the owner of this one: root at a command line must not
    shut out the daemon, which runs as another user.
    """
    try:
        # Resolved: where a link names a file that is not there yet, that file is meant.
        file = os.open(path.resolve(), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    except FileExistsError:
        return
    try:
        os.fchmod(file, MODE)
        if owner_of is not None and os.geteuid() == 0:
            owner = owner_of.stat()
            os.fchown(file, owner.st_uid, owner.st_gid)
    finally:
        os.close(file)
