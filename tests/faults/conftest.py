from tests.spool.conftest import bench

__all__ = ["bench"]
