"""build/bootstrap between a fake Runtime API and a fake proxy: what doc/node-link.md promises."""

import json
import os
import random
import signal
import socket
import struct
import time

import pytest

from harness import measures_memory
from node_link import (BYE, BYE_DEADLINE, BYE_OK, DATA, DONE, ERROR, GAP, HELLO_DYING, HOLE, KEEP, MIB,
                       NOENT, NOSPACE, OFFER, RANGE, SEALED, STALE, Closed, Frame, Link, Node,
                       chunk_cost, read_items)


@pytest.fixture
def node():
    node = Node()
    yield node
    node.stop()


def random_bytes(seed, length):
    return random.Random(seed).randbytes(length)


# ---- starting, warm-up


def test_first_next(node):
    first = node.runtime.asked.get(timeout=20)
    print("exec to first next: %.2f ms" % ((first - node.started) * 1000))


def test_warm_reports_and_does_not_dial(node):
    node.runtime.asked.get(timeout=20)
    took = []
    for _ in range(20):
        begun = time.monotonic()
        node.invoke(kind="warm")
        answer = node.response()
        took.append(node.runtime.asked.get(timeout=20) - begun)
        assert answer["served"] is False
        assert (answer["held"], answer["position"], answer["chunks"]) == (0, 0, 0)
        assert len(answer["instance"]) == 32
    print("warm, event to next: median %.2f ms" % (sorted(took)[10] * 1000))
    node.proxy.settimeout(0)
    with pytest.raises(BlockingIOError):
        node.proxy.accept()
    assert node.runtime.connections == 1


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1]", b"null", b"{", b'{"a":{"b":[1,"\\"}"]}}',
                                     b"x" * 100000, b'{"kind":"serve"}'])
def test_foreign_payload_returns_at_once(node, payload):
    node.invoke(payload)
    assert node.response()["served"] is False


@pytest.mark.parametrize("change", [{"kind": "dance"}, {"key": "00"}, {"proxy": "nowhere"},
                                    {"invocation": "zz" * 16}, {"lease_ms": -1}, {"epoch": "x"},
                                    {"function": ""}, {"infinicache": 2}])
def test_bad_payload_is_a_function_error(node, change):
    node.invoke(**change)
    path, body = node.runtime.posts.get(timeout=20)
    assert path.endswith("/invocation/request-1/error")
    assert json.loads(body)["errorType"] == "Node.BadPayload"
    node.invoke(kind="warm")
    assert node.response()["served"] is False


def test_capacity_is_most_of_the_memory(node):
    node.invoke(kind="warm")
    assert 0.95 * 128 * MIB <= node.response()["capacity"] < 128 * MIB


@pytest.mark.parametrize("memory", ["", "0", "x", "8"])
def test_bad_memory_is_an_init_error(memory):
    node = Node(memory_mb=memory)
    path, body = node.runtime.posts.get(timeout=20)
    assert path == "/2018-06-01/runtime/init/error"
    assert json.loads(body)["errorType"] == "Node.Memory"
    assert node.process.wait(timeout=20) != 0
    node.stop()


def test_lost_runtime_connection_is_made_again(node):
    node.runtime.drop_next.set()
    node.invoke(kind="warm")
    assert node.response()["served"] is False
    node.runtime.drop_post.set()
    node.invoke(kind="warm")
    assert node.response()["served"] is False
    assert node.runtime.connections >= 2


def test_sigterm_ends_it(node):
    node.runtime.asked.get(timeout=20)
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(timeout=20) == 0


# ---- the shutdown phase


@pytest.fixture
def make_node():
    made = []

    def make(**options):
        made.append(Node(**options))
        return made[-1]

    yield make
    for node in made:
        node.stop()


