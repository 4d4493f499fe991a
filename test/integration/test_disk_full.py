"""A full disk for DIR: writes are answered with -MISCONF and change nothing, reads go on, nothing is
lost, and writes work again once there is room. A limit on the proxy's file sizes stands for it."""
import resource

import pytest
import redis

from harness import noise, wait_until


def fill_disk(cluster, full):
    pid = cluster.pid_of("proxy")
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 if full else hard, hard))


def is_writable(client):
    try:
        return client.set("probe", b"x")
    except redis.exceptions.ResponseError as error:
        assert str(error).startswith("MISCONF")
        return False


def test_full_disk(new_cluster):
    cluster = new_cluster()
    client = cluster.redis()
    client.set("small", b"old")
    client.set("large", noise(3000000))
    fill_disk(cluster, True)
    changes = (("SET", "small", "new"), ("SET", "large", "new"), ("SET", "other", "x"),
               ("DEL", "small"), ("EXPIRE", "small", "100"), ("RENAME", "small", "other"),
               ("MSET", "small", "1", "other", "2"), ("FLUSHALL",))
    for change in changes * 2:
        with pytest.raises(redis.exceptions.ResponseError, match="^MISCONF.*journal"):
            client.execute_command(*change)
        assert client.get("small") == b"old"
    with pytest.raises(redis.exceptions.ResponseError):
        with client.pipeline(transaction=True) as pipe:
            pipe.set("small", b"1").delete("large").execute()
    assert client.get("large") == noise(3000000)
    assert sorted(client.keys("*")) == [b"large", b"small"] and client.ttl("small") == -1
    fill_disk(cluster, False)
    wait_until(lambda: is_writable(client), "writes work again")
    client.delete("small")
    cluster.kill("proxy")
    cluster.up()
    client = cluster.redis()
    assert client.get("small") is None
    assert client.get("large") == noise(3000000)
    assert sorted(client.keys("*")) == [b"large", b"probe"]
