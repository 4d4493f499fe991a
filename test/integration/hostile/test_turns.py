"""What one client asks for keeps nobody else waiting, however much it is. Nothing is timed: what is
compared is the processor's time that the proxy took, and what a bystander was answered meanwhile."""
import select
import signal
import threading
import time

import pytest
import redis

from harness import wait_until
from resp_wire import encode


@pytest.fixture(autouse=True)
def unharmed(cluster):
    pid = cluster.pid_of("proxy")
    yield
    assert cluster.pid_of("proxy") == pid


def ask(s, *requests):
    """Sends all of them, reads until the last one's reply is there, and returns what came."""
    end = b"$4\r\nlast\r\n"
    sender = threading.Thread(target=s.sendall, args=(b"".join(requests) + encode("ECHO", "last"),))
    sender.start()
    came = bytearray()
    while not came.endswith(end):
        more = s.recv(1 << 20)
        assert more, bytes(came[-200:])
        came += more
    sender.join()
    return bytes(came[:-len(end)])


def cpu_seconds(client):
    """Of the proxy, so far."""
    cpu = client.info("cpu")
    return cpu["used_cpu_sys"] + cpu["used_cpu_user"]


def test_a_watch_of_many_keys_costs_what_one_of_few_does(cluster):
    client, cost = cluster.redis(), {}
    for count in (2000, 40_000):
        requests = [encode("WATCH", f"key{i}") for i in range(count)]
        with cluster.socket() as s:
            before = cpu_seconds(client)
            assert ask(s, *requests) == b"+OK\r\n" * count
            cost[count] = (cpu_seconds(client) - before) / count
    assert cost[40_000] < 5 * cost[2000], cost


@pytest.fixture
def small_turns(cluster):
    """Turns of little work, so that what is long for a turn is short for a test."""
    client = cluster.redis()
    before = client.config_get("turn-work")["turn-work"]
    client.config_set("turn-work", 100)
    yield
    client.config_set("turn-work", before)


def turns_of(cluster, *requests):
    """Turns of the loop that the last of REQUESTS takes, and its reply."""
    client = cluster.redis()
    with cluster.socket() as s:
        ask(s, *requests[:-1])
        before = client.info("stats")["eventloop_cycles"]
        reply = ask(s, requests[-1])
        return client.info("stats")["eventloop_cycles"] - before, reply


def pings_meanwhile(cluster, request, reply_end):
    """PINGs of a bystander that are answered between REQUEST and the end of its reply."""
    count, came = 0, bytearray()
    with cluster.socket() as heavy, cluster.socket() as bystander:
        for s in (heavy, bystander):
            assert ask(s) == b""
        heavy.sendall(request)
        while not came.endswith(reply_end):
            bystander.sendall(b"PING\r\n")
            assert bystander.recv(7) == b"+PONG\r\n"
            count += 1
            if select.select([heavy], [], [], 0)[0]:
                came += heavy.recv(1 << 20)
    return count


def many_keys(cluster, prefix, count):
    client = cluster.redis()
    client.set("one", "")
    with cluster.socket() as s:
        ask(s, *(encode("COPY", "one", f"{prefix}{i}") for i in range(count)))
    return {f"{prefix}{i}".encode() for i in range(count)}


@pytest.mark.parametrize("request_args", [("KEYS", "no*such*key"), ("SCAN", 0, "COUNT", 1_000_000, "MATCH", "no*such")])
def test_a_walk_over_all_keys_lets_others_go_on(cluster, small_turns, request_args):
    many_keys(cluster, "walked", 20_000)
    request, end = encode(*request_args), b"*0\r\n"
    turns, reply = turns_of(cluster, request)
    assert turns > 500 and reply.endswith(end)
    wait_until(lambda: pings_meanwhile(cluster, request, end) > 10, "others go on meanwhile")


def test_keys_shows_once_what_is_there_throughout(cluster, small_turns):
    """While others add and remove keys, and the table grows."""
    there = many_keys(cluster, "stays", 5000)
    with cluster.socket() as walker, cluster.socket() as other:
        for i in range(5):
            walker.sendall(encode("KEYS", "stays*"))
            ask(other, *(encode("COPY", "one", f"new{i}-{k}") for k in range(5000)))
            ask(other, *(encode("DEL", f"new{i - 1}-{k}") for k in range(5000)))
            lines = ask(walker).split(b"\r\n")
            found = lines[2::2]
            assert lines[0] == b"*5000" and len(found) == 5000 and set(found) == there