def test_it_registers_as_an_extension_before_its_first_next(make_node):
    node = make_node(extensions=True)
    fields, body = node.runtime.registered.get(timeout=20)
    assert fields["lambda-extension-name"] == "infinicache" and json.loads(body) == {"events": []}
    fields, _ = node.runtime.held.get(timeout=20)
    assert fields["lambda-extension-identifier"] == "01234567-89ab-cdef-0123-456789abcdef"
    node.runtime.asked.get(timeout=20)
    node.invoke(kind="warm")
    assert node.response()["served"] is False


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: a b\r\nContent-Length: 0\r\n\r\n",
    b"what do you want\r\n\r\n", b"HTTP/1.1 200", b""])
def test_it_goes_on_without_the_extensions_api(make_node, answer):
    node = make_node(extensions=answer)
    node.runtime.asked.get(timeout=20)
    assert node.runtime.held.empty()
    node.invoke(kind="warm")
    assert node.response()["served"] is False


def terminate(node):
    node.process.send_signal(signal.SIGTERM)


def hold_chunks(node, count, leave=True, key=b"key"):
    link = node.serve()
    for n in range(1, count + 1):
        link.put(n, n % 3, random_bytes(n, 1000 + n), key=key)
    if leave:
        link.send(Frame(KEEP, lease_ms=1))
        link.leave()
        node.response()
        link.close()
    return link


def test_dying_it_offers_what_it_holds(node):
    """After an invocation: dials under its key and id, with the next dial counter."""
    hold_chunks(node, 5)
    terminate(node)
    link = node.accept()
    hello = link.read_hello(node.key)
    assert (hello["flags"], hello["dial"]) == (HELLO_DYING, 2)
    assert hello["invocation"] == node.invocation and hello["chunks"] == 5
    assert 0 < hello["deadline_ms"] <= 450
    link.send_welcome(node.key, 1)
    offer = link.receive()
    assert offer.type == OFFER and 0 < offer.offset <= 450
    items = read_items(offer.body)
    assert [(i["object_id"], i["chunk"], i["length"]) for i in items] == \
        [(n, n % 3, 1000 + n) for n in (5, 4, 3, 2, 1)]
    assert all(i["sealed"] and i["key"] == b"key" and i["data"] == 10 for i in items)
    for item in items[:2]:
        _, data = link.get(item["object_id"], item["chunk"], 0, item["length"])
        assert data == random_bytes(item["object_id"], item["length"])
    link.send(Frame(BYE_OK))
    assert node.process.wait(timeout=20) == 0


def test_dying_while_it_serves(node):
    """The link there is carries the offer; requests under way are answered."""
    link = hold_chunks(node, 3, leave=False)
    terminate(node)
    offer = link.receive()
    assert offer.type == OFFER
    assert [i["object_id"] for i in read_items(offer.body)] == [3, 2, 1]
    _, data = link.get(1, 1, 0, 1001)
    assert data == random_bytes(1, 1001)
    link.send(Frame(BYE_OK))
    assert node.process.wait(timeout=20) == 0
    assert node.runtime.posts.empty(), "the invocation ends with the instance"


def test_dying_it_is_invoked_once_more(node):
    """An invocation that crossed its SIGTERM: it ends with the instance, and disturbs nothing."""
    hold_chunks(node, 3)
    terminate(node)
    link = node.accept()
    key = node.key
    link.read_hello(key)
    node.invoke()
    link.send_welcome(key, 1)
    offer = link.receive()
    assert offer.type == OFFER
    assert [i["object_id"] for i in read_items(offer.body)] == [3, 2, 1]
    _, data = link.get(1, 1, 0, 1001)
    assert data == random_bytes(1, 1001)
    link.send(Frame(BYE_OK))
    assert node.process.wait(timeout=20) == 0
    assert node.runtime.posts.empty()


def test_dying_its_time_is_bounded(node):
    """A proxy that says nothing more, and one that does not even welcome."""
    link = hold_chunks(node, 1)
    terminate(node)
    link = node.accept()
    link.read_hello(node.key)
    link.send_welcome(node.key, 1)
    assert link.receive().type == OFFER
    assert node.process.wait(timeout=20) == 0


