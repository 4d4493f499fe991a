"""Clients that keep values in the pool to themselves, where nothing can evict them: in a transaction
that is never executed, as a reply that is read slowly, in uploads without an end, or in requests
that lack their last bytes. When others find no room they lose them, and whoever keeps little does
not. What waits for replies before it keeps no room at all. Nor does it cost the others work or keys
that eviction passes over what is kept."""
import contextlib
import socket
import struct
import time

import pytest
import redis

from harness import fields, measures_memory, noise, wait_until
from resp_wire import encode
from test_slow_peers import Steady

KB, MB = 1 << 10, 1 << 20
STRIPE = 10 * 64 * KB  # of a large value
VALUE = noise(10 * MB)
KEPT = 8  # values of 10 MB, of 100


@pytest.fixture
def small(cluster):
    """A client of a pool that takes 100 MB."""
    pid, client = cluster.pid_of("proxy"), cluster.redis()
    client.flushall()
    client.config_set("maxmemory", "100mb")
    yield client
    client.config_set("maxmemory", 0)
    assert cluster.pid_of("proxy") == pid


def queue(cluster, stack, size, count):
    s = stack.enter_context(cluster.socket())
    s.sendall(b"MULTI\r\n" + encode("SET", "queued", VALUE[:size]) * count)
    expected, said = b"+OK\r\n" + b"+QUEUED\r\n" * count, b""
    while len(said) < len(expected):
        said += s.recv(1 << 16)
    assert said == expected
    return s


def get_late(cluster, stack, keys):
    """GETs that are answered in an hour, of keys that may be gone then."""
    s = stack.enter_context(cluster.socket())
    s.sendall(b"MULTI\r\nDEBUG SLEEP 3600\r\nDEBUG SLEEP 3600\r\n" +
              b"".join(encode("GET", key) for key in keys) + b"EXEC\r\n")


def flush_beside(client, waiting, kept):
    """All keys go, while so many clients are WAITING for values of KEPT bytes."""
    wait_until(lambda: sum("b" in row["flags"] for row in client.client_list()) == waiting, "they wait")
    client.flushall()
    wait_until(lambda: client.info("everything")["pool_dead_bytes"] == kept, "they are kept")


def leave_the_end(cluster, client, stack):
    """A SET of 80 MB that lacks the end of its last line."""
    s = stack.enter_context(cluster.socket())
    s.sendall(encode("SET", "unfinished", VALUE * KEPT)[:-2])
    wait_until(lambda: client.info("everything")["pool_draft_bytes"] >= KEPT * len(VALUE), "all of it has come")


def is_stored(client, value):
    try:
        return client.set("stored", value)
    except redis.RedisError as error:
        assert "maxmemory" in str(error)
        return False


def count_cut(client):
    return client.info("everything")["ic_cut_clients"]


def must_make_room(client, value, given_up):
    """Who finds no room waits for it, or is refused and needs not ask again and again: so many clients
    lose what they keep, and no more."""
    cut = count_cut(client)
    is_stored(client, value)
    wait_until(lambda: count_cut(client) >= cut + given_up, "there is room")
    assert client.set("stored", value) and client.get("stored") == value
    assert count_cut(client) == cut + given_up


def looks(client, seconds):
    """Again and again while the proxy, which looks at its clients each second, does so."""
    begun = client.info("server")["uptime_in_seconds"]
    while client.info("server")["uptime_in_seconds"] < begun + seconds:
        yield


@pytest.mark.parametrize("how", ["queued", "not ended"])
def test_who_keeps_much_of_the_pool_gives_way(cluster, small, how):
    with contextlib.ExitStack() as stack:
        modest = queue(cluster, stack, MB, 1)
        if how == "queued":
            queue(cluster, stack, len(VALUE), KEPT)
        else:
            leave_the_end(cluster, small, stack)
        large = VALUE * 3
        wait_until(lambda: is_stored(small, large), "there is room")
        assert small.get("stored") == large
        figures = small.info("everything")
        assert figures["drafts"] == 1 and figures["pool_dead_bytes"] == 0
        modest.sendall(b"EXEC\r\n")
        assert modest.recv(100) == b"*1\r\n+OK\r\n"