def test_a_table_that_a_walk_kept_large_gets_small_after_it(cluster, small_turns):
    client, little = cluster.redis(), 200_000  # bytes: the buckets of 20,000 keys are more

    def is_small():
        return client.info("memory")["ic_catalog_bytes"] < little

    client.flushall()
    wait_until(is_small, "what was there is gone")
    keys = many_keys(cluster, "short", 20_000)
    with cluster.socket() as walker, cluster.socket() as other:
        walker.sendall(encode("KEYS", "no*such*key") * 2)
        assert ask(other, encode("DEL", *keys)) == b":20000\r\n"
        assert ask(walker) == b"*0\r\n" * 2
    wait_until(is_small, "nothing of it is left")


def test_a_walk_ends_with_its_client_and_with_the_keys(cluster, small_turns):
    client = cluster.redis()
    many_keys(cluster, "gone", 20_000)
    with cluster.socket() as s:
        s.sendall(encode("CLIENT", "SETNAME", "walker") + encode("KEYS", "*"))
        wait_until(lambda: any(c["name"] == "walker" for c in client.client_list()), "it walks")
        client.execute_command("CLIENT", "KILL", "ID", next(c["id"] for c in client.client_list() if c["name"] == "walker"))
    with cluster.socket() as s:
        s.sendall(encode("KEYS", "x*x"))
        client.flushall()
        assert ask(s) == b"*0\r\n"
    assert client.keys("*") == []


MANY_ARGUMENTS = [
    ("COMMAND", "INFO", *["get"] * 1000),
    ("COMMAND", "DOCS", *["get", "no such command"] * 500),
    ("CLIENT", "LIST", "ID", *range(100_000, 101_000)),
    ("LATENCY", "HISTOGRAM", *["select", "get"] * 500),
]


@pytest.mark.parametrize("words", MANY_ARGUMENTS, ids=lambda words: " ".join(words[:2]))
def test_many_arguments_are_gone_through_in_many_turns(cluster, words):
    client = cluster.redis()
    before = client.config_get("turn-work")["turn-work"]
    with cluster.socket() as s:
        ask(s, encode("SELECT", 0))
        client.config_set("turn-work", 1_000_000)
        at_once, in_one = turns_of(cluster, encode(*words))
        client.config_set("turn-work", 100)
        turns, reply = turns_of(cluster, encode(*words))
    client.config_set("turn-work", before)
    assert reply == in_one and at_once < 50 < 100 < turns


MANY_KEYS = [f"many{i}" for i in range(1000)]


def exec_of(commands):
    return encode("MULTI") + b"".join(commands) + encode("EXEC")


@pytest.mark.parametrize("words", [("EXISTS", *MANY_KEYS), ("TOUCH", *MANY_KEYS), ("MGET", *MANY_KEYS),
                                   ("WATCH", *MANY_KEYS), ("DEL", *MANY_KEYS)], ids=lambda words: words[0])
def test_many_keys_take_many_turns(cluster, small_turns, words):
    many_keys(cluster, "many", 1000)
    turns, reply = turns_of(cluster, encode(*words))
    assert turns > 15
    assert reply == {"MGET": b"*1000\r\n" + b"$0\r\n\r\n" * 1000, "WATCH": b"+OK\r\n"}.get(words[0], b":1000\r\n")


def test_keys_that_are_not_there_take_turns_too(cluster, small_turns):
    turns, reply = turns_of(cluster, encode("DEL", *[f"none{i}" for i in range(5000)]))
    assert turns > 50 and reply == b":0\r\n"


BRIEF_KEYS = [f"brief{i}" for i in range(2000)]


@pytest.mark.parametrize("looks,units", [([encode("EXISTS", *BRIEF_KEYS)], 4000), ([encode("RANDOMKEY")] * 20, 1200)],
                         ids=["EXISTS", "RANDOMKEY"])
