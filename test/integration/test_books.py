"""The proxy's books and the platform's bill are the same: to the millisecond where the bill was
reported, within the stated bound where it could not be."""
import contextlib
import os
import signal
import urllib.request

import pytest
import redis

from harness import alive, fields, noise, wait_until

KB, MB = 1 << 10, 1 << 20
OPTIONS = {"lease": "200ms", "warm-interval": "2s"}


# ---- helpers -----------------------------------------------------------------

def cost(client):
    """INFO's section cost."""
    return client.info("cost")


def asleep(cluster):
    return all(r["state"] != "busy" for r in cluster.instances())


def at_rest(cluster, client):
    """Warm-ups are off, no invocation runs: both books are closed. The two as a pair."""
    client.config_set("warm-interval", 0)
    seen = []

    def quiet():
        books, bill = cost(client), cluster.bill()
        seen[:] = [books, bill]
        agree = bill["invocations"] == books["invocations_total"] + books["unreported_invocations"]
        return books["outstanding_invocations"] == 0 and asleep(cluster) and agree
    try:
        wait_until(quiet, "the platform's invocations are those of the proxy")
    except AssertionError as error:
        raise AssertionError(f"{error}: {seen}") from error
    return tuple(seen)


def check_exact(books, bill):
    assert books["unreported_invocations"] == 0 and books["unreported_ms_max"] == 0
    assert books["invocations_total"] == bill["invocations"]
    assert books["billed_ms_total"] == bill["billed_ms"]


def check_bound(books, bill):
    assert books["billed_ms_total"] <= bill["billed_ms"]
    assert bill["billed_ms"] <= books["billed_ms_total"] + books["unreported_ms_max"]


def work(client, rounds=3):
    for i in range(rounds):
        for size in (0, 100, 100 * KB, 2 * MB):
            client.set(f"k{size}", noise(size, i))
            assert client.get(f"k{size}") == noise(size, i)


# ---- the books agree ---------------------------------------------------------

def test_a_mixed_run(new_cluster):
    c = new_cluster(options=OPTIONS)
    client = c.redis()
    work(client)
    wait_until(lambda: cost(client)["billed_ms_warm"] > 0, "a warm-up was billed")
    c.reclaim(share=0.2, seed=3)
    with contextlib.suppress(redis.exceptions.ResponseError):
        work(client)
    books, bill = at_rest(c, client)
    check_exact(books, bill)
    assert books["billed_ms_serve"] > 0
    assert books["billed_ms_total"] == sum(books[f"billed_ms_{cause}"] for cause in
                                           ("serve", "warm", "backup", "repair"))
    by_function = {row["function"]: row for row in
                   map(fields, client.execute_command("IC.COST", "FUNCTIONS"))}
    for name, there in bill["functions"].items():
        assert by_function[name]["invocations"] == there["invocations"], name
        assert by_function[name]["billed_ms"] == there["billed_ms"], name
    assert sum(fields(row)["billed_ms"] for row in client.execute_command("IC.COST", "HOUR")) \
        == books["billed_ms_total"]


def test_functions_that_time_out(new_cluster):
    """SIGSTOP keeps a node from leaving: the platform ends the invocation at its timeout."""
    c = new_cluster(options={**OPTIONS, "function-timeout": "20s", "node-timeout": "1s",
                             "warm-interval": "0s"})
    client = c.redis()
    client.set("k", noise(2 * MB))
    client.config_set("lease", "10s")
    assert client.get("k") == noise(2 * MB)
    busy = [r for r in c.instances() if r["state"] == "busy"]
    assert busy
    os.kill(busy[0]["pid"], signal.SIGSTOP)
    client.config_set("lease", "200ms")
    assert client.get("k") == noise(2 * MB)
    wait_until(lambda: client.info("pool")["pool_crashes"] > 0, "the time-out was reported")
    books, bill = at_rest(c, client)
    check_exact(books, bill)
    assert books["billed_ms_total"] >= 19000


def test_instances_that_are_killed(new_cluster):
    c = new_cluster(options={**OPTIONS, "lease": "2s"})
    client = c.redis()
    work(client, 1)
    for seed in range(3):
        client.set("k", noise(4 * MB, seed))
        busy = [r["pid"] for r in c.instances() if r["state"] == "busy"]
        assert busy
        os.kill(busy[seed % len(busy)], signal.SIGKILL)
        assert client.get("k") == noise(4 * MB, seed)
    client.config_set("lease", "200ms")
    books, bill = at_rest(c, client)
    assert client.info("pool")["pool_crashes"] > 0
    check_exact(books, bill)


