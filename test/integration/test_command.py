"""The command's contract: up, down, status, put, get; what they say and leave behind when something
is in their way."""
import contextlib
import os
import pathlib
import pty
import shlex
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness import (BOOTSTRAP, BUILD, INFINICACHE, ROOT, Cluster, alive, free_ports, noise, sha256, sha256_file,
                     wait_until)


def default_signals():
    """For children that are sent signals: this run itself may ignore them (nohup, background)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def one_instance_each(cluster):
    names = sorted(r["function"] for r in cluster.instances())
    return names == sorted(f"infinicache-{i}" for i in range(cluster.functions))


def leaves_nothing(cluster):
    """No process, no port taken."""
    wait_until(lambda: not cluster.processes(), "no process is left", deadline_s=10)
    assert cluster.ports_free()


# ---- help -------------------------------------------------------------------

def run(*args, **more):
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(INFINICACHE), *map(str, args)], capture_output=True, text=True,
                          timeout=60, check=False, **more)


def test_help_names_every_subcommand():
    text = run("--help")
    assert text.returncode == 0
    names = [line.split()[0] for line in text.stdout.splitlines() if line.startswith("  ") and line[2] != " "]
    assert {"up", "down", "status", "top", "put", "get", "bench", "replay", "simulate", "plan", "proxy", "platform",
            "config"} <= set(names)
    for name in names:
        assert f"\n  {name} " in text.stdout
        about = run("help", name)
        assert about.returncode == 0 and about.stdout.startswith(f"usage: infinicache {name}")
        for words in (["--help"], ["-h"], ["word", "-h"]):
            assert run(name, *words).stdout == about.stdout


def test_help_of_up_names_every_directive():
    sample = run("config").stdout
    directives = [line.split()[0] for line in sample.splitlines() if line and line[0] != "#"]
    assert len(directives) > 20
    text = run("help", "up").stdout
    assert [d for d in directives if f"--{d} " not in text] == []


def test_version_and_unknown_subcommands():
    assert run("--version").stdout.startswith("infinicache ")
    for wrong in (["frobnicate"], ["help", "frobnicate"]):
        done = run(*wrong)
        assert done.returncode == 2 and "frobnicate" in done.stderr
    assert run().returncode == 2


def test_sample_file_agrees_with_the_table():
    assert run("config").stdout == (ROOT / "doc/infinicache.conf").read_text()


def test_config_takes_no_words():
    done = run("config", "lease")
    assert done.returncode == 2 and "'lease'" in done.stderr and done.stdout == ""


def test_sample_file_is_accepted(new_cluster, tmp_path):
    text = (ROOT / "doc/infinicache.conf").read_text()
    sample = tmp_path / "sample.conf"
    sample.write_text(text)
    new_cluster(options={"config": sample})


# ---- up ---------------------------------------------------------------------

def test_up_is_up(new_cluster):
    c = new_cluster(up=False)
    done = c.up()
    assert done.stdout.count("\n") == 1 and str(c.port) in done.stdout and done.stderr == ""
    assert one_instance_each(c)
    for part in ("proxy", "platform"):
        pid = c.pid_of(part)
        assert os.getsid(pid) == pid
        descriptors = [os.readlink(f"/proc/{pid}/fd/{n}") for n in (0, 1, 2)]
        log = str(c.dir / f"{part}.log")
        assert descriptors == ["/dev/null", log, log]
    assert c.redis().ping()


def test_up_again_says_so_and_changes_nothing(cluster):
    before = (cluster.pid_of("proxy"), cluster.pid_of("platform"),
              sorted(r["pid"] for r in cluster.instances()))
    cluster.redis().set("kept", "here")
    done = cluster.up()
    assert "already" in done.stdout
    bare = cluster.command("up", "--dir", cluster.dir)  # what is not named stays as it is
    assert "already" in bare.stdout
    assert before == (cluster.pid_of("proxy"), cluster.pid_of("platform"),
                      sorted(r["pid"] for r in cluster.instances()))
    assert cluster.redis().get("kept") == b"here"


@pytest.mark.parametrize("name,value", [("functions", 15), ("lease", "7s"), ("memory", "192mb"),
                                        ("port", 6), ("routing", "lru")])
def test_up_with_other_settings_is_refused(cluster, name, value):
    before = (cluster.dir / "settings").read_bytes(), cluster.pid_of("proxy")
    done = cluster.up(check=False, **{name: value})
    assert done.returncode != 0
    assert name in done.stderr
    assert before == ((cluster.dir / "settings").read_bytes(), cluster.pid_of("proxy"))
    assert cluster.redis().ping()


@pytest.mark.parametrize("name,value", [("code-table", "x"), ("functions", 5)])
def test_up_that_failed_leaves_the_settings(new_cluster, name, value):
    c = new_cluster()
    c.redis().set("k", "v")
    before = (c.dir / "settings").read_bytes()
    c.command("down", "--dir", c.dir, "--keep-functions")
    failed = c.up(check=False, **{name: value})
    assert failed.returncode != 0 and "code" in failed.stderr
    assert (c.dir / "settings").read_bytes() == before
    c.command("up", "--dir", c.dir)
    assert c.redis().get("k") == b"v"


def test_up_after_a_killed_proxy_keeps_the_data(new_cluster):
    c = new_cluster()
    data = noise(700_000)
    c.redis().set("k", data)
    platform, instances = c.pid_of("platform"), sorted(r["pid"] for r in c.instances())
    old = c.kill("proxy")
    assert c.status(check=False).returncode == 1
    c.up()
    assert c.pid_of("proxy") != old and c.pid_of("platform") == platform
    assert sorted(r["pid"] for r in c.instances()) == instances
    assert sha256(c.redis().get("k")) == sha256(data)


def test_up_after_a_killed_platform(new_cluster):
    c = new_cluster()
    c.redis().set("k", noise(100_000))
    proxy, old = c.pid_of("proxy"), [r["pid"] for r in c.instances()]
    c.kill("platform")
    said = c.up().stdout
    assert "The platform was started anew, what its functions held is gone (1 objects)." in said
    assert not alive(proxy), "it knew of what is gone"
    assert c.redis().dbsize() == 0
    assert one_instance_each(c)
    wait_until(lambda: not any(alive(pid) for pid in old), "the old instances are gone")
    data = noise(100_000, seed=2)
    assert c.redis().set("k2", data)
    for again in (lambda: c.down("--keep-functions"), lambda: c.kill("proxy")):
        again()
        assert "anew" not in c.up().stdout
        assert c.redis().get("k2") == data


def test_up_after_everything_was_killed(new_cluster):
    c = new_cluster()
    old = [r["pid"] for r in c.instances()]
    c.kill("proxy")
    c.kill("platform")
    c.up()
    assert not any(alive(pid) for pid in old)
    assert one_instance_each(c)
    assert c.redis().set("k", "v")


def test_up_brings_a_lost_instance_back(new_cluster):
    c = new_cluster()
    c.kill_instances(["infinicache-3"])
    wait_until(lambda: not c.instances("infinicache-3"), "the platform knows that it is gone")
    c.up()
    assert c.instances("infinicache-3")


def test_two_ups_at_a_time_make_one_cluster(new_cluster):
    c = new_cluster(up=False)
    results = []
    threads = [threading.Thread(target=lambda: results.append(c.up(check=False))) for _ in "ab"]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [r.returncode for r in results] == [0, 0], [r.stderr for r in results]
    assert sum("already" in r.stdout for r in results) == 1
    assert one_instance_each(c)


def test_two_folders_at_a_time_on_the_same_ports(new_cluster, tmp_path):
    c = new_cluster(up=False)
    other = [*c.arguments(memory="192mb"), "--dir", str(tmp_path / "other")]
    ups = [subprocess.Popen([INFINICACHE, "up", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True) for words in (c.arguments(), other)]
    try:
        said = [up.communicate(timeout=60)[1] for up in ups]
        assert sorted(up.returncode for up in ups) == [0, 2], said
        assert all("in use" in text for up, text in zip(ups, said) if up.returncode), said
        assert not any("proxy ended" in text for text in said), "it had taken the other's platform for its own"
        assert c.redis().set("k", noise(1_000_000))
    finally:
        run("down", "--dir", tmp_path / "other")


def test_an_interrupted_up_leaves_nothing(new_cluster):
    c = new_cluster(up=False)
    words = [w for name, value in c.options.items() for w in (f"--{name}", str(value))]
    p = subprocess.Popen([str(INFINICACHE), "up", "--dir", str(c.dir), *words],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         preexec_fn=default_signals)
    wait_until(lambda: c.pid_of("platform") or p.poll() is not None, "the platform starts")
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=60)
    if p.returncode != 0:  # it may have been done already
        assert p.returncode == -signal.SIGINT
        leaves_nothing(c)


# ---- up fails ---------------------------------------------------------------

@pytest.mark.parametrize("which", ["port", "node-port", "http-port", "platform-port"])
def test_a_port_in_use_is_named_with_its_owner(new_cluster, which):
    c = new_cluster(up=False)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", c.options[which]))
        s.listen()
        done = c.up(check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert str(c.options[which]) in done.stderr and f"--{which}" in done.stderr
    assert f"pid {os.getpid()}" in done.stderr
    leaves_nothing(c)
    c.up()  # nothing of the failure is in the way


def test_one_port_twice_is_refused(new_cluster):
    c = new_cluster(up=False)
    done = c.up(check=False, node_port=c.port)
    assert done.returncode == 2 and "node-port" in done.stderr
    leaves_nothing(c)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_named(new_cluster, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small],
                      check=False).returncode != 0:
        pytest.skip("no right to mount")
    try:
        c = new_cluster(up=False)
        c.dir = small / "state"
        done = c.up(check=False)
        assert done.returncode == 2
        assert "No space left" in done.stderr and str(small) in done.stderr
        leaves_nothing(c)
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_folder_that_cannot_be_is_named(new_cluster, tmp_path):
    (tmp_path / "file").write_text("")
    c = new_cluster(up=False)
    shutil.rmtree(c.dir)
    c.dir = tmp_path / "file" / "below"
    done = c.up(check=False)
    assert done.returncode == 2 and "below" in done.stderr
    leaves_nothing(c)


def test_a_bad_directive_is_named_with_file_and_line(new_cluster, tmp_path):
    bad = tmp_path / "bad.conf"
    bad.write_text("# a comment\nlease 2s\nlease quickly\n")
    c = new_cluster(up=False)
    done = c.up(check=False, config=bad)
    assert done.returncode == 2
    assert f"{bad}:3" in done.stderr and "quickly" in done.stderr and "lease" in done.stderr
    leaves_nothing(c)


@pytest.mark.parametrize("name,value", [("no-such-thing", "1"), ("functions", "many"),
                                        ("memory", "1kb"), ("functions", "0"), ("function-prefix", "a b"),
                                        ("function-prefix", ""), ("function-prefix", "x" * 41)])
def test_a_bad_option_is_named(new_cluster, name, value):
    c = new_cluster(up=False)
    done = c.up(check=False, **{name: value})
    assert done.returncode == 2 and name in done.stderr and done.stdout == ""
    leaves_nothing(c)


def test_a_pool_smaller_than_its_code_is_refused(new_cluster):
    c = new_cluster(up=False, functions=11)
    done = c.up(check=False)
    assert done.returncode == 2 and "10+2" in done.stderr
    leaves_nothing(c)


def test_a_missing_bootstrap_is_named(new_cluster, tmp_path):
    lone = tmp_path / "infinicache"
    shutil.copy(INFINICACHE, lone)
    c = new_cluster(up=False)
    words = [w for name, value in c.options.items() for w in (f"--{name}", str(value))]
    done = subprocess.run([lone, "up", "--dir", c.dir, *words], capture_output=True, text=True,
                          timeout=60, check=False)
    if done.returncode == 0:
        c.down()
        pytest.skip("an installed bootstrap was found")
    assert done.returncode == 2 and "bootstrap" in done.stderr and str(tmp_path) in done.stderr
    leaves_nothing(c)


def test_an_installed_command_finds_its_bootstrap(new_cluster, tmp_path):
    for source, place in ((INFINICACHE, "bin/infinicache"),
                          (BOOTSTRAP, "libexec/infinicache/bootstrap")):
        (tmp_path / place).parent.mkdir(parents=True)
        shutil.copy(source, tmp_path / place)
    c = new_cluster(up=False)
    words = [w for name, value in c.options.items() for w in (f"--{name}", str(value))]
    subprocess.run([tmp_path / "bin/infinicache", "up", "--dir", c.dir, *words], check=True,
                   capture_output=True, timeout=60)
    assert c.redis().set("k", "v")


def test_a_folder_has_one_name(new_cluster, tmp_path):
    """A folder that does not exist yet, named in a roundabout way, is the same the next time."""
    c = new_cluster(up=False)
    (tmp_path / "link").symlink_to(c.dir)
    c.dir = tmp_path / "link" / ".." / c.dir.name / "new"
    c.up()
    assert "already" in c.up().stdout
    c.dir = c.dir.resolve()
    assert "already" in c.up().stdout


def test_settings_come_from_file_and_command_line(new_cluster, tmp_path):
    conf = tmp_path / "my.conf"
    conf.write_text('lease 3s\nwarm-interval "90s"\n')
    c = new_cluster(options={"lease": "4s", "config": conf})  # the command line wins
    assert c.redis().config_get("lease") == {"lease": "4s"}
    assert c.redis().config_get("warm-interval") == {"warm-interval": "90s"}


# ---- down and status --------------------------------------------------------

def test_down_ends_everything(new_cluster):
    c = new_cluster()
    pids = [c.pid_of("proxy"), c.pid_of("platform"), *(r["pid"] for r in c.instances())]
    done = c.down()
    assert not any(alive(pid) for pid in pids)
    assert c.ports_free()
    assert done.returncode == 0
    again = c.down()
    assert again.returncode == 0 and "Nothing" in again.stdout
    c.up()
    assert c.redis().set("k", "v")


def test_down_where_nothing_ever_was(tmp_path):
    assert run("down", "--dir", tmp_path / "nowhere").returncode == 0
    assert not (tmp_path / "nowhere").exists()


def test_down_and_status_say_where_they_looked_and_what_runs_elsewhere(cluster, tmp_path):
    elsewhere = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    for command in ("down", "status"):
        done = run(command, env=elsewhere)
        assert done.returncode == 1, "no folder was named, and something runs"
        assert str(tmp_path / "infinicache") in done.stdout
        assert f"infinicache {command} --dir {cluster.dir.resolve()}`" in done.stdout
    named = run("down", "--dir", tmp_path)
    assert named.returncode == 0 and str(cluster.dir.resolve()) in named.stdout
    assert cluster.redis().ping()


def test_down_and_status_take_the_folder_of_a_file(new_cluster, tmp_path):
    c = new_cluster()
    (tmp_path / "its.conf").write_text(f"dir {c.dir}\n")
    assert str(c.port) in run("status", "--config", tmp_path / "its.conf").stdout
    assert run("down", "--config", tmp_path / "its.conf").stdout == "InfiniCache is down.\n"
    leaves_nothing(c)
    missing = run("down", "--config", tmp_path / "no.conf")
    assert missing.returncode == 2 and "no.conf" in missing.stderr


def make(target, *words, build=BUILD, old="all"):
    return subprocess.run(["make", "-s", "-C", ROOT, "-o", old, f"BUILD={build}", target, *words], env={
        key: value for key, value in os.environ.items() if not key.startswith("MAKE")}, capture_output=True, text=True,
        timeout=120, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("words", [[], ["the same"]])
def test_make_stop_ends_what_make_start_started(new_cluster, tmp_path, words):
    c = new_cluster(up=False)
    c.dir.rmdir()
    c.dir = tmp_path / "it's two words"
    settings = f"UP={shlex.join(c.arguments(functions=12))}"
    note = tmp_path / "started"  # not that of who runs these tests
    started = make("start", settings, f"started={note}")
    assert started.returncode == 0, started.stdout + started.stderr
    assert c.redis().set("k", "v")
    stopped = make("stop", f"started={note}", *(settings for _ in words))
    assert stopped.returncode == 0 and "InfiniCache is down." in stopped.stdout, stopped.stdout + stopped.stderr
    assert not note.exists() or note.read_text() == "", "it is ended once"
    leaves_nothing(c)


def test_make_stop_ends_the_others_of_what_make_start_started(new_cluster, tmp_path):
    """A start that failed is not among them, nor does one whose words are good no more hide another."""
    c = new_cluster(up=False)
    note = tmp_path / "started"
    (tmp_path / "z.conf").write_text("")
    for words in ("--dir", f"--dir {tmp_path / 'z.conf'}"):
        assert make("start", f"UP={words}", f"started={note}").returncode != 0
    started = make("start", f"UP={shlex.join(c.arguments(functions=12))}", f"started={note}")
    assert started.returncode == 0, started.stdout + started.stderr
    assert len(note.read_text().splitlines()) == 1
    note.write_text(f"'--config' '{tmp_path / 'gone.conf'}'\n" + note.read_text() + "'--dir'\n")
    stopped = make("stop", f"started={note}")
    assert stopped.returncode != 0 and "InfiniCache is down." in stopped.stdout
    assert "gone.conf" in stopped.stderr and "--dir needs a value" in stopped.stderr
    assert not note.exists(), "what cannot be is told once"
    leaves_nothing(c)


def test_make_stop_ends_what_make_start_started_before_make_clean(new_cluster, tmp_path):
    c = new_cluster(up=False)
    build = tmp_path / "build"
    build.mkdir()
    programs = [str(BUILD / name) for name in ("infinicache", "bootstrap")]
    copied = f"SUBMAKE=@cp {shlex.join([*programs, str(build)])} #"  # it is built, as far as a test need wait for it
    started = make("start", f"UP={shlex.join(c.arguments(functions=12))}", copied, build=build, old="packages")
    assert started.returncode == 0, started.stdout + started.stderr
    cleaned = make("clean", build=build)
    assert "runs on" in cleaned.stdout and "make stop" in cleaned.stdout
    assert [path.name for path in build.iterdir()] == ["started"]
    stopped = make("stop", copied, build=build, old="packages")
    assert stopped.returncode == 0 and "InfiniCache is down." in stopped.stdout, stopped.stdout + stopped.stderr
    leaves_nothing(c)
    assert make("clean", build=build).stdout == "" and not build.exists()
    assert make("clean", build=build).returncode == 0, "there is nothing to be cleaned"


def test_down_ends_what_is_frozen(new_cluster):
    c = new_cluster()
    pids = [c.pid_of("proxy"), c.pid_of("platform"), *(r["pid"] for r in c.instances())]
    for part in ("proxy", "platform"):
        c.kill(part, signal.SIGSTOP)
    c.down()
    assert not any(alive(pid) for pid in pids)


def test_down_ends_the_instances_of_a_dead_platform(new_cluster):
    c = new_cluster()
    pids = [r["pid"] for r in c.instances()]
    c.kill("platform")
    c.down()
    assert not any(alive(pid) for pid in pids)
    leaves_nothing(c)


@pytest.mark.parametrize("lost", ["proxy.pid", "settings", ""])
def test_what_runs_is_found_whatever_its_folder_lost(new_cluster, lost):
    c = new_cluster()
    c.redis().set("k", "v")
    pids = [str(c.pid_of(part)) for part in ("proxy", "platform")]
    (c.dir / lost).unlink() if lost else shutil.rmtree(c.dir)
    status = c.status(check=False)
    assert all(f"pid {pid} " in status.stdout for pid in pids), status.stdout
    again = c.up(check=False)
    assert again.returncode == 0 if lost == "proxy.pid" else "something runs there" in again.stderr
    assert c.redis().get("k") == b"v"
    assert c.down().stdout == "InfiniCache is down.\n"
    leaves_nothing(c)


def test_a_recycled_pid_is_left_alone(new_cluster):
    c = new_cluster()
    old = (c.dir / "proxy.pid").read_text().split()
    c.down()
    other = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        (c.dir / "proxy.pid").write_text(" ".join([str(other.pid), *old[1:]]) + "\n")
        assert c.status(check=False).returncode == 1
        c.down()
        assert other.poll() is None
    finally:
        other.communicate()


def test_status_names_ports_and_pids(cluster):
    text = cluster.status().stdout
    for number in (cluster.port, cluster.node_port, cluster.http_port, cluster.platform_port,
                   cluster.pid_of("proxy"), cluster.pid_of("platform"), cluster.functions):
        assert str(number) in text
    assert "128 MiB" in text


def test_a_folder_of_two_lines_is_refused(tmp_path):
    folder = tmp_path / "two\nlines"
    for command in ("up", "down", "status"):
        done = run(command, "--dir", folder)
        assert done.returncode == 2 and "control character" in done.stderr
    assert not folder.exists()


def test_status_where_nothing_runs(tmp_path):
    done = run("status", "--dir", tmp_path)
    assert done.returncode == 1 and "infinicache up" in done.stdout


# ---- put and get ------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 65536, 5_000_000])
def test_put_and_get_files(cluster, tmp_path, size):
    (tmp_path / "in").write_bytes(noise(size))
    cluster.put(f"file-{size}", tmp_path / "in")
    assert cluster.redis().get(f"file-{size}") == noise(size)
    cluster.get(f"file-{size}", tmp_path / "out")
    assert sha256_file(tmp_path / "out") == sha256_file(tmp_path / "in")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize("size", [0, 1, 3_000_001])
@pytest.mark.parametrize("words", [[], ["-"]])
def test_put_and_get_pipes(cluster, size, words):
    cluster.put("pipe", *words, input=noise(size), text=False)
    done = cluster.get("pipe", *words, text=False)
    assert sha256(done.stdout) == sha256(noise(size))


def test_put_of_a_pipe_with_its_size(cluster):
    cluster.put("sized", "--size", "1000", input=noise(2000), text=False)
    assert cluster.redis().get("sized") == noise(2000)[:1000]
    done = cluster.put("sized", "--size=3000", input=noise(2000), text=False, check=False)
    assert done.returncode == 2
    assert cluster.redis().get("sized") == noise(2000)[:1000]


def test_put_of_redirected_input_begins_where_it_stands(cluster, tmp_path):
    (tmp_path / "in").write_bytes(b"0123456789")
    with open(tmp_path / "in", "rb") as f:
        f.seek(4)
        os.lseek(f.fileno(), 4, os.SEEK_SET)
        cluster.command("put", "--port", cluster.port, "tail", stdin=f)
    assert cluster.redis().get("tail") == b"456789"


def test_get_of_no_such_key(cluster, tmp_path):
    out = tmp_path / "out"
    out.write_text("old")
    done = cluster.get("no-such-key", out, check=False)
    assert done.returncode == 1 and "no-such-key" in done.stderr
    assert out.read_text() == "old" and list(tmp_path.iterdir()) == [out]


def test_get_keeps_mode_and_link(cluster, tmp_path):
    cluster.redis().set("k", "new")
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    cluster.get("k", tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("args", [["put", "k", "/no/such/file"], ["put", "k", "/usr"],
                                  ["put"], ["put", "a", "b", "c"], ["get"],
                                  ["get", "k", "/no/such/folder/out"], ["get", "k", "/usr"],
                                  ["get", "k", "--no-such-option", "1"]])
def test_put_and_get_name_what_is_wrong(cluster, args):
    cluster.redis().set("k", "v")
    done = cluster.command(*args, "--port", cluster.port, check=False)
    assert done.returncode == 2 and done.stderr.startswith("infinicache: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["put", "k"], ["get", "k"], ["top"], ["bench"], ["replay", "/dev/null"]])
@pytest.mark.parametrize("port", ["abc", "", "0", "65537"])
def test_what_is_no_port_is_named(command, port):
    done = run(*command, "--port", port)
    assert done.returncode == 2 and f"bad value '{port}' for --port" in done.stderr


def test_put_without_a_proxy_says_how_to_start_one():
    done = run("put", "k", "--port", free_ports(1)[0])
    assert done.returncode == 2 and "infinicache up" in done.stderr


def test_put_above_the_limit_is_refused_with_the_way_out(new_cluster, tmp_path):
    c = new_cluster(options={"max-object-size": "1mb"})
    c.redis().set("k", "old")
    (tmp_path / "big").write_bytes(noise((1 << 20) + 1))
    for done in (c.put("k", tmp_path / "big", check=False),
                 c.put("k", input=noise((1 << 20) + 1), text=False, check=False)):
        assert done.returncode == 2 and "max-object-size" in str(done.stderr)
    assert c.redis().get("k") == b"old"


def test_the_folder_tells_the_port(cluster, tmp_path):
    cluster.command("put", "--dir", cluster.dir, "by-dir", input="v")
    assert cluster.command("get", "--dir", cluster.dir, "by-dir").stdout == "v"


def test_passwords(new_cluster, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    c = new_cluster(options={"requirepass-file": secret})
    done = c.put("k", input="v", check=False)
    assert done.returncode == 2 and "INFINICACHE_PASSWORD" in done.stderr
    c.put("k", "--password-file", secret, input="v")
    c.environment["INFINICACHE_PASSWORD"] = "open sesame"
    assert c.get("k").stdout == "v"
    c.environment["INFINICACHE_PASSWORD"] = "wrong"
    assert c.get("k", check=False).returncode == 2
    words = pathlib.Path(f"/proc/{c.pid_of('proxy')}/cmdline").read_bytes()
    assert b"sesame" not in words and "sesame" not in c.logs(10**9)


def test_an_object_is_in_no_file(cluster):
    data = noise(4096, seed=77) * 50
    mark = noise(4096, seed=77)[100:164]
    cluster.put("secret", input=data, text=False)
    assert cluster.redis().get("secret") == data
    for path in cluster.dir.rglob("*"):
        if path.is_file():
            assert mark not in path.read_bytes(), path


def test_progress_on_a_terminal_only(cluster, tmp_path):
    (tmp_path / "in").write_bytes(noise(3_000_000))
    assert cluster.put("bar", tmp_path / "in").stderr == ""
    master, slave = pty.openpty()
    cluster.put("bar", tmp_path / "in", stderr=slave)
    os.close(slave)
    shown = ""
    with contextlib.suppress(OSError):  # EIO: that was all
        while more := os.read(master, 1 << 16):
            shown += more.decode()
    os.close(master)
    assert "bar" in shown and "100 %" in shown


# ---- a proxy that misbehaves ------------------------------------------------

@contextlib.contextmanager
def fake_proxy(answer):
    """Listens, and lets ANSWER(connection) play the proxy for one client; yields its port."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = s.accept()
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield s.getsockname()[1]
        thread.join(timeout=20)