def test_a_key_that_has_expired_is_removed_by_who_looks(cluster, looks, units):
    """Which is more work than to look, and counts as such."""
    client = cluster.redis()
    client.flushall()
    with cluster.socket() as s:
        ask(s, *(encode("SET", key, "", "PX", 3000) for key in BRIEF_KEYS))
        cluster.kill("proxy", signal.SIGSTOP) # before the first has expired, and been removed
        until = time.time() + 3
        wait_until(lambda: time.time() > until, "they have expired")
        s.sendall(encode("CONFIG", "RESETSTAT") + b"".join(looks))
        cluster.kill("proxy", signal.SIGCONT)
        ask(s)
    assert client.info("stats")["ic_turn_work_max"] > units


def test_a_long_text_takes_many_turns(cluster, small_turns):
    client, text = cluster.redis(), b"t" * (20 << 20)
    for command in ("ECHO", "PING"):
        client.config_resetstat()
        with cluster.socket() as s:
            assert ask(s, encode(command, text)) == b"$%d\r\n" % len(text) + text + b"\r\n"
        assert client.info("stats")["ic_turn_work_max"] < 2000


def test_what_is_no_command_takes_turns_too(cluster, small_turns):
    """It is parsed."""
    client, crowd = cluster.redis(), [cluster.socket() for _ in range(40)]
    before = client.info("stats")
    cluster.kill("proxy", signal.SIGSTOP)
    for s in crowd:
        s.sendall(b"\r\n" * 30_000)
    cluster.kill("proxy", signal.SIGCONT)
    for s in crowd:
        assert ask(s) == b""
        s.close()
    after = client.info("stats")
    assert after["total_net_input_bytes"] - before["total_net_input_bytes"] > 40 * 60_000
    assert after["eventloop_cycles"] - before["eventloop_cycles"] > 75


def test_a_long_transaction_takes_many_turns(cluster, small_turns):
    many_keys(cluster, "many", 1)
    pings = [encode("PING")] * 2000
    copies = [encode("COPY", "many0", f"copy{i}") for i in range(2000)]
    queued, _ = turns_of(cluster, encode("MULTI") + b"".join(pings) + encode("DISCARD"))
    turns, reply = turns_of(cluster, exec_of(copies))
    assert reply == b"+OK\r\n" + b"+QUEUED\r\n" * 2000 + b"*2000\r\n" + b":1\r\n" * 2000
    assert turns > queued + 50


@pytest.mark.parametrize("request_args", [encode("MGET", *MANY_KEYS[:300]), encode("DEL", *MANY_KEYS[:300]),
                                          exec_of([encode("EXISTS", "many0")] * 300), encode("INFO", "everything"),
                                          encode("COMMAND", "DOCS"), encode("LATENCY", "HISTOGRAM")],
                         ids=["MGET", "DEL", "EXEC", "INFO", "COMMAND", "LATENCY"])
def test_many_clients_with_a_long_command_each_share_the_turns(cluster, small_turns, request_args):
    """All of them ask in the same moment."""
    many_keys(cluster, "many", 300)
    client, crowd = cluster.redis(), [cluster.socket() for _ in range(100)]
    client.config_set("turn-work", 1000)
    before = client.info("stats")["total_net_input_bytes"]
    for s in crowd:
        s.sendall(request_args[:-1])
    wait_until(lambda: client.info("stats")["total_net_input_bytes"] - before > 100 * (len(request_args) - 1), "all have come")
    end_at_once(cluster, crowd, request_args[-1:])
    assert 500 <= client.info("stats")["ic_turn_work_max"] < 2500  # what goes alone has a half


def end_at_once(cluster, crowd, last, after=b""):
    """Each of CROWD sends LAST, which the proxy sees in one moment, and is answered."""
    cluster.redis().config_resetstat()
    cluster.kill("proxy", signal.SIGSTOP)
    for s in crowd:
        s.sendall(last)
    cluster.kill("proxy", signal.SIGCONT)
    for s in crowd:
        ask(s, after)
        s.close()