@pytest.mark.parametrize("count,stripes,given_up", [(8, 18, 1), (37, 4, 2)])
def test_of_slow_uploads_the_largest_give_way(cluster, small, count, stripes, given_up):
    """They have nearly all that uploads may have, each more than a sixteenth of it, or all of them less,
    and would have it for hours. Those whose room is needed go, the others stay."""
    sent, slow, value = stripes * STRIPE, encode("SET", "slow", VALUE * 6), VALUE[:6 * MB]
    with contextlib.ExitStack() as stack:
        small.config_set("min-write-rate", 0)
        stack.callback(small.config_set, "min-write-rate", "1kb")
        uploads = [stack.enter_context(cluster.socket()) for _ in range(count)]
        for upload in uploads:
            upload.sendall(slow[:KB])
        wait_until(lambda: small.info("everything")["drafts"] == count, "all of them are promised room")
        for upload in uploads:
            upload.sendall(slow[KB:sent + KB])
        wait_until(lambda: small.info("everything")["pool_draft_bytes"] == count * sent, "they have it")
        for _ in looks(small, 3):
            pass  # their pace is known
        must_make_room(small, value, given_up)
        assert small.info("everything")["drafts"] == count - given_up


def test_who_is_always_about_to_end_gives_way(cluster, small):
    """It sends ever less, so that at its pace it has always a few seconds to go."""
    value, gone = VALUE * 9, False
    with cluster.socket() as s:
        s.sendall(encode("SET", "zeno", value)[:-8 * MB])
        left, cut = 8 * MB, count_cut(small)
        while not gone and left > KB:  # in the end it would have sent nearly all
            part = left // 8
            try:
                s.sendall(b"z" * part)
            except OSError:
                gone = True
            left -= part
            is_stored(small, VALUE[:6 * MB])
            gone = gone or count_cut(small) > cut
            time.sleep(0.1)  # its pace
    assert gone, f"{left} bytes were left"
    wait_until(lambda: is_stored(small, VALUE), "there is room")


def test_of_many_that_keep_a_little_no_more_go_than_must(cluster, small):
    with contextlib.ExitStack() as stack:
        for _ in range(310):
            queue(cluster, stack, 300 * KB, 1)
        must_make_room(small, VALUE[:6 * MB], 11)


@measures_memory
def test_what_many_small_values_take_is_counted(new_cluster):
    """Each value takes three times its size of the functions: 384 MB are full of 125 MB."""
    cluster = new_cluster(functions=3, memory="128mb", options={"code-table": "*:1+2"})
    client, each = cluster.redis(), 1250 * KB
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            with contextlib.suppress(AssertionError):  # there was no room
                queue(cluster, stack, each, 1)
        wait_until(lambda: is_stored(client, VALUE[:each]), "there is room")
        assert client.info("everything")["ic_cut_clients"] >= 1


def test_what_replies_wait_for_is_given_up_if_it_must(cluster, small):
    """After it was deleted, the oldest first, and no more than must: what is given up is an error."""
    cut, keys = count_cut(small), [f"waited{i}" for i in range(KEPT - 2)]
    small.set("large", VALUE * 2)
    for key in keys:
        small.set(key, VALUE)
    with cluster.socket() as s:
        s.sendall(encode("MGET", "large", *keys))
        wait_until(lambda: any(int(row["oll"]) > len(keys) for row in small.client_list()), "the replies wait")
        for key in keys:
            assert small.delete(key) == 1
        assert small.info("everything")["pool_dead_bytes"] == len(keys) * len(VALUE)
        assert small.set("stored", VALUE * 4)
        assert small.info("everything")["pool_dead_bytes"] == (len(keys) - 2) * len(VALUE)
        assert small.get("stored") == VALUE * 4 and count_cut(small) == cut
        expected = b"*%d\r\n$%d\r\n" % (1 + len(keys), 2 * len(VALUE)) + VALUE * 2 + b"\r\n"
        gone = b"-UNAVAILABLE the value was deleted or overwritten before it was sent, and there was no room to keep it\r\n"
        expected += gone * 2 + (b"$%d\r\n" % len(VALUE) + VALUE + b"\r\n") * (len(keys) - 2)
        said = bytearray()
        while len(said) < len(expected):
            said += s.recv(1 << 20)
        assert said == expected
    assert small.info("everything")["pool_dead_bytes"] == 0


def fill(client, value):
    """Until something is evicted; the keys of each function, of values of one chunk."""
    keys = {}
    for i in range(1000):
        client.set(f"stored{i}", value)
        if client.info("stats")["evicted_keys"] > 0:
            break
    for key in client.keys():
        chunk, = fields(client.execute_command("IC.OBJECT", key))["chunks"]
        keys.setdefault(fields(chunk)["function"], []).append(key)
    return keys


