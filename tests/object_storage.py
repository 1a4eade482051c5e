"""A real S3 server for the tests, over HTTP."""

from contextlib import contextmanager

import pytest

KEY = "a key of the tests"


@contextmanager
def s3_server(monkeypatch):
    """Yield a client of a server that holds nothing; Snakemake's plugin finds it, too."""
    install = "pip install 'moto[s3]' flask flask-cors snakemake-storage-plugin-s3"
    for module in ("moto.server", "snakemake_storage_plugin_s3"):
        pytest.importorskip(module, reason=f"{module} is not installed: {install}")
    import boto3  # noqa: PLC0415
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        monkeypatch.setenv("no_proxy", host)
        for name, value in (("ENDPOINT_URL", address), ("ACCESS_KEY", KEY), ("SECRET_KEY", KEY)):
            monkeypatch.setenv(f"SNAKEMAKE_STORAGE_S3_{name}", value)
        yield boto3.client(
            "s3", endpoint_url=address, aws_access_key_id=KEY, aws_secret_access_key=KEY,
            region_name="us-east-1",
        )  # fmt: skip
    finally:
        server.stop()
