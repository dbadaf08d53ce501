"""A client of `packshot serve` for Python programs.

    from packshot.client import Client

    with Client("http://127.0.0.1:8333", key="packshot_…") as shop:
        for picture in shop.generate("红色运动鞋", count=2).assets:
            picture.save("shoes/")

Of the standard library alone: a shop's program gets nothing else installed with it, and what a client needs of HTTP is
a request and a stream of lines.
"""

from packshot.client.calls import ClientError, JobFailedError, ServerError
from packshot.client.client import Client
from packshot.client.results import Asset, Job, Kind, Pack, Page
from packshot.client.signing import check_signature

__all__ = [
    "Asset",
    "Client",
    "ClientError",
    "Job",
    "JobFailedError",
    "Kind",
    "Pack",
    "Page",
    "ServerError",
    "check_signature",
]
