"""An address of Redis means the same to each library that gets it, or it is refused before the first one does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings
from kombu import Connection
from redis.asyncio import Redis

from live import channel_layer
from project import health, servers
from tasks.engine import broker
from tests.support.live_parts import layers
from tests.support.tls import Tunnel, certificate


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("redis://h", "redis://h:6379/0"),
        ("redis://h/0?db=0", "redis://h:6379/0"),
        ("redis://h:1234?db=2", "redis://h:1234/2"),
        ("redis://h/2?db=2", "redis://h:6379/2"),
        ("redis://:p%40ss@h/1", "redis://:p%40ss@h:6379/1"),
        ("redis://user:a@b@h/1?protocol=2", "redis://user:a@b@h:6379/1"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("rediss://h/0?ssl_cert_reqs=CERT_NONE", "rediss://h:6379/0?ssl_cert_reqs=none"),
        ("rediss://h?ssl_cert_reqs=required&db=3", "rediss://h:6379/3?ssl_cert_reqs=required"),
        (f"rediss://h/0?ssl_ca_certs={__file__}", f"rediss://h:6379/0?ssl_ca_certs={__file__}"),
    ],
)
def test_what_an_address_means(given: str, meant: str) -> None:
    assert servers.redis(given) == servers.broker(given) == meant
    assert servers.redis(meant) == meant  # a process that is started by another reads what the other made of it


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("redis://h/0?db=1", "names two databases"),
        ("redis://h/x", "must name its database by a number"),
        ("redis://h?db=x", "must name its database by a number"),
        ("redis://h/0/1", "must name its database by a number"),
        ("redis://a/0;redis://b/0", "must name its database by a number"),
        ("redis://h/0?socket_timeout=5", "has the option socket_timeout, but Signalbox sets its timeouts itself"),
        ("redis://h/0?protocol=3", "has the option protocol, but Signalbox speaks protocol 2"),
        ("redis://h/0?foo=1", "has an option that Signalbox does not know"),
        ("redis://h/0?db=1&db=2", "has an option twice"),
        ("redis://h/0?ssl_cert_reqs=none", "must begin with rediss://"),
        ("rediss://h/0?ssl_cert_reqs=never", "must have none, optional or required"),
        ("rediss://h/0?ssl_check_hostname=maybe", "must have true or false"),
        ("rediss://h/0?ssl_ca_certs=/no/such/file", "must name a file that is there"),
    ],
)
def test_what_is_refused_in_a_sentence(given: str, sentence: str) -> None:
    for read in (servers.redis, servers.broker):
        with pytest.raises(servers.Wrong, match=sentence):
            read(given)


@pytest.mark.parametrize(
    "given", ["h:6379", "redis:///0", "redis://h:0/0", "redis://h:99999", "redis://h/0#x", "unix:///x"]
)
def test_what_is_no_address(given: str) -> None:
    with pytest.raises(ValueError):
        servers.redis(given)


@pytest.mark.parametrize(
    "given", ["amqp://h//?connect_timeout=3", "amqp://h//?heartbeat=x", "amqps://h?ssl_ca_certs=/x"]
)
def test_options_of_amqp_that_would_end_in_a_traceback_are_refused(given: str) -> None:
    with pytest.raises(servers.Wrong):
        servers.broker(given)
    assert servers.broker("amqp://a//?heartbeat=30;amqp://b//") == "amqp://a//?heartbeat=30;amqp://b//"


# --- each library takes what was made of it --------------------------------------------------------------------------


@pytest.fixture(params=["?db=2", "CERT_NONE", "ca"])
def address(request, tmp_path: Path) -> Iterator[str]:
    """An address as people write it, of a Redis that is there."""
    parts = redis.connection.parse_url(settings.REDIS_URL)
    login = f":{parts['password']}@"
    if request.param == "?db=2":
        yield f"redis://{login}{parts['host']}:{parts['port']}?db=2&protocol=2"
        return
    pem, key = certificate(tmp_path)
    tunnel = Tunnel(parts["host"], parts["port"], pem, key)
    option = "ssl_cert_reqs=CERT_NONE" if request.param == "CERT_NONE" else f"ssl_ca_certs={pem}"
    yield f"rediss://{login}127.0.0.1:{tunnel.port}/2?{option}"
    tunnel.stop()


async def test_every_client_reaches_the_same_database(address: str, settings) -> None:
    settings.REDIS_URL, settings.SIGNALBOX_BROKER_URL = servers.redis(address), servers.broker(address)
    settings.CHANNEL_LAYERS = layers(settings.REDIS_URL)
    async with Redis.from_url(settings.REDIS_URL) as link:  # what counts the sockets of a user
        await link.flushdb()
        assert link.connection_pool.connection_kwargs["db"] == 2
        assert await asyncio.to_thread(health.redis)

        def publish() -> int:
            options = broker.transport_options()
            with Connection(settings.SIGNALBOX_BROKER_URL, transport_options=options) as connection:
                connection.SimpleQueue("addresses").put({})
                return connection.default_channel.client.connection_pool.connection_kwargs["db"]

        assert await asyncio.to_thread(publish) == 2
        assert any(b"addresses" in key for key in await link.keys("*"))
    member = channel_layer.fresh()
    channel = await member.new_channel()
    await member.group_add(channel_layer.group(), channel)
    await member.group_send(channel_layer.group(), {"type": "jobs", "jobs": []})
    assert await asyncio.wait_for(member.receive(channel), 10) == {"type": "jobs", "jobs": []}
    await channel_layer.drop(member)
