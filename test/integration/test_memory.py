"""Where an object's bytes are, and where they are not: only in the functions' memory, and there
at little more than their own size."""
import contextlib
import itertools
import os
import pathlib
import re
import struct

from harness import BOOTSTRAP, measures_memory, noise, rss, wait_until

pytestmark = measures_memory

MB = 1 << 20
PAGE = os.sysconf("SC_PAGESIZE")


def pages_there(pagemap, start, end):
    """(start, end) of each run of pages between START and END that were ever touched: to read the
    others would make them."""
    pagemap.seek(start // PAGE * 8)
    entries = struct.iter_unpack("=Q", pagemap.read((end - start) // PAGE * 8))
    numbered = zip(itertools.count(start, PAGE), entries)
    for there, run in itertools.groupby(numbered, lambda page: page[1][0] >> 62 != 0):
        if there:
            run = [address for address, _ in run]
            yield run[0], run[-1] + PAGE


def in_memory_of(pid, pattern):
    """True if PATTERN is anywhere in the writable memory of PID."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem, \
            open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for line in maps:
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if span is None or "[vvar" in line:
                continue
            for start, end in pages_there(pagemap, int(span[1], 16), int(span[2], 16)):
                with contextlib.suppress(OSError):  # given back meanwhile
                    mem.seek(start)
                    if pattern in mem.read(end - start):
                        return True
    return False


def in_files(folder, pattern):
    return [path for path in pathlib.Path(folder).rglob("*")
            if path.is_file() and pattern in path.read_bytes()]


def open_files(pid):
    """What PID's descriptors lead to, deleted files and shared memory included."""
    return [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]


def test_bytes_are_in_the_functions_only(new_cluster):
    cluster = new_cluster()
    client = cluster.redis()
    value = noise(3 * MB, 7)
    pattern = value[MB + 100:MB + 164]  # inside one unit
    client.set("k", value)
    assert client.get("k") == value
    proxy = cluster.pid_of("proxy")
    holders = [r for r in cluster.instances() if in_memory_of(r["pid"], pattern)]
    assert len(holders) == 1, "a data chunk is on one function"
    wait_until(lambda: not in_memory_of(proxy, pattern), "the proxy keeps nothing")
    assert not in_memory_of(cluster.pid_of("platform"), pattern)
    assert in_files(cluster.dir, pattern) == []
    assert in_files("/dev/shm", pattern) == []
    for name in open_files(proxy):
        assert name.startswith(("socket:", "anon_inode:", "pipe:", "/dev/null", str(cluster.dir))), \
            name


def test_functions_grow_by_little_more_than_the_bytes(new_cluster):
    cluster = new_cluster(functions=12, memory="128mb")
    client = cluster.redis()
    client.set("first", noise(5 * MB))  # every node has served once

    def resident():
        return sum(rss(r["pid"]) for r in cluster.instances())

    before = resident()
    value = noise(100 * MB)
    for i in range(5):
        client.set(f"k:{i}", value)
    grown = resident() - before
    print(f"\nresident memory grew by {grown / (500 * MB):.3f} x the objects' bytes")
    assert grown <= 1.25 * 500 * MB


def test_freed_memory_is_used_again(new_cluster):
    cluster = new_cluster(functions=12, memory="128mb")
    client = cluster.redis()
    value = noise(200 * MB)
    for _ in range(8):
        client.set("k", value)
    assert client.get("k") == value
    limit = 128 * MB
    assert all(rss(r["pid"]) < limit for r in cluster.instances())


def test_bootstrap_is_small_and_static():
    """No interpreter to load (PT_INTERP), no symbol table (SHT_SYMTAB), under 2 MiB."""
    elf = BOOTSTRAP.read_bytes()
    assert len(elf) < 2 * MB
    segments, sections = struct.unpack_from("<QQ", elf, 32)
    segment_size, segment_count, section_size, section_count = struct.unpack_from("<HHHH", elf, 54)
    kinds = [struct.unpack_from("<I", elf, segments + i * segment_size)[0]
             for i in range(segment_count)]
    assert 1 in kinds and 3 not in kinds
    tables = [struct.unpack_from("<I", elf, sections + i * section_size + 4)[0]
              for i in range(section_count)]
    assert 2 not in tables