class Pingers:
    """Some clients that pipeline PINGs and use up each turn, between `with` and its end."""

    def __init__(self, cluster, count):
        self.sockets, self.over = [cluster.socket() for _ in range(count)], threading.Event()
        self.threads = [threading.Thread(target=act, args=(s,)) for s in self.sockets for act in (self.send, self.read)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def send(self, s):
        while not self.over.is_set():
            s.sendall(encode("PING") * 5000)
        s.sendall(encode("QUIT"))

    @staticmethod
    def read(s):
        while s.recv(1 << 20):
            pass
        s.close()


@pytest.mark.parametrize("before,answer,after", [([], b"+OK\r\n", []), ([encode("MULTI")], b"+QUEUED\r\n", [encode("EXEC")])],
                         ids=["alone", "MULTI"])
def test_pipelined_sets_share_turns(cluster, before, answer, after):
    """Their values are on their way together, and none waits for a turn of its own."""
    client, count = cluster.redis(), 400
    sets = [encode("SET", f"piped{i}", f"value{i}") for i in range(count)]
    with cluster.socket() as s, Pingers(cluster, 3):
        cycles = client.info("stats")["eventloop_cycles"]
        said = ask(s, *before, *sets, *after)
        cycles = client.info("stats")["eventloop_cycles"] - cycles
    assert said.count(answer) >= count and b"-" not in said
    assert cycles < count / 2
    assert client.mget([f"piped{i}" for i in range(count)]) == [b"value%d" % i for i in range(count)]


@pytest.mark.parametrize("before,after", [("PING", "PING"), ("MULTI", "DISCARD")], ids=["executed", "queued"])
def test_requests_of_many_arguments_that_end_at_once_share_the_turns(cluster, small_turns, before, after):
    """Arguments are taken when all of them have come: 32 are a unit."""
    client, crowd, request = cluster.redis(), [cluster.socket() for _ in range(20)], encode("EXISTS", *["a"] * 64_000)
    client.config_set("turn-work", 1000)
    came = client.info("stats")["total_net_input_bytes"]
    for s in crowd:
        s.sendall(encode(before) + request[:-1])
    wait_until(lambda: client.info("stats")["total_net_input_bytes"] - came > 20 * (len(request) - 1), "all have come")
    end_at_once(cluster, crowd, request[-1:], encode(after))
    assert 2000 <= client.info("stats")["ic_turn_work_max"] < 5000  # one begins when the turn is not used up


@pytest.mark.parametrize("report", [("IC.POOL",), ("IC.COST", "FUNCTIONS"), ("IC.REPAIR",)], ids=" ".join)
def test_what_tells_of_the_functions_is_as_much_work_as_they_are(cluster, report):
    client = cluster.redis()
    client.config_resetstat()
    client.execute_command(*report)
    assert client.info("stats")["ic_turn_work_max"] >= 300 + 4 * 14


@pytest.mark.parametrize("report", [("COMMAND", "INFO"), ("COMMAND", "DOCS"), ("LATENCY", "HISTOGRAM")], ids=" ".join)
def test_what_tells_of_subcommands_is_as_much_work_as_they_are(cluster, report):
    client = cluster.redis()
    client.config_resetstat()
    with cluster.socket() as s:
        for name in ("ID", "INFO", "GETNAME", "LIST", "HELP"):
            ask(s, encode("CLIENT", name))
        ask(s, encode(*report, *["client"] * 30))  # of five or more subcommands
    assert client.info("stats")["ic_turn_work_max"] >= 30 * 5 * 8


def test_what_waits_for_the_disk_is_a_turn_of_its_own(cluster):
    sets = [encode("CONFIG", "SET", "appendfsync", "always"), encode("CONFIG", "SET", "appendfsync", "everysec")] * 10
    turns, reply = turns_of(cluster, b"".join(sets))
    assert turns >= 20 and reply == b"+OK\r\n" * 20


ENOUGH = b"-ERR the transaction has taken too much work, see turn-work\r\n"


@pytest.mark.parametrize("walk", [("KEYS", "no*such*key"), ("SCAN", 0, "COUNT", 1_000_000, "MATCH", "no*such"), ("INFO",)],
                         ids=lambda walk: walk[0])
def test_what_a_transaction_looks_at_is_bounded(cluster, small_turns, walk):
    """Others wait for the keys. What changes them is done all the same."""
    cluster.redis().flushall()
    many_keys(cluster, "walked", 5000)
    with cluster.socket() as s:
        said = ask(s, encode("MULTI"), encode("RENAME", "walked0", "first"), *[encode(*walk)] * 5000,
                   encode("RENAME", "walked1", "last"), encode("EXEC"))
    said = said[said.index(b"*5002\r\n"):]
    assert 100 < said.count(ENOUGH) < 4999 and said.endswith(ENOUGH + b"+OK\r\n")
    assert cluster.redis().exists("first", "last") == 2


def test_what_a_transaction_is_refused_takes_turns_too(cluster, small_turns):
    cluster.redis().flushall()
    turns, reply = turns_of(cluster, exec_of([encode("PING")] * 60_000))
    assert reply.count(ENOUGH) > 30_000 and reply.endswith(ENOUGH)
    queued, _ = turns_of(cluster, encode("MULTI") + encode("PING") * 60_000 + encode("DISCARD"))
    assert turns - queued > 1000


def test_nobody_sees_half_of_what_takes_many_turns(cluster, small_turns):
    client = cluster.redis()
    client.mset({"source": "v"})
    names = [f"half{i}" for i in range(500)]
    there = exec_of(encode("COPY", "source", name) for name in names)
    gone = encode("DEL", *names)
    seen = []

    def write():
        with cluster.socket() as s:
            for _ in range(8):
                ask(s, there)
                ask(s, gone)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        seen.append(client.exists(*names))
    writer.join()
    assert set(seen) <= {0, 500} and len(seen) > 2, set(seen)


def test_a_transaction_whose_client_is_killed_is_done_or_not(cluster, small_turns):
    client = cluster.redis()
    client.set("source", "v")
    names = [f"left{i}" for i in range(500)]
    found = []
    for _ in range(10):
        with cluster.socket() as s:
            number = ask(s, encode("CLIENT", "ID"))[1:-2]
            s.sendall(exec_of(encode("COPY", "source", name) for name in names))
            client.execute_command("CLIENT", "KILL", "ID", number)
        found.append(client.exists(*names))
        client.delete(*names)
    assert set(found) <= {0, 500}, found


def test_a_client_that_leaves_much_behind(cluster, small_turns):
    """Watches and a queue are freed in turns to come."""
    client = cluster.redis()
    before = client.info("memory")["used_memory"]
    for requests in (encode("WATCH", *(f"w{i}" for i in range(30_000))), encode("MULTI") + encode("PING") * 30_000):
        with cluster.socket() as s:
            s.sendall(requests)
            wait_until(lambda: client.info("memory")["mem_clients_normal"] > 1_000_000, "it takes memory")
    wait_until(lambda: client.info("memory")["mem_clients_normal"] < 500_000, "it is charged to nobody")
    wait_until(lambda: client.info("memory")["used_memory"] < before + 1_000_000, "it is freed")


@pytest.mark.parametrize("end", ["DISCARD", "MSETNX"])
def test_values_that_come_to_nothing_are_dropped_in_many_turns(cluster, end):
    """A transaction that is given up, and a command that stores none of them."""
    client, count = cluster.redis(), 40_000
    client.set("v0", "there already")
    stored = encode("MSETNX", *(word for i in range(count) for word in (f"v{i}", "v")))
    with cluster.socket() as s:
        requests = encode("MULTI") + stored + encode("DISCARD") if end == "DISCARD" else stored
        s.sendall(requests[:-1])
        wait_until(lambda: client.info("pool")["drafts"] == count, "all but the last byte has come")
        said = ask(s, requests[-1:], encode("INFO", "pool"))
        assert said.startswith(b"+OK\r\n+QUEUED\r\n+OK\r\n" if end == "DISCARD" else b":0\r\n")
        left = int(said.split(b"\r\ndrafts:")[1].split(b"\r")[0])
        assert 0 < left <= count  # not all of them; none, if the turn was used up
        wait_until(lambda: client.info("pool")["drafts"] == 0, "they are dropped")


def drafts_in(said):
    return int(said.split(b"\r\ndrafts:")[1].split(b"\r")[0])


def upload(cluster, s, request, count):
    """All but the last argument of REQUEST has come, and what came are COUNT drafts."""
    s.sendall(request[:request.rindex(b"$")])
    wait_until(lambda: cluster.redis().info("pool")["drafts"] == count, "they are drafts")


@pytest.mark.parametrize("end", ["close", "kill", "refuse"])
def test_values_whose_request_does_not_end_are_dropped_in_many_turns(cluster, end):
    client, count = cluster.redis(), 40_000
    request = encode("MSET", *(word for i in range(count + 1) for word in (f"v{i}", "")))
    with cluster.socket() as s, cluster.socket() as other:
        number = ask(s, encode("CLIENT", "ID"))[1:-2]
        upload(cluster, s, request, count)
        if end == "refuse":
            client.config_set("client-query-buffer-limit", "1mb")
            said = ask(s, request[request.rindex(b"$"):], encode("INFO", "pool"))
            client.config_set("client-query-buffer-limit", "128mb")
            assert b"-ERR the request takes more memory than client-query-buffer-limit" in said
        elif end == "kill":
            said = ask(other, encode("CLIENT", "KILL", "ID", number), encode("INFO", "pool"))
            assert said.startswith(b":1\r\n")
        else:
            s.close()
            said = ask(other, encode("INFO", "pool"))
            while drafts_in(said) == count:
                said = ask(other, encode("INFO", "pool"))
        assert 0 < drafts_in(said) < count
        wait_until(lambda: client.info("pool")["drafts"] == 0, "they are dropped")


def test_clients_that_end_at_once_share_the_turns(cluster):
    """Each of them leaves as much as a turn takes, and 50 could be ended in one."""
    client, clients, count = cluster.redis(), 50, 1500
    request = encode("MSET", *(word for i in range(count + 1) for word in (f"v{i}", "")))
    crowd = [cluster.socket() for _ in range(clients)]
    for i, s in enumerate(crowd, 1):
        upload(cluster, s, request, i * count)
    with cluster.socket() as other:
        before = client.info("stats")["eventloop_cycles"]
        ask(other, encode("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
        wait_until(lambda: client.info("pool")["drafts"] == 0, "they are dropped")
        assert client.info("stats")["eventloop_cycles"] - before > clients * count / 20_000 # twice turn-work, of drafts
    for s in crowd:
        s.close()


@pytest.mark.parametrize("last", [b"QUIT\r\n", b"*1\r\n$x\r\n", b"POST x\r\n"], ids=["quit", "error", "http"])
def test_clients_that_say_their_last_at_once_share_the_turns(cluster, small_turns, last):
    client, clients = cluster.redis(), 300
    crowd = [cluster.socket() for _ in range(clients)]
    for s in crowd:
        assert ask(s) == b""
    client.config_resetstat()
    cluster.kill("proxy", signal.SIGSTOP)
    for s in crowd:
        s.sendall(last)
    cluster.kill("proxy", signal.SIGCONT)
    for s in crowd:
        while s.recv(1000):
            pass
        s.close()
    assert client.info("stats")["ic_turn_work_max"] < 10 * clients, "one that ends is 40 units"


def test_a_request_of_many_small_values_takes_little_memory(cluster):
    client, count = cluster.redis(), 20_000
    client.config_set("client-query-buffer-limit", "8mb")
    assert client.mset({f"v{i}": "" for i in range(count)})
    client.config_set("client-query-buffer-limit", "128mb")
    assert client.delete(*(f"v{i}" for i in range(count))) == count


def clients_of(cluster, name, count):
    sockets = [cluster.socket() for _ in range(count)]
    for i, s in enumerate(sockets):
        assert ask(s, encode("CLIENT", "SETNAME", f"{name}{i}")) == b"+OK\r\n"
    return sockets


def test_clients_are_listed_and_ended_in_many_turns(cluster, small_turns):
    crowd = clients_of(cluster, "crowd", 300)
    names = {f"crowd{i}" for i in range(300)}
    turns, reply = turns_of(cluster, encode("CLIENT", "LIST"))
    listed = [line.split(b" name=")[1].split(b" ")[0].decode() for line in reply.split(b"\n") if b" name=" in line]
    assert turns > 20 and names <= set(listed) and len(listed) == len(set(listed) - {""}) + listed.count("")
    with cluster.socket() as killer:
        assert ask(killer, encode("CLIENT", "KILL", "TYPE", "normal")).startswith(b":30")
        for s in crowd:
            assert s.recv(1) == b""


def test_a_client_is_found_by_its_id_at_once(cluster):
    """However many there are, and however often."""
    client, cost = cluster.redis(), {}
    for count in (10, 600):
        crowd = clients_of(cluster, "found", count)
        with cluster.socket() as s:
            before = cpu_seconds(client)
            assert ask(s, *[encode("CLIENT", "KILL", "ID", 1 << 40)] * 20_000) == b":0\r\n" * 20_000
            cost[count] = cpu_seconds(client) - before
        for s in crowd:
            s.close()
    assert cost[600] < 3 * cost[10], cost


PATTERN_ERROR = r"matching the pattern takes more than \d+ steps"


@pytest.mark.parametrize("pattern", [
    "*[" + "b" * 60_000 + "]",  # each of the key's bytes is compared with each of the class's
    "*[" + "b" * 3_000_000,
    "*" + ("a" * 9_999 + "[^a]"),  # nearly a match at each of the key's bytes
    "*" * 3_000_000,
], ids=["class", "open", "near misses", "stars"])
def test_a_pattern_that_is_hard_to_match_is_refused(cluster, pattern):
    client = cluster.redis()
    client.set("a" * 60_000, b"v")
    for words in (["KEYS", pattern], ["SCAN", 0, "MATCH", pattern, "COUNT", 100_000],
                  ["CONFIG", "GET", *[pattern] * 20],
                  ["COMMAND", "LIST", "FILTERBY", "PATTERN", pattern[:2] + pattern]):
        if words[0] in ("CONFIG", "COMMAND") and len(pattern) < 100_000:
            continue  # names are short: such a pattern takes few steps with them
        with pytest.raises(redis.ResponseError, match=PATTERN_ERROR):
            client.execute_command(*words)
    assert client.keys("aa*[a-b]" + "?" * 5) == [b"a" * 60_000]


def test_config_get_of_many_patterns_is_refused(cluster):
    client = cluster.redis()
    with pytest.raises(redis.ResponseError, match=PATTERN_ERROR):
        client.config_get(*[f"*[0123456789]{i}" for i in range(1000)])
    assert client.config_get(*[f"nothing{i}" for i in range(100)], "timeout") == {"timeout": "0"}


@pytest.mark.parametrize("words", [
    ("COMMAND", "INFO"), ("COMMAND", "DOCS"), ("CONFIG", "GET"), ("LATENCY", "HISTOGRAM"), ("INFO",),
    ("CLIENT", "LIST", "ID"), ("COMMAND", "GETKEYS", "DEL")], ids=" ".join)
def test_names_are_looked_up_at_once_and_are_few(cluster, words):
    few = ["1"] * (1024 - len(words))
    assert ask_once(cluster, *words, *few)[:1] in b"*$"
    said = ask_once(cluster, *words, *few, "1")
    assert said.startswith(b"-ERR too many arguments for '") and said.endswith(b"' command (at most 1024)\r\n")


def ask_once(cluster, *words):
    with cluster.socket() as s:
        return ask(s, encode(*words))


def test_what_clients_call_themselves_is_short(cluster):
    client = cluster.redis()
    name = "n" * 1024
    for words in (["CLIENT", "SETNAME"], ["CLIENT", "SETINFO", "LIB-NAME"], ["HELLO", 2, "SETNAME"]):
        client.execute_command(*words, name)
        with pytest.raises(redis.ResponseError, match="cannot be longer than 1024 bytes"):
            client.execute_command(*words, name + "n")


def test_clients_are_listed_as_they_are_asked_for(cluster):
    a, b = cluster.redis(), cluster.redis()
    ids = [b.client_id(), 1 << 62, a.client_id(), b.client_id()]
    lines = ask_once(cluster, "CLIENT", "LIST", "ID", *ids).split(b"\n")[1:-2]
    assert [line.split()[0] for line in lines] == [b"id=%d" % i for i in (ids[0], ids[2], ids[3])]