def limit_then(reply, wait_for=b"\r\n"):
    """Answers CONFIG GET, reads until WAIT_FOR was seen, sends REPLY."""
    def answer(connection):
        seen = b""
        while b"max-object-size\r\n" not in seen:
            seen += connection.recv(4096)
        connection.sendall(b"*2\r\n$15\r\nmax-object-size\r\n$10\r\n4294967296\r\n")
        seen = b""
        while wait_for not in seen:
            seen = seen[-64:] + connection.recv(65536)
        connection.sendall(reply)
    return answer


def test_a_connection_that_breaks_leaves_the_file_alone(tmp_path):
    out = tmp_path / "out"
    out.write_text("old")

    def answer(connection):
        connection.recv(4096)
        connection.sendall(b"$1000\r\n" + b"x" * 500)

    with fake_proxy(answer) as port:
        done = run("get", "k", out, "--port", port)
    assert done.returncode == 2 and "500 of 1000" in done.stderr
    assert out.read_text() == "old" and list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_the_temporary_file(tmp_path, sig):
    out = tmp_path / "out"
    over = threading.Event()

    def answer(connection):
        connection.recv(4096)
        connection.sendall(b"$1000\r\n" + b"x" * 500)
        over.wait(30)

    with fake_proxy(answer) as port:
        p = subprocess.Popen([INFINICACHE, "get", "k", out, "--port", str(port)],
                             stderr=subprocess.PIPE, preexec_fn=default_signals)
        wait_until(lambda: list(tmp_path.iterdir()), "the temporary file is there")
        p.send_signal(sig)
        p.communicate(timeout=30)
        over.set()
    assert p.returncode == -sig
    assert list(tmp_path.iterdir()) == []


def test_an_early_refusal_is_heard(tmp_path):
    big = tmp_path / "big"
    with open(big, "wb") as f:
        f.truncate(200 << 20)
    with fake_proxy(limit_then(b"-OOM no room for this\r\n")) as port:
        done = run("put", "k", big, "--port", port)
    assert done.returncode == 2 and "OOM no room for this" in done.stderr


def test_an_error_reply_is_shown():
    with fake_proxy(lambda connection: (connection.recv(4096),
                                        connection.sendall(b"-ERR out of order\r\n"))) as port:
        done = run("get", "k", "--port", port)
    assert done.returncode == 2 and "ERR out of order" in done.stderr


def test_what_is_no_proxy_is_told_apart():
    with fake_proxy(lambda connection: (connection.recv(4096),
                                        connection.sendall(b"HTTP/1.1 400 Bad\r\n"))) as port:
        done = run("get", "k", "--port", port)
    assert done.returncode == 2 and "HTTP/1.1 400" in done.stderr