def test_dying_it_is_not_welcomed(node):
    hold_chunks(node, 1)
    terminate(node)
    node.accept().read_hello(node.key)
    assert node.process.wait(timeout=20) == 0


def test_dying_it_is_dismissed(node):
    hold_chunks(node, 1)
    terminate(node)
    link = node.accept()
    link.read_hello(node.key)
    link.send(Frame(BYE_OK))
    assert node.process.wait(timeout=20) == 0


def test_dying_nobody_is_there(node):
    hold_chunks(node, 1)
    node.proxy.close()
    terminate(node)
    assert node.process.wait(timeout=20) == 0


def test_dying_with_nothing_it_does_not_dial(node):
    link = node.serve(lease_ms=1)
    link.leave()
    node.response()
    terminate(node)
    assert node.process.wait(timeout=20) == 0
    node.proxy.settimeout(0)
    with pytest.raises(BlockingIOError):
        node.proxy.accept()


def test_dying_with_unsealed_chunks_only(node):
    link = node.serve()
    assert link.ask(link.write_frame(7, 0, 0, bytes(1000), 1024, 1000)).type == DONE
    terminate(node)
    assert node.process.wait(timeout=20) == 0


def test_an_offer_is_bounded(node):
    """Long keys: what fits into half a MiB, the newest first."""
    link = hold_chunks(node, 12, leave=False, key=b"k" * 60000)
    terminate(node)
    offer = link.receive()
    assert [i["object_id"] for i in read_items(offer.body)] == [12, 11, 10, 9, 8, 7, 6, 5]
    assert len(offer.body) <= MIB // 2
    link.send(Frame(BYE_OK))
    assert node.process.wait(timeout=20) == 0


def test_orphan_ends(node):
    """Without a Runtime API there is no platform any more."""
    node.runtime.asked.get(timeout=20)
    node.runtime.listener.close()
    node.runtime.drop_next.set()
    node.invoke(kind="warm")
    node.runtime.drop_post.set()
    assert node.process.wait(timeout=30) != 0


# ---- handshake


def test_hello(node):
    node.invoke(timeout_ms=100000)
    link = node.accept()
    hello = link.read_hello(node.key)
    assert hello["invocation"] == node.invocation
    assert hello["function"] == node.name
    assert (hello["dial"], hello["highest_epoch"], hello["flags"]) == (1, 0, 0)
    assert (hello["position"], hello["held"], hello["chunks"]) == (0, 0, 0)
    assert hello["capacity"] >= 0.95 * 128 * MIB
    assert 0 < hello["deadline_ms"] <= 100000


def test_wrong_welcome_is_not_believed(node):
    node.invoke()
    link = node.accept()
    link.read_hello(node.key)
    link.send_welcome(node.key, 1, spoil=True)
    assert link.is_closed()
    link = node.accept()  # it dials again with the next counter
    assert link.read_hello(node.key)["dial"] == 2
    link.send_welcome(node.key, 1)
    link.put(1, 0, b"x" * 64, 64)


def test_request_before_welcome_is_refused(node):
    node.invoke()
    link = node.accept()
    link.read_hello(node.key)
    link.send(link.read_frame(1, 0, 0, 64))
    assert link.is_closed()


def test_dismissed(node):
    node.invoke()
    link = node.accept()
    link.read_hello(node.key)
    link.send(Frame(BYE_OK))
    assert node.response()["served"] is False


def test_nobody_listens(node):
    node.proxy.close()
    node.invoke(payload=node_payload_to(node, "127.0.0.1:1"))
    assert node.response()["served"] is False


def node_payload_to(node, address):
    node.proxy = socket.create_server(("127.0.0.1", 0))
    return node.payload(proxy=address)


# ---- requests