@measures_memory
def test_one_function_is_enough(new_cluster):
    """What is waited for lies on one of three functions only; no value finds room otherwise that has a chunk
    on each."""
    cluster = new_cluster(functions=3, options={"code-table": "2mb:1+0,*:2+1"})
    client, value, large = cluster.redis(), VALUE[:MB], VALUE
    with contextlib.ExitStack() as stack:
        keys = max(fill(client, value).values(), key=len)
        groups = [keys[i:i + 12] for i in range(0, len(keys), 12)]
        for group in groups:
            get_late(cluster, stack, group)
        flush_beside(client, len(groups), len(keys) * MB)
        assert client.set("stored", large) and client.get("stored") == large
        assert count_cut(client) == 0
        assert 0 < client.info("everything")["pool_dead_bytes"] < len(keys) * MB


def test_what_many_wait_for_is_there_until_the_last_has_gone(cluster, small):
    value, each = VALUE * 2 + VALUE[:4 * MB], 5
    with contextlib.ExitStack() as stack:
        for i in range(4):
            small.set(f"popular{i}", value)
        for i in range(4 * each):
            get_late(cluster, stack, [f"popular{i % 4}"])
        flush_beside(small, 4 * each, 4 * len(value))
        cut = count_cut(small)
        assert small.set("stored", VALUE[:6 * MB]) and count_cut(small) == cut
        assert small.info("everything")["pool_dead_bytes"] == 3 * len(value)
        small.client_kill_filter(_type="normal", skipme=True)
        wait_until(lambda: small.info("everything")["pool_dead_bytes"] == 0, "the others are gone as well")


def test_a_request_that_is_refused_keeps_nothing(cluster, small):
    """It hears why as soon as it is known, and sends no more."""
    with cluster.socket() as s:
        s.sendall(b"*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$%d\r\n" % (KEPT * len(VALUE)) + VALUE * KEPT +
                  b"\r\n$1\r\nb\r\n$%d\r\n" % (5 << 30))
        assert s.recv(1000).startswith(b"-ERR")
        wait_until(lambda: small.info("everything")["drafts"] == 0, "its first value is given up")
        assert small.set("stored", VALUE * 3)
        assert "%s:%d" % s.getsockname() in [row["addr"] for row in small.client_list()]


def read_slowly(cluster, stack, key, length):
    """A client that takes more than a minute for the value of KEY, and is not below min-read-rate."""
    def stop():
        with contextlib.suppress(OSError):  # it was cut
            reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            reader.socket.shutdown(socket.SHUT_RDWR)
        reader.end()

    reader = Steady(cluster, encode("GET", key), length, length, receive_buffer=16 * KB)
    stack.callback(stop)
    return reader


def test_a_slow_reader_of_much_gives_way(cluster, small):
    """Of one value, which is being sent to it all the time."""
    cut, value = count_cut(small), VALUE * 2
    with contextlib.ExitStack() as stack:
        for i in range(4):
            small.set(f"read{i}", value + VALUE[:3 * MB])
            read_slowly(cluster, stack, f"read{i}", len(value) + 3 * MB)
        # It is told so, or waits that second and finds the room of the reader that is cut within it.
        wait_until(lambda: is_stored(small, VALUE), "there is room")
        assert small.get("stored") == VALUE
        assert count_cut(small) == cut + 1


def test_readers_of_one_value_keep_it_once(cluster, small):
    """It is larger than what any other client keeps, but is no more for being read by many."""
    value = VALUE[:6 * MB]
    with contextlib.ExitStack() as stack:
        small.set("popular", value)
        readers = [read_slowly(cluster, stack, "popular", len(value)) for _ in range(12)]
        for _ in range(21):
            queue(cluster, stack, 4 * MB, 1)
        for _ in looks(small, 3):
            pass  # their pace is known
        must_make_room(small, value, 1)
        assert all(reader.is_alive() for reader in readers)


def test_asking_for_too_much_takes_it_from_nobody(cluster, small):
    with contextlib.ExitStack() as stack:
        s = queue(cluster, stack, len(VALUE), 3)
        for _ in looks(small, 3):
            with cluster.socket() as greedy:
                greedy.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$%d\r\n" % (90 * MB))
                assert greedy.recv(1000).startswith(b"-OOM")
        s.sendall(b"EXEC\r\n")
        assert s.recv(100) == b"*3\r\n" + b"+OK\r\n" * 3


