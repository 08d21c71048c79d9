"""The bench and its servers, as the tests of the command line have them."""

from host_tests.bench_cli.conftest import bench, program, script, served  # noqa: F401