def test_a_proxy_that_is_killed(new_cluster):
    c = new_cluster(options={**OPTIONS, "lease": "1s"})
    client = c.redis()
    work(client)
    before = cost(client)
    assert before["billed_ms_total"] > 0
    for seed in range(2):
        wait_until(lambda: asleep(c), "no node is active, so that this life invokes its own")
        client.set("k", noise(2 * MB, seed))
        assert cost(client)["outstanding_invocations"] > 0
        assert cost(client)["dollars_outstanding"] > 0
        spent = cost(client)
        c.kill("proxy")
        c.up()
        client = c.redis()
        after = cost(client)
        assert after["billed_ms_total"] >= spent["billed_ms_total"]
        assert after["invocations_total"] >= spent["invocations_total"]
        assert after["dollars_total"] >= spent["dollars_total"]
        assert after["unreported_invocations"] > spent["unreported_invocations"]
        assert client.get("k") == noise(2 * MB, seed)
    client.config_set("lease", "200ms")
    books, bill = at_rest(c, client)
    assert books["unreported_invocations"] > 0
    check_bound(books, bill)
    assert books["dollars_per_hour"] == pytest.approx(books["dollars_total"])


def test_a_proxy_that_is_stopped(new_cluster):
    """It waits for the answers of the nodes it sends home: nothing is left unreported."""
    c = new_cluster(options={**OPTIONS, "lease": "2s"})
    client = c.redis()
    client.set("k", noise(2 * MB))
    pid = c.kill("proxy", signal.SIGTERM)
    wait_until(lambda: not alive(pid), "the proxy has stopped")
    c.up()
    client = c.redis()
    assert client.get("k") == noise(2 * MB)
    client.config_set("lease", "200ms")
    books, bill = at_rest(c, client)
    check_exact(books, bill)


# ---- what requests cost ------------------------------------------------------

def test_the_slow_log_knows_the_cost(new_cluster):
    c = new_cluster(options={"lease": "300ms", "warm-interval": "0s", "slowlog-max-len": "1000"})
    client = c.redis()
    client.config_set("slowlog-log-slower-than", 0)
    client.slowlog_reset()
    start = cost(client)["dollars_serve"]
    for i in range(5):
        client.set("k", noise(2 * MB, i))
        assert client.get("k") == noise(2 * MB, i)
    with client.pipeline() as pipe:  # a transaction's values cost too
        pipe.set("t", noise(2 * MB)).get("t").execute()
    books, _ = at_rest(c, client)
    rows = [{name.decode(): value for name, value in zip(row[::2], row[1::2])}
            for row in client.execute_command("IC.COST", "SLOWLOG", -1)]
    costs = {}
    for row in rows:
        costs.setdefault(row["command"][0].upper(), []).append(float(row["dollars"]))
    assert len(costs[b"SET"]) == 6 and len(costs[b"GET"]) == 6
    assert max(costs[b"SET"]) > 0 and sum(costs[b"GET"]) > 0
    assert costs[b"CONFIG"] == [0.0] * len(costs[b"CONFIG"])
    # Rounded durations, and nodes that leave a little late: about what serving cost.
    total = sum(map(sum, costs.values()))
    assert 0.5 * (books["dollars_serve"] - start) < total < 1.5 * (books["dollars_serve"] - start)
    # The same entries as SLOWLOG's, which are as long as Redis's.
    same = {row[0]: row for row in raw_slowlog(c)}
    assert all(len(row) == 6 for row in same.values())
    assert all(same[row["id"]][1:4] == [row["time"], row["microseconds"], row["command"]]
               for row in rows)
    assert len(client.execute_command("IC.COST", "SLOWLOG", 3)) == 3


def raw_slowlog(cluster):
    """SLOWLOG GET -1 as it comes, without redis-py's own parser."""
    client = cluster.redis()
    client.response_callbacks.pop("SLOWLOG GET", None)
    return client.execute_command("SLOWLOG GET", -1)


def test_a_slow_client_shows_in_the_slow_log(new_cluster):
    """The entry of a GET is made when its value has gone out, not when its handler returned."""
    c = new_cluster(options={"warm-interval": "0s", "min-read-rate": "0"})
    client = c.redis()
    size = 16 * MB
    client.set("k", noise(size))
    client.slowlog_reset()
    client.config_set("slowlog-log-slower-than", 0)
    with c.socket() as slow:
        slow.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
        assert slow.recv(4) == b"$167"
        rows = raw_slowlog(c)
        assert not [r for r in rows if r[3][0] == b"GET"], "it is still being sent"
        left = len(f"${size}\r\n") + size + 2 - 4
        while left > 0:
            left -= len(slow.recv(MB))
        wait_until(lambda: [r for r in raw_slowlog(c) if r[3][0] == b"GET"], "its entry is there")


