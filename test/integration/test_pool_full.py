"""A pool filled several times over: it evicts, refuses nothing that fits, and its books agree
with what the nodes say they hold."""
import concurrent.futures
import itertools

from harness import measures_memory, noise, wait_until

MB = 1 << 20


BASE = noise(20 * MB)


def value(number, size):
    """SIZE bytes that differ between NUMBERs from the first on, without making them anew."""
    return number.to_bytes(8, "little") + BASE[number % 1000:number % 1000 + size - 8]


def pool_rows(client):
    """IC.POOL as a list of dicts."""
    rows = []
    for row in client.execute_command("IC.POOL"):
        rows.append({k.decode(): (v.decode() if isinstance(v, bytes) else v)
                     for k, v in zip(row[0::2], row[1::2])})
    return rows


def books_agree(client):
    """held = live + condemned + in flight, as the node reported it last, on every function."""
    return all(row["held"] == row["live"] + row["condemned"] + row["in_flight"]
               for row in pool_rows(client))


@measures_memory
def test_filled_three_times_over(new_cluster):
    cluster = new_cluster(functions=12, memory="128mb",
                          options={"lease": "100ms", "warm-interval": "500ms"})
    client = cluster.redis()
    capacity = sum(row["capacity"] for row in pool_rows(client))
    sizes = [12 * MB, 3 * MB, 300000, 19 * MB, 70000, 7 * MB]
    written, i = 0, 0
    while written * 1.2 < 3 * capacity:
        size = sizes[i % len(sizes)]
        assert client.set(f"k:{i}", value(i, size)), "a SET that fits is never refused"
        written += size
        i += 1
    stats = client.info("stats")
    assert stats["evicted_keys"] > 0
    present = 0
    for n in range(i):
        found = client.get(f"k:{n}")
        if found is not None:
            assert found == value(n, sizes[n % len(sizes)])
            present += 1
    assert present == client.dbsize() > 0
    wait_until(lambda: books_agree(client), "the books agree with the nodes")
    client.flushall()
    # DELETEs go out when a function is invoked next; a read of a new object invokes them all.
    for n in range(8):
        client.set(f"after:{n}", noise(2 * MB, n))
    client.flushall()
    client.set("last", noise(2 * MB))
    wait_until(lambda: books_agree(client), "the books agree after a flush")
    wait_until(lambda: client.get("last") == noise(2 * MB)
               and sum(r["live"] for r in pool_rows(client)) < 12 * MB, "what was flushed is free")


def write_and_read(client, name, rounds):
    """Values of many sizes, more than fit; what is there is right. Returns how many reads hit."""
    hits = 0
    for i in range(rounds):
        assert client.set(f"{name}:{i}", value(i, 20000 + 7919 * i % 200000))
        for back in (0, 1, 3, 20, 60):
            found = client.get(f"{name}:{max(0, i - back)}")
            assert found in (None, value(max(0, i - back), 20000 + 7919 * max(0, i - back) % 200000))
            hits += found is not None
    return hits


def test_the_policy_changes_under_load(new_cluster):
    """Writers that evict all the time, and CONFIG SET eviction from each policy to each other meanwhile."""
    cluster = new_cluster(functions=12, memory="128mb", options={"maxmemory": "12mb"})
    client = cluster.redis()
    policies = ["gdsf", "sieve", "s3fifo", "lru", "clock"]
    changes = itertools.cycle(itertools.permutations(policies, 2))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        work = [pool.submit(write_and_read, cluster.redis(), f"w{n}", 300) for n in range(4)]
        changed = 0
        while not all(w.done() for w in work):
            for policy in next(changes):
                assert client.config_set("eviction", policy)
                changed += 1
        hits = sum(w.result() for w in work)
    assert changed >= 40 and hits >= 1200
    assert client.info("stats")["evicted_keys"] > 500
    wait_until(lambda: books_agree(client), "the books agree with the nodes")


def test_what_fits_no_function_is_refused_at_once(new_cluster):
    cluster = new_cluster(functions=12, memory="128mb")
    client = cluster.redis()
    client.set("small", b"stays")
    with cluster.socket() as s:
        s.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$3221225472\r\n")
        reply = s.recv(1000)
        assert reply.startswith(b"-") and b"memory" in reply, "refused when its length is known"
    assert client.get("small") == b"stays"
