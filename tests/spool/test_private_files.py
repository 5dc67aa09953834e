"""A household's readings are nobody else's: owner writes, group reads, whatever the umask."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spool.conftest import Bench


@pytest.fixture(params=[0o000, 0o022, 0o277])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.usefixtures("umask")
async def test_every_file_of_the_spool_is_private(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 3)
        await bench.window_closes(spool)
        assert modes(bench.path.parent) == dict.fromkeys(
            ("spool.db", "spool.db-wal", "spool.db-shm", "spool.db.lock"), 0o640
        )


@pytest.mark.usefixtures("umask")
async def test_the_copy_of_a_file_that_was_removed_is_private(bench: Bench) -> None:
    async with bench.open() as spool:
        bench.fill(spool, 3)
        await bench.window_closes(spool)
        bench.path.unlink()
        for _ in range(4):
            await bench.window_closes(spool)
        found = modes(bench.path.parent)
        assert [name for name in found if ".damaged-" in name]
        assert set(found.values()) == {0o640}


async def test_a_file_that_a_link_names_and_nobody_made_yet_is_private(bench: Bench) -> None:
    bench.path.symlink_to("elsewhere.db")
    async with bench.open() as spool:
        assert spool.state == "durable"
        assert modes(bench.path.parent)["elsewhere.db"] == 0o640


async def test_what_root_makes_belongs_to_the_owner_of_the_spool(bench: Bench) -> None:
    """`sudo datalogger spool replay …` must not shut the daemon out."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    async with bench.open():
        pass
    os.chown(bench.path, 12345, 12345)
    bench.path.with_name("spool.db.lock").unlink()
    async with bench.open():
        owners = {path.name: path.stat().st_uid for path in bench.path.parent.iterdir()}
    assert owners == dict.fromkeys(("spool.db", "spool.db-wal", "spool.db-shm", "spool.db.lock"), 12345)