def test_what_a_get_would_cost(new_cluster):
    c = new_cluster(options={"lease": "100ms", "warm-interval": "0s"})
    client = c.redis()
    client.set("large", noise(5 * MB))
    client.set("small", b"v")
    client.set("empty", b"")
    at_rest(c, client)
    large, small, empty = (fields(client.execute_command("IC.COST", "KEY", key))
                           for key in ("large", "small", "empty"))
    assert (large["invocations_asleep"], small["invocations_asleep"]) == (10, 1)
    assert large["invocations_now"] == 10 and large["dollars_now"] == large["dollars_asleep"]
    assert float(large["dollars_asleep"]) == pytest.approx(10 * float(small["dollars_asleep"]))
    assert empty["invocations_asleep"] == 0 and float(empty["dollars_asleep"]) == 0
    client.config_set("lease", "60s")

    def read():  # a node that was late has left again without having been asked
        assert client.get("large") == noise(5 * MB)
        return fields(client.execute_command("IC.COST", "KEY", "large"))

    awake = wait_until(lambda: (lambda cost: cost["invocations_now"] == 0 and cost)(read()), "they stay awake")
    assert float(awake["dollars_now"]) < float(awake["dollars_asleep"])
    assert client.execute_command("IC.COST", "KEY", "none") is None


# ---- where it shows ----------------------------------------------------------

def test_ic_cost_and_metrics(new_cluster):
    c = new_cluster(options=OPTIONS)
    client = c.redis()
    work(client, 1)
    at_rest(c, client)

    def both():  # the last words of a node that has left may still be on their way
        info, shown = cost(client), fields(client.execute_command("IC.COST"))
        return cost(client) == info and (info, shown)
    info, shown = wait_until(both, "nothing changes between two looks")
    assert info["outstanding_ms"] == info["dollars_outstanding"] == 0
    assert set(shown["causes"]) == {"serve", "warm", "backup", "repair", "transfer"}
    assert shown["causes"]["serve"]["billed_ms"] == info["billed_ms_serve"]
    for name, value in info.items():
        if name not in ("cost_hours",) and not name.endswith("_dollars"):
            assert type(value)(shown[name]) == pytest.approx(value, abs=1e-9), name
    assert info["transfer_sent_bytes"] > 2 * MB and info["transfer_received_bytes"] > 2 * MB
    assert info["dollars_transfer"] == 0
    assert shown["elasticache_node"] == "t4g.micro"
    assert info["dollars_per_get"] == pytest.approx(info["dollars_total"] / 4)
    with urllib.request.urlopen(f"http://127.0.0.1:{c.http_port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    for name in ("billed_ms_total", "billed_ms_serve", "billed_ms_warm", "billed_ms_backup",
                 "billed_ms_repair", "unreported_invocations", "invocations_total"):
        assert int(values[f"infinicache_{name}"]) == info[name], name
    assert float(values["infinicache_dollars_total"]) == pytest.approx(info["dollars_total"])
    assert values["infinicache_budget_level"] == "0"
    assert sum(int(v) for k, v in values.items() if k.startswith("infinicache_function_billed_ms")) \
        == info["billed_ms_total"]
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    resp3 = redis.Redis(port=c.port, protocol=3).execute_command("IC.COST") \
        if redis.VERSION[0] >= 5 else None
    assert resp3 is None or resp3[b"billed_ms_total"] == info["billed_ms_total"]


# ---- budget ------------------------------------------------------------------

def test_budget(new_cluster):
    c = new_cluster(options={"lease": "100ms", "warm-interval": "1s"})
    client = c.redis()
    client.set("old", noise(100 * KB))
    assert cost(client)["budget_level"] == "open"
    client.config_set("budget-per-hour", "0.0000001")
    wait_until(lambda: cost(client)["budget_level"] == "no-new-keys", "it is spent")
    at_rest_warm = lambda: client.info("pool")["pool_invocations_warm"]
    before = at_rest_warm()
    with pytest.raises(redis.exceptions.ResponseError, match="budget.*budget-per-hour"):
        client.set("new", noise(100 * KB))
    with pytest.raises(redis.exceptions.ResponseError, match="budget"):
        client.mset({"old": b"1", "new": b"2"})
    assert client.exists("new") == 0
    assert client.set("old", noise(100 * KB, 2))
    assert client.get("old") == noise(100 * KB, 2)
    # Whole intervals go by, seen at a function that the platform forgets and nobody wakes.
    start = client.info("server")["uptime_in_seconds"]
    wait_until(lambda: client.info("server")["uptime_in_seconds"] >= start + 4, "four intervals")
    assert at_rest_warm() == before
    assert client.delete("old") == 1
    client.config_set("budget-per-hour", "1000")
    wait_until(lambda: at_rest_warm() > before, "warm-ups go on")
    assert client.set("new", b"v") and cost(client)["budget_level"] == "open"