def test_a_transaction_without_room_keeps_nothing(cluster, small):
    """It hears why, and the others have the room at once."""
    with contextlib.ExitStack() as stack:
        s = queue(cluster, stack, len(VALUE), KEPT)
        s.sendall(encode("SET", "queued", VALUE * 3))
        said = b""
        while not said.endswith(b"\r\n"):
            said += s.recv(1 << 16)
        assert said.startswith(b"-OOM")
        assert small.set("stored", VALUE * 3)
        s.sendall(b"EXEC\r\n")
        assert s.recv(100).startswith(b"-EXECABORT")


OLD, FILL = [f"old{i}" for i in range(2000)], [f"fill{i}" for i in range(1000)]


FETCHED_AHEAD = 32  # small values behind the one that is being sent, at most


def is_asked(client):
    return any(int(row["oll"]) > len(OLD) for row in client.client_list())


@pytest.fixture
def asking(cluster, small):
    """A client that asks for a large value and for all of OLD, which are the first to go, and reads nothing."""
    small.set("large", VALUE * 2)
    small.mset(dict.fromkeys(OLD, VALUE[:100]))
    small.mset(dict.fromkeys(FILL, VALUE[:100]))
    small.mget(FILL)
    full = 2 * len(VALUE) + 100 * (len(OLD) + len(FILL))
    wait_until(lambda: small.info("everything")["pool_object_bytes"] == full, "what was flushed before is gone")
    small.config_set("maxmemory", full)
    with cluster.socket() as s:
        s.sendall(encode("CLIENT", "NO-TOUCH", "ON") + encode("MGET", "large", *OLD))
        wait_until(lambda: is_asked(small), "the replies wait")
        wait_until(lambda: len(s.recv(100, socket.MSG_PEEK)) == 100, "the large value is being sent")
        yield s


def test_what_waits_to_be_read_is_evicted(small, asking):
    """What is being read is not, and is looked at once, however many SETs look for something to evict.
    What is gone by its turn is null."""
    before = small.info("everything")
    for i in range(20):
        assert small.set(f"new{i}", VALUE[:3000])
    after = small.info("everything")
    assert after["evicted_keys"] - before["evicted_keys"] == 600
    assert after["ic_eviction_set_aside"] - before["ic_eviction_set_aside"] <= 1 + FETCHED_AHEAD
    assert small.exists(*OLD) == len(OLD) - 600 and small.exists("large", *FILL) == 1 + len(FILL)
    there, gone = b"$100\r\n" + VALUE[:100] + b"\r\n", b"$-1\r\n"
    expected = b"+OK\r\n*%d\r\n$%d\r\n" % (1 + len(OLD), 2 * len(VALUE)) + VALUE * 2 + b"\r\n"
    said = bytearray()
    while len(said) < len(expected) + (len(OLD) - 600) * len(there) + 600 * len(gone):
        said += asking.recv(1 << 20)
    assert said.startswith(expected)
    replies = bytes(said[len(expected):])
    while replies.count(there) + replies.count(gone) < len(OLD):
        replies += asking.recv(1 << 20)
    assert replies.replace(there, b"").replace(gone, b"") == b""
    assert 600 - FETCHED_AHEAD <= replies.count(gone) <= 600


def test_what_is_being_read_costs_the_others_nothing(small, asking):
    """Nothing is evicted for a value that would find no room even then."""
    keys = small.dbsize()
    with pytest.raises(redis.RedisError, match="maxmemory"):
        small.set("stored", VALUE)
    assert small.dbsize() == keys and small.exists(*FILL) == len(FILL)


def test_who_asks_for_everything_again_and_again_takes_nothing_from_others(cluster, small):
    with contextlib.ExitStack() as stack:
        keys = [f"value{i}" for i in range(9)]
        for key in keys:
            small.set(key, VALUE)
        cut = count_cut(small)
        for i in range(20):
            s = stack.enter_context(cluster.socket())
            s.sendall(encode("MGET", *keys))
            wait_until(lambda: any(int(row["oll"]) > 5 for row in small.client_list()), "the replies wait")
            assert small.set(f"new{i}", VALUE * 2)
            s.close()
        assert count_cut(small) == cut