@pytest.mark.parametrize("length,unit", [(64, 64), (1024, 65536), (65536, 65536), (65600, 65536),
                                         (3 * MIB + 192, 65536), (2 * MIB, MIB), (100000 // 64 * 64, 64),
                                         (1000, 192)])
def test_round_trip(node, length, unit):
    link = node.serve()
    data = random_bytes(length, length)
    link.put(0x0100000001, 7, data, unit, key=b"the key")
    got, crcs = b"", []
    step = max(unit, 5 * unit if 5 * unit <= MIB else unit)
    for offset in range(0, length, step):
        part_crcs, part = link.get(0x0100000001, 7, offset, min(step, length - offset), unit)
        got += part
        crcs += part_crcs
    assert got == data
    expected = link.write_frame(1, 0, 0, data, unit, op=0).body[:4 * len(crcs)]
    assert struct.pack("<%dI" % len(crcs), *crcs) == expected
    assert link.list() == [dict(object_id=0x0100000001, chunk=7, sealed=True, written=length,
                                length=length, size=length, version=1, unit=unit, data=10, parity=2,
                                key=b"the key")]
    assert link.ask(link.delete_frame(0x0100000001, 7)).type == DONE
    assert link.list() == []
    assert link.get(0x0100000001, 7, 0, min(length, unit), unit) == NOENT


def test_accounting(node):
    link = node.serve()
    link.put(1, 0, b"a" * 200000, 65536, key=b"abc")
    link.put(2, 1, b"b" * 64, 64, key=b"")
    link.ask(link.write_frame(3, 2, 0, b"c" * 128, 64, chunk_length=256))
    assert link.ask(link.seal_frame(4, 3, 0, key=b"empty", unit=0)).type == DONE
    expected = (chunk_cost(200000, 65536, 3) + chunk_cost(64, 64, 0) + chunk_cost(256, 64, 0) +
                chunk_cost(0, 0, 5))
    link.close()
    link = node.welcome()
    assert (link.hello["held"], link.hello["chunks"], link.hello["position"]) == (expected, 4, 6)
    link.send(Frame(KEEP, lease_ms=0))
    link.leave()
    answer = node.response()
    assert (answer["held"], answer["chunks"], answer["position"]) == (expected, 4, 6)
    assert answer["served"] is True and answer["epoch"] == 1


def status(reply):
    return reply.status if reply.type == ERROR else reply.type


def test_gap_and_repeated_operations(node):
    link = node.serve()
    write = link.write_frame(1, 0, 0, b"x" * 64, 64, chunk_length=64)
    assert status(link.ask(link.write_frame(1, 0, 0, b"x" * 64, 64, chunk_length=64, op=2))) == GAP
    assert status(link.ask(link.seal_frame(1, 0, 64, unit=64, op=9))) == GAP
    assert status(link.ask(link.delete_frame(1, 0, op=9))) == GAP
    assert status(link.ask(write)) == DONE
    assert status(link.ask(write)) == DONE
    seal = link.seal_frame(1, 0, 64, unit=64)
    assert status(link.ask(seal)) == DONE
    assert status(link.ask(seal)) == DONE
    assert status(link.ask(write)) == DONE
    delete = link.delete_frame(1, 0)
    assert status(link.ask(delete)) == DONE
    assert status(link.ask(delete)) == DONE
    assert status(link.ask(write)) == NOENT  # settled, and not there any more
    assert status(link.ask(seal)) == NOENT
    assert link.list() == []
    assert status(link.ask(link.delete_frame(77, 7))) == DONE  # unknown


def test_mark_is_an_operation_and_listed(node):
    link = node.serve()
    assert link.list() == [] and link.mark == 0
    first, second = link.mark_frame(1000), link.mark_frame(2000)
    assert status(link.ask(second)) == GAP
    assert link.list() == [] and link.mark == 0
    assert status(link.ask(first)) == DONE
    assert status(link.ask(second)) == DONE
    assert status(link.ask(first)) == DONE  # settled: it changes nothing any more
    assert link.list() == [] and link.mark == 2000
    link.send(Frame(KEEP, lease_ms=0))
    link.leave()
    assert node.response()["position"] == 2
    link = node.serve()
    link.put(1, 0, b"x" * 64)
    assert len(link.list()) == 1 and link.mark == 2000


def test_refusals(node):
    link = node.serve()
    unit = 64
    assert status(link.ask(link.write_frame(1, 0, 64, b"x" * 64, unit))) == NOENT
    assert status(link.ask(link.write_frame(1, 0, 0, b"x" * 128, unit, chunk_length=64))) == RANGE
    assert link.list() == []
    assert status(link.ask(link.write_frame(1, 0, 64, b"x" * 64, unit, chunk_length=256))) == HOLE
    assert link.list() == []
    assert status(link.ask(link.write_frame(1, 0, 0, b"x" * 64, unit, chunk_length=256))) == DONE
    assert status(link.ask(link.write_frame(1, 0, 128, b"x" * 64, unit))) == HOLE
    assert status(link.ask(link.write_frame(1, 0, 64, b"x" * 63, unit))) == RANGE
    assert status(link.ask(link.seal_frame(1, 0, 256, unit=unit))) == HOLE
    assert status(link.ask(link.seal_frame(2, 0, 256, unit=unit))) == NOENT
    assert link.get(1, 0, 0, 64, unit) == NOENT  # not sealed
    assert status(link.ask(link.write_frame(1, 0, 64, b"y" * 192, unit))) == DONE
    assert status(link.ask(link.seal_frame(1, 0, 192, unit=unit))) == HOLE
    assert status(link.ask(link.seal_frame(1, 0, 256, unit=unit, instance=b"z" * 16))) == STALE
    assert status(link.ask(link.seal_frame(1, 0, 256, unit=unit))) == DONE
    assert status(link.ask(link.seal_frame(1, 0, 256, unit=unit, key=b"other"))) == SEALED
    assert status(link.ask(link.write_frame(1, 0, 0, b"x" * 64, unit, chunk_length=64))) == SEALED
    assert status(link.ask(link.write_frame(1, 0, 256, b"x" * 64, unit))) == SEALED
    for offset, length in ((32, 64), (0, 63), (0, 320), (256, 64), (1 << 60, 64)):
        assert link.get(1, 0, offset, length, unit) == RANGE
    assert link.get(1, 0, 64, 192, unit)[1] == b"y" * 192


def test_first_write_again_restarts_the_chunk(node):
    link = node.serve()
    assert status(link.ask(link.write_frame(1, 0, 0, b"x" * 64, 64, chunk_length=640))) == DONE
    link.put(1, 0, b"y" * 128, 64)
    assert link.get(1, 0, 0, 128, 64)[1] == b"y" * 128


def test_no_space(node):
    link = node.serve()
    capacity = link.hello["capacity"]
    big = 1 << 34  # more than any function has; a byte more is malformed
    assert status(link.ask(link.write_frame(1, 0, 0, b"x" * 65536, 65536, chunk_length=big))) == NOSPACE
    held = 0
    index = 0
    data = random_bytes(1, 4 * MIB)
    while held + chunk_cost(len(data), 65536, 3) <= capacity:
        link.put(2, index, data)
        held += chunk_cost(len(data), 65536, 3)
        index += 1
    assert held >= 0.95 * 128 * MIB - 4 * MIB
    # What was announced takes nothing; what comes of it is refused where the memory ends.
    written = 0
    while True:
        part = link.write_frame(3, 0, written, data[written:written + 65536], 65536,
                                chunk_length=None if written else len(data))
        if status(link.ask(part)) != DONE:
            break
        written += 65536
    assert held + chunk_cost(written, 65536, 0) <= capacity < held + chunk_cost(written + 65536, 65536, 0)
    assert status(link.ask(part)) == NOENT  # settled, and answered from what is there
    assert status(link.ask(link.delete_frame(3, 0))) == DONE
    rest = (capacity - held - chunk_cost(0, 0, 3)) // 64 * 64 - 4 * 64
    link.put(4, 0, b"r" * rest)  # to the last bytes
    assert link.get(2, index - 1, 0, MIB)[1] == data[:MIB]
    assert node.resident_bytes() < 128 * MIB or "asan" in os.environ.get("BUILD", "")
    assert status(link.ask(link.delete_frame(2, 0))) == DONE
    link.put(5, 0, data)
    assert link.get(5, 0, 3 * MIB, MIB)[1] == data[3 * MIB:]


@measures_memory
def test_memory_follows_the_bytes(node):
    link = node.serve()
    before = node.resident_bytes()
    data = random_bytes(2, 10 * MIB)
    link.put(1, 0, data)
    grown = node.resident_bytes() - before
    print("10 MiB chunk: resident memory grows by %.3f of it" % (grown / len(data)))
    assert grown <= 1.04 * len(data)
    for version in range(2, 12):  # freed pages are used again
        link.ask(link.delete_frame(version - 1, 0))
        link.put(version, 0, data)
    assert node.resident_bytes() - before <= 1.06 * len(data)


def test_many_sizes(node):
    """Fills, frees at random and fills again: what is read is what was written."""
    link = node.serve()
    rng = random.Random(3)
    chunks = {}
    for number in range(400):
        if chunks and rng.random() < 0.45:
            name = rng.choice(list(chunks))
            assert status(link.ask(link.delete_frame(name, 1))) == DONE
            del chunks[name]
            continue
        length = rng.choice([64, 1024, 1088, 4096, 70000 // 64 * 64, 300032, 1048576 + 64])
        chunks[number] = random_bytes(number, length)
        link.put(number, 1, chunks[number])
    for name, data in chunks.items():
        for offset in range(0, len(data), MIB):
            part = data[offset:offset + MIB]
            assert link.get(name, 1, offset, len(part))[1] == part
    items = link.list()
    assert {i["object_id"]: i["length"] for i in items} == {n: len(d) for n, d in chunks.items()}


def test_list_in_many_frames(node):
    link = node.serve()
    keys = {}
    for number in range(600):
        keys[number] = random_bytes(number, 900)
        link.send(link.seal_frame(number, 0, 0, key=keys[number], unit=0))
    for _ in keys:
        assert link.receive().type == DONE
    assert {i["object_id"]: i["key"] for i in link.list()} == keys


def test_list_of_one_chunk(node):
    link = node.serve()
    link.put(1, 0, b"a" * 64, 64, key=b"one")
    link.put(1, 3, b"b" * 128, 64, key=b"three")
    assert link.list(1, 3) == [item for item in link.list() if item["chunk"] == 3]
    assert link.list(1, 3)[0]["key"] == b"three"
    assert link.list(1, 1) == link.list(2, 0) == []
    assert link.ask(link.write_frame(5, 0, 0, b"x" * 64, 64, chunk_length=128)).type == DONE
    (item,) = link.list(5, 0)
    assert (item["sealed"], item["written"], item["length"]) == (False, 64, 128)


def test_pipelined_requests_are_answered_in_order(node):
    link = node.serve()
    data = random_bytes(4, 2 * MIB)
    link.put(1, 0, data)
    frames = [link.read_frame(1, 0, 65536 * (i % 32), 65536) for i in range(64)]
    link.sock.sendall(b"".join(frame.bytes() for frame in frames))
    for frame in frames:
        reply = link.receive()
        assert (reply.type, reply.request) == (DATA, frame.request)
        assert reply.body[4:] == data[frame.offset:frame.offset + 65536]


def test_delete_behind_unread_replies(node):
    """The replies to READs still lie in the chunk's memory when its DELETE comes."""
    link = node.serve()
    data = random_bytes(5, 8 * MIB)
    link.put(1, 0, data)
    reads = [link.read_frame(1, 0, MIB * i, MIB) for i in range(8)]
    delete = link.delete_frame(1, 0)
    other = link.write_frame(2, 0, 0, b"!" * 65536, 65536, chunk_length=65536)
    link.sock.sendall(b"".join(f.bytes() for f in reads + [delete, other]))
    for frame in reads:
        reply = link.receive()
        assert reply.body[4 * 16:] == data[frame.offset:frame.offset + MIB]
    assert link.receive().request == delete.request
    assert link.receive().request == other.request
    assert [i["object_id"] for i in link.list()] == [2]


@measures_memory
def test_slow_proxy_does_not_fill_the_node(node):
    link = node.serve()
    data = random_bytes(6, 4 * MIB)
    link.put(1, 0, data)
    before = node.resident_bytes()
    frames = [link.read_frame(1, 0, MIB * (i % 4), MIB) for i in range(200)]
    link.sock.settimeout(1)
    sent = 0
    try:
        for frame in frames:
            link.sock.sendall(frame.bytes())
            sent += 1
    except socket.timeout:
        pass
    for frame in frames[:sent]:
        reply = link.receive()
        assert reply.request == frame.request
        assert node.resident_bytes() - before < 2 * MIB


@pytest.mark.parametrize("bad", ["magic", "crc", "type", "length", "prefix", "read", "seal"])
def test_malformed_frame_closes_the_link(node, bad):
    link = node.serve()
    link.put(1, 0, b"x" * 64, 64)
    frame = link.read_frame(1, 0, 0, 64)
    if bad == "type":
        frame = Frame(DATA, b"12345678")
    elif bad == "read":
        frame.body = struct.pack("<I", 0)
    elif bad == "prefix":
        frame = link.write_frame(2, 0, 0, b"x" * 64, 64, chunk_length=0)
    elif bad == "seal":
        frame = link.seal_frame(1, 0, 64)
        frame.body += b"?"
    data = bytearray(frame.bytes())
    if bad == "magic":
        data[0] ^= 1
    elif bad == "crc":
        data[44] ^= 1
    elif bad == "length":
        frame.body = b"x" * 5
        data = frame.bytes()
    link.sock.sendall(data)
    assert link.is_closed()
    link = node.welcome()
    assert link.hello["dial"] == 2
    assert link.get(1, 0, 0, 64, 64)[1] == b"x" * 64


@pytest.mark.parametrize("cut", [1, 47, 48, 50, 64, 70, 48 + 16 + 4 + 100])
def test_truncated_write_leaves_nothing(node, cut):
    link = node.serve()
    frame = link.write_frame(1, 0, 0, b"x" * 4096, 4096, chunk_length=8192)
    link.sock.sendall(frame.bytes()[:cut])
    link.close()
    link = node.welcome()
    assert (link.hello["held"], link.hello["position"]) == (0, 0)
    assert status(link.ask(link.write_frame(1, 0, 0, b"y" * 4096, 4096, chunk_length=8192))) == DONE
    second = link.write_frame(1, 0, 4096, b"z" * 4096, 4096)
    link.sock.sendall(second.bytes()[:cut])
    link.close()
    link = node.welcome()
    assert (link.hello["held"], link.hello["position"]) == (chunk_cost(8192, 4096, 0), 1)
    assert status(link.ask(second)) == DONE
    assert status(link.ask(link.seal_frame(1, 0, 8192, unit=4096, op=3))) == DONE
    assert link.get(1, 0, 0, 8192, 4096)[1] == b"y" * 4096 + b"z" * 4096


# ---- link loss, leases, deadlines, epochs


def test_link_loss_and_redial(node):
    link = node.serve()
    link.put(1, 0, b"x" * 64, 64)
    for dial in range(2, 6):
        link.close()
        link = node.welcome()
        assert link.hello["dial"] == dial
        assert link.get(1, 0, 0, 64, 64)[1] == b"x" * 64


def test_link_gone_for_good(node):
    link = node.serve()
    node.proxy.close()
    link.close()
    assert node.response()["served"] is True
    node.proxy = socket.create_server(("127.0.0.1", 0))


def test_lease_end(node):
    link = node.serve(lease_ms=50)
    bye = link.leave()
    assert bye.flags == 0 and bye.offset > 0
    assert node.response()["served"] is True
    assert link.is_closed()


def test_request_cancels_bye(node):
    link = node.serve(lease_ms=20)
    bye = link.receive()
    assert bye.type == BYE
    reply = link.ask(link.write_frame(1, 0, 0, b"x" * 64, 64, chunk_length=64, lease_ms=20))
    assert reply.type == DONE
    again = link.receive()  # the lease of that request ends
    assert (again.type, again.request) == (BYE, bye.request + 1)
    link.send(Frame(BYE_OK, request=again.request))
    assert node.response()["position"] == 1


def test_keep_extends(node):
    link = node.serve(lease_ms=20)
    link.receive()
    link.send(Frame(KEEP, lease_ms=600000))
    link.put(1, 0, b"x" * 64, 64)
    link.sock.settimeout(0.2)
    with pytest.raises(socket.timeout):
        link.sock.recv(1)


def test_next_invocation_keeps_the_chunks(node):
    link = node.serve(lease_ms=10)
    link.put(1, 0, b"x" * 64, 64)
    link.send(Frame(KEEP, lease_ms=0))
    link.leave()
    first = node.response()
    link = node.serve()
    assert link.hello["instance"].hex() == first["instance"]
    assert (link.hello["dial"], link.hello["position"], link.hello["chunks"]) == (1, 2, 1)
    assert link.get(1, 0, 0, 64, 64)[1] == b"x" * 64


def test_deadline(node):
    """A short deadline: BYE at half of it, requests served meanwhile, and gone at a quarter."""
    link = node.serve(timeout_ms=3000)
    bye = link.receive()
    assert bye.type == BYE and bye.flags == BYE_DEADLINE and 0 < bye.offset <= 1500
    assert status(link.ask(link.write_frame(1, 0, 0, b"x" * 64, 64, chunk_length=64))) == DONE
    assert node.response()["position"] == 1
    assert link.is_closed()


def test_deadline_bye_ok(node):
    link = node.serve(timeout_ms=4000)
    bye = link.leave()
    assert bye.flags == BYE_DEADLINE
    assert node.response()["served"] is True


def test_new_epoch_drops_what_is_not_sealed(node):
    link = node.serve(lease_ms=10)
    link.put(1, 0, b"x" * 64, 64)
    assert status(link.ask(link.write_frame(2, 0, 0, b"x" * 64, 64, chunk_length=128))) == DONE
    link.close()
    link = node.welcome()  # the same epoch keeps it
    assert link.hello["chunks"] == 2
    link.close()
    link = node.welcome(epoch=5)
    assert [i["object_id"] for i in link.list()] == [1]
    assert status(link.ask(link.write_frame(2, 0, 64, b"x" * 64, 64))) == NOENT
    link.send(Frame(KEEP, lease_ms=0))
    link.leave()
    answer = node.response()
    assert (answer["epoch"], answer["chunks"]) == (5, 1)
    node.invoke()  # epoch 1 in the payload: an older proxy
    assert node.response()["served"] is False
    node.epoch = 5
    node.invoke()
    link = node.accept()
    assert link.read_hello(node.key)["highest_epoch"] == 5
    link.send_welcome(node.key, 4)
    assert node.response()["served"] is False


def test_two_instances_are_harmless(node):
    other = Node()
    try:
        link = node.serve()
        second = other.serve()
        assert link.hello["instance"] != second.hello["instance"]
        link.put(1, 0, b"a" * 64, 64)
        second.put(1, 0, b"b" * 64, 64)
        assert link.get(1, 0, 0, 64, 64)[1] == b"a" * 64
        assert second.get(1, 0, 0, 64, 64)[1] == b"b" * 64
    finally:
        other.stop()


def test_random_bytes_do_not_kill_it(node):
    rng = random.Random(7)
    node.invoke()
    for _ in range(10):
        link = node.accept()
        link.read_hello(node.key)
        if rng.random() < 0.5:
            link.send_welcome(node.key, 1)
        link.sock.sendall(rng.randbytes(rng.randrange(1, 500)))
        link.close()
    link = node.welcome()
    link.put(1, 0, b"x" * 64, 64)
    assert node.process.poll() is None
