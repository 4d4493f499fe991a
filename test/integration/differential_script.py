"""What test_differential.py plays, and what may differ.

SCRIPT: a command per line, words as a shell has them, \\x00 within quotes; `b:` in front plays it
on connection b; ` | ` sends several commands at once. The script begins and ends without keys.
"""
import re

from resp_wire import pairs, parse

SCRIPT = r"""
FLUSHALL
# ---- connection
PING
PING hello
PING ""
PING a b
ping
PiNg x
ECHO hi
ECHO ""
ECHO "a\x00b\r\nc"
ECHO
ECHO a b
SELECT 0
SELECT 1
SELECT -1
SELECT x
SELECT 99999999999999999999
SELECT 3000000000
SELECT
AUTH
AUTH x
AUTH default x
AUTH nobody x
AUTH a b c
HELLO 1
HELLO 4
HELLO x
HELLO 2 FOO
HELLO 2 SETNAME
HELLO 2 SETNAME "a b"
HELLO 2 AUTH default
HELLO 2 AUTH nobody x
d:HELLO 2 SETNAME dora
d:CLIENT GETNAME
d:HELLO 3 AUTH default any
d:CLIENT GETNAME
d:HELLO
d:RESET
d:CLIENT GETNAME
d:RESET x
d:QUIT
e:QUIT now
NOSUCH
NOSUCH a b c
NOSUCH "a\r\nb" "c\x00d" e
nosuch aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b c d
nosuch aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccccccccccccccccccccccccccc
xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx a
""
# ---- client
CLIENT
CLIENT NOSUCH
CLIENT nosuch a b
CLIENT SETNAME anna
CLIENT GETNAME
CLIENT SETNAME "a b"
CLIENT SETNAME "a\nb"
CLIENT GETNAME
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT SETNAME
CLIENT GETNAME x
CLIENT ID
CLIENT ID x
CLIENT INFO
CLIENT INFO x
CLIENT LIST
CLIENT LIST TYPE normal
CLIENT LIST TYPE pubsub
CLIENT LIST TYPE nosuch
CLIENT LIST TYPE
CLIENT LIST ID x
CLIENT LIST ID 999999
CLIENT LIST foo
CLIENT KILL
CLIENT KILL 1.2.3.4:5
CLIENT KILL ID 0
CLIENT KILL ID x
CLIENT KILL ID 999999
CLIENT KILL ADDR 1.2.3.4:5
CLIENT KILL LADDR 1.2.3.4:5
CLIENT KILL USER nobody
CLIENT KILL TYPE nosuch
CLIENT KILL TYPE pubsub
CLIENT KILL SKIPME maybe
CLIENT KILL ID 999999 SKIPME yes ADDR 1.2.3.4:5
CLIENT KILL FOO bar
CLIENT KILL ID
CLIENT KILL ID 1 SKIPME
CLIENT NO-EVICT on
CLIENT NO-EVICT OFF
CLIENT NO-EVICT maybe
CLIENT NO-EVICT
CLIENT NO-TOUCH on
CLIENT NO-TOUCH off
CLIENT NO-TOUCH maybe
CLIENT SETINFO lib-name me
CLIENT SETINFO LIB-VER 1.2
CLIENT SETINFO lib-name "a b"
CLIENT SETINFO foo bar
CLIENT SETINFO lib-name
CLIENT REPLY maybe
CLIENT REPLY
CLIENT REPLY ON
CLIENT REPLY SKIP | ECHO unseen#silent | ECHO seen
CLIENT REPLY SKIP | CLIENT REPLY ON
CLIENT HELP
CLIENT HELP x
# ---- strings
GET none
SET k v
GET k
get K
SET k ""
GET k
STRLEN k
SET k "with \x00 zero and \r\n"
GET k
STRLEN k
SET
SET k
SET k v FOO
SET k v NX
SET k2 v NX
SET k v XX
SET k3 v XX
SET k v NX XX
SET k v XX NX
SET k v NX NX
SET k v nx get
SET k w XX GET
SET k4 v GET
SET k4 w GET
SET k5 v NX GET
SET k5 w NX GET
SET k6 v XX GET
GET k6
SET k v EX 100
TTL k
SET k v KEEPTTL
TTL k
SET k v
TTL k
SET k v PX 100000
TTL k
SET k v EXAT 4102444800
EXPIRETIME k
PEXPIRETIME k
SET k v PXAT 4102444800123
PEXPIRETIME k
EXPIRETIME k
SET k v EX
SET k v EX 0
SET k v EX -1
SET k v EX x
SET k v EX 1.5
SET k v EX 9223372036854775807
SET k v EX 9223372036854776
SET k v PX 9223372036854775807
SET k v PX 0
SET k v PXAT 0
SET k v EXAT -5
SET k v EX 10 PX 10
SET k v PX 10 EX 10
SET k v EX 10 EX 20
TTL k
SET k v EX 10 KEEPTTL
SET k v KEEPTTL EX 10
SET k v KEEPTTL KEEPTTL
SET k v PERSIST
SET k v EX 100 NX
SET k v EXAT 1
GET k
EXISTS k
SET k v PXAT 1
EXISTS k
SETNX k v
SETNX k w
GET k
SETNX k
SETNX k v w
SETEX k 100 v
TTL k
SETEX k 0 v
SETEX k -1 v
SETEX k x v
SETEX k 9223372036854775807 v
SETEX k 100
PSETEX k 100000 v
TTL k
PSETEX k 0 v
PSETEX k x v
PSETEX k 9223372036854775807 v
GETSET k w
GETSET k x
TTL k
GETSET none1 x
GETSET none1
GETEX k
GETEX k EX 100
TTL k
GETEX k PERSIST
TTL k
GETEX k PERSIST
GETEX k PX 100000
TTL k
GETEX k EXAT 4102444800
EXPIRETIME k
GETEX k PXAT 4102444800123
PEXPIRETIME k
GETEX k EX 0
GETEX k EX x
GETEX k EX
GETEX k FOO
GETEX k NX
GETEX k KEEPTTL
GETEX k EX 1 PERSIST
GETEX k PERSIST EX 1
GETEX none EX 100
GETEX none EX x
GETEX none EX 0
GETEX k EXAT 1
EXISTS k
GETEX
SET k v
GETDEL k
GETDEL k
GETDEL
GETDEL a b
MSET a 1 b 2 c 3
MGET a b c d
MGET a a
MGET
MSET a
MSET a 1 b
MSET
MSET a 1 a 2
GET a
MSETNX a 1 z 2
EXISTS z
MSETNX z 1 y 2
MGET z y
MSETNX a
MSETNX a 1 b
MSETNX q 1 q 2
GET q
SET r "0123456789"
GETRANGE r 0 3
GETRANGE r 0 -1
GETRANGE r -3 -1
GETRANGE r -1 -3
GETRANGE r 5 2
GETRANGE r 20 30
GETRANGE r 5 100
GETRANGE r -100 3
GETRANGE r -100 -100
GETRANGE r 9 9
GETRANGE r 10 10
GETRANGE none 0 1
GETRANGE r x 1
GETRANGE r 0 y
GETRANGE r 0
GETRANGE r 0 9223372036854775807
GETRANGE r -9223372036854775808 -1
SUBSTR r 2 4
SUBSTR none 0 1
SUBSTR r
SET empty ""
GETRANGE empty 0 -1
STRLEN none
STRLEN
STRLEN a b
# ---- keys
DEL none
SET k v
DEL k k
DEL a b c none
DEL
SET k v
UNLINK k none
UNLINK
MSET a 1 b 2
EXISTS a b none
EXISTS a a a
EXISTS
TYPE a
TYPE none
TYPE
TOUCH a b none
TOUCH
RENAME a a2
GET a2
RENAME none x
RENAME none none
RENAME a2 a2
RENAME a2 b
GET b
RENAME b
SET t v EX 1000
RENAME t t2
TTL t2
SET u v
RENAME u t2
TTL t2
MSET a 1 b 2
RENAMENX a b
RENAMENX a c
RENAMENX none x
RENAMENX c c
RENAMENX c
COPY c d
GET d
COPY c d
COPY c d REPLACE
COPY c c
COPY none e
COPY none d REPLACE
COPY c e DB 0
COPY c f DB 5
COPY c f DB x
COPY c f DB
COPY c f DB 99999999999
COPY c f FOO
COPY c
SET t v EX 1000
COPY t t3
TTL t3
DEL t
GET t3
COPY c t3 REPLACE
TTL t3
DEL c
GET d
GET e
FLUSHALL
RANDOMKEY
SET only 1
RANDOMKEY
RANDOMKEY x
DBSIZE
DBSIZE x
FLUSHDB
DBSIZE
FLUSHDB SYNC
FLUSHDB ASYNC
FLUSHDB FOO
FLUSHDB SYNC ASYNC
FLUSHALL sync
FLUSHALL FOO
MSET one 1 two 2 three 3 four 4 five 5 six 6 seven 7
KEYS *
KEYS t*
KEYS *e
KEYS ?ix
KEYS f[io]*
KEYS f[^i]*
KEYS [a-s]*
KEYS "\\\\*"
KEYS ""
KEYS nothing*
KEYS
KEYS a b
SCAN 0 COUNT 1000
SCAN 0 MATCH t* COUNT 1000
SCAN 0 TYPE string COUNT 1000
SCAN 0 TYPE list COUNT 1000
SCAN 0 TYPE nosuch COUNT 1000
SCAN 0 match f* type STRING count 1000
SCAN 0 COUNT 0
SCAN 0 COUNT -1
SCAN 0 COUNT x
SCAN 0 COUNT
SCAN 0 MATCH
SCAN 0 FOO 1
SCAN x
SCAN " 0"
SCAN 99999999999999999999999
SCAN ""
SCAN
# ---- expiry
FLUSHALL
SET k v
TTL k
PTTL k
EXPIRETIME k
PEXPIRETIME k
TTL none
PTTL none
EXPIRETIME none
PEXPIRETIME none
EXPIRE k 100
TTL k
PEXPIRE k 100000
TTL k
EXPIREAT k 4102444800
EXPIRETIME k
PEXPIREAT k 4102444800123
PEXPIRETIME k
EXPIRETIME k
PERSIST k
PERSIST k
PERSIST none
EXPIRE none 100
EXPIRE k x
EXPIRE k 1.5
EXPIRE k
EXPIRE k 9223372036854775807
EXPIRE k -9223372036854775807
PEXPIRE k 9223372036854775807
EXPIREAT k 9223372036854775807
EXPIRE k 100 FOO
EXPIRE k 100 NX XX
EXPIRE k 100 NX GT
EXPIRE k 100 NX LT
EXPIRE k 100 GT LT
EXPIRE k 100 XX GT LT
EXPIRE k 100 XX
EXPIRE k 100 GT
EXPIRE k 100 LT
TTL k
EXPIRE k 50 NX
EXPIRE k 50 GT
EXPIRE k 200 LT
EXPIRE k 200 GT
TTL k
EXPIRE k 50 LT
TTL k
EXPIRE k 60 XX
TTL k
EXPIRE k 40 xx gt
EXPIRE k 600 XX GT
TTL k
PERSIST k
EXPIRE k 70 NX
TTL k
PEXPIRE k 80000 XX
EXPIREAT k 4102444801 GT
EXPIRETIME k
PEXPIREAT k 4102444800000 GT
EXPIRETIME k
EXPIRE k 0
EXISTS k
SET k v
EXPIRE k -1
EXISTS k
SET k v
EXPIREAT k 1
EXISTS k
SET k v
PEXPIREAT k 1
EXISTS k
SET k v
PEXPIRE k -5
EXISTS k
EXPIRE
EXPIREAT k
TTL
PERSIST
# ---- transactions
MULTI
SET a 1
GET a
NOSUCH
EXEC
MULTI
SET a 1
GET a
SET a 2 GET
STRLEN a
GETRANGE a 0 0
DEL a
GET a
EXEC
EXEC
DISCARD
MULTI
MULTI
SET a 1
DISCARD
GET a
MULTI
EXEC
MULTI x
MULTI
SET a
EXEC
GET a
MULTI
SET a v BADOPTION
SET a v EX 0
SETEX a 0 v
EXPIRE a x
MSET a 1 b
GETEX a FOO
PING
ECHO hi
EXEC
GET a
MULTI
EXEC x
EXEC
MULTI
WATCH a
PING
EXEC
MULTI
MSET a 1 b 2
MGET a b
GETSET a 3
GETDEL a
EXISTS a b
RENAME b c
COPY c d
KEYS c
DBSIZE
FLUSHALL
DBSIZE
EXEC
WATCH a
b:SET a other
MULTI
SET a mine
EXEC
GET a
WATCH a
MULTI
SET a mine
EXEC
GET a
WATCH a
b:SET a other
UNWATCH
MULTI
SET a mine
EXEC
WATCH a b
b:DEL b
MULTI
PING
EXEC
WATCH nokey
b:SET nokey 1
MULTI
PING
EXEC
WATCH nokey2
b:SET nokey2 1
b:DEL nokey2
MULTI
PING
EXEC
WATCH a
b:EXPIRE a 1000
MULTI
PING
EXEC
WATCH a
b:FLUSHALL
MULTI
PING
EXEC
WATCH a
SET a own
MULTI
PING
EXEC
WATCH a
b:GET a
b:TTL a
b:TOUCH a
MULTI
PING
EXEC
WATCH a
b:RENAME a a3
MULTI
PING
EXEC
WATCH
UNWATCH x
UNWATCH
DISCARD x
MULTI
GET a
DISCARD
c:MULTI
c:SET a queued
c:RESET
c:EXEC
c:MULTI
c:SET x 1
c:QUIT
EXISTS x
MULTI | SET p 1 | GET p | EXEC
MULTI | SHUTDOWN | EXEC
MULTI | READONLY | CLUSTER KEYSLOT a | EXEC
# ---- no cluster
READONLY
READWRITE
ASKING
READONLY x
ASKING x
CLUSTER
CLUSTER FOO
CLUSTER HELP
CLUSTER INFO
CLUSTER NODES
CLUSTER SLOTS
CLUSTER SHARDS
CLUSTER MYID
CLUSTER KEYSLOT a
CLUSTER KEYSLOT
CLUSTER COUNTKEYSINSLOT 0
CLUSTER MEET 127.0.0.1 7000
CLUSTER FAILOVER
CLUSTER RESET
CLUSTER SETSLOT 1 NODE x
# ---- pipelines
SET p1 a | GET p1 | SET p1 b | GET p1 | DEL p1 | GET p1 | PING
GET none | NOSUCH | SET p2 x | STRLEN p2 | MGET p2 none p2 | DEL p2
MSET p1 1 p2 2 | MGET p1 p2 | FLUSHALL | MGET p1 p2 | DBSIZE
# ---- objects
SET o v
OBJECT
OBJECT HELP
OBJECT ENCODING o
OBJECT ENCODING none
OBJECT REFCOUNT o
OBJECT REFCOUNT none
OBJECT IDLETIME o
OBJECT IDLETIME none
OBJECT FREQ o
OBJECT FREQ none
OBJECT ENCODING
OBJECT FOO o
MEMORY
MEMORY HELP
MEMORY USAGE o
MEMORY USAGE none
MEMORY USAGE o SAMPLES 5
MEMORY USAGE o SAMPLES x
MEMORY USAGE o SAMPLES -1
MEMORY USAGE o FOO 1
MEMORY USAGE o SAMPLES
MEMORY USAGE
MEMORY FOO
# ---- server
TIME
TIME x
COMMAND COUNT
COMMAND COUNT x
COMMAND FOO
COMMAND INFO get
COMMAND INFO set
COMMAND INFO SET GETRANGE nosuch
COMMAND INFO mget mset msetnx setnx getset strlen
COMMAND INFO setex psetex getdel getex substr
COMMAND INFO del unlink exists type touch
COMMAND INFO expire pexpire expireat pexpireat ttl pttl expiretime pexpiretime persist
COMMAND INFO rename renamenx copy randomkey
COMMAND INFO keys
COMMAND INFO scan
COMMAND INFO dbsize flushdb flushall time shutdown
COMMAND INFO multi exec discard watch unwatch
COMMAND INFO ping echo select auth hello
COMMAND INFO readonly readwrite asking cluster
COMMAND INFO cluster|addslots cluster|addslotsrange cluster|bumpepoch cluster|count-failure-reports cluster|countkeysinslot
COMMAND INFO cluster|delslots cluster|delslotsrange cluster|failover cluster|flushslots cluster|forget cluster|getkeysinslot
COMMAND INFO cluster|help cluster|info cluster|keyslot cluster|links cluster|meet cluster|myid cluster|nodes cluster|replicas
COMMAND INFO cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot cluster|shards
COMMAND INFO cluster|slaves cluster|slots
COMMAND DOCS cluster|slots readonly
COMMAND INFO quit reset
COMMAND INFO client|list client|id nosuch|x get|x
COMMAND INFO config|get object|freq memory|usage slowlog|get latency|histogram
COMMAND INFO info
COMMAND DOCS nosuch
COMMAND DOCS get
COMMAND DOCS getset
COMMAND LIST FILTERBY MODULE none
COMMAND LIST FILTERBY PATTERN ge*
COMMAND LIST FILTERBY FOO x
COMMAND LIST FOO
COMMAND LIST FILTERBY PATTERN
COMMAND GETKEYS GET a
COMMAND GETKEYS MSET a 1 b 2
COMMAND GETKEYS DEL a b c
COMMAND GETKEYS RENAME a b
COMMAND GETKEYS COPY a b
COMMAND GETKEYS PING
COMMAND GETKEYS NOSUCH x
COMMAND GETKEYS GET
COMMAND GETKEYS GET a b
COMMAND GETKEYS OBJECT ENCODING a
COMMAND GETKEYS
COMMAND HELP
CONFIG
CONFIG FOO
CONFIG HELP
CONFIG GET
CONFIG GET nosuch
CONFIG GET maxclients
CONFIG GET MAXCLIENTS
CONFIG GET maxclient?
CONFIG GET maxclients nosuch maxclients
CONFIG SET maxclients
CONFIG SET maxclients 9000
CONFIG GET maxclients
CONFIG SET maxclients 10000
CONFIG GET save
CONFIG GET appendonly
CONFIG GET databases
CONFIG GET save appendonly SAVE
CONFIG GET sav?
CONFIG SET save ""
CONFIG SET appendonly yes maxclients 9000
CONFIG GET maxclients
CONFIG SET maxclients 10000 databases 2
CONFIG GET maxclients
CONFIG SET maxclients 10000
CONFIG SET appendonly yes APPENDONLY yes
CONFIG SET timeout 300
CONFIG GET timeout
CONFIG SET timeout 0
CONFIG SET nosuch 1
CONFIG SET maxclients 10 maxclients 20
CONFIG SET maxclients 9000 nosuch 1
CONFIG GET maxclients
CONFIG SET port
CONFIG SET port 1 x
CONFIG REWRITE
CONFIG REWRITE x
CONFIG RESETSTAT
CONFIG RESETSTAT x
INFO
INFO server
INFO keyspace
INFO commandstats
INFO errorstats
INFO nosuch
INFO server clients
INFO everything
DEBUG
DEBUG FOO
DEBUG SLEEP 0
DEBUG SLEEP 0.01
DEBUG SLEEP x
SLOWLOG
SLOWLOG HELP
SLOWLOG RESET
SLOWLOG LEN
SLOWLOG GET
SLOWLOG GET 5
SLOWLOG GET -1
SLOWLOG GET -2
SLOWLOG GET x
SLOWLOG GET 1 2
SLOWLOG FOO
CONFIG SET slowlog-log-slower-than 0
SET slow v
CONFIG SET slowlog-log-slower-than 10000
SLOWLOG GET 128
SLOWLOG RESET
LATENCY
LATENCY HELP
LATENCY LATEST
LATENCY HISTORY command
LATENCY HISTORY
LATENCY GRAPH command
LATENCY RESET
LATENCY RESET command
LATENCY DOCTOR
LATENCY HISTOGRAM nosuch
LATENCY HISTOGRAM get
LATENCY FOO
SHUTDOWN FOO
SHUTDOWN ABORT
SHUTDOWN SAVE NOSAVE
SHUTDOWN NOSAVE ABORT
# ---- larger values, cut by the stripes' units
SET big "%s"
STRLEN big
GETRANGE big 65530 65545
GET big
SET big "%s" NX GET
GETDEL big
# ---- longer than any key
ECHO "%s"
PING "%s"
MSET one 1 two 2
KEYS "*%s"
KEYS "*[%s]ne"
SCAN 0 MATCH "%s*" COUNT 1000
SCAN 0 MATCH "[%s]wo" COUNT 1000
CONFIG GET "%s"
CONFIG GET "maxclient[%s]"
COMMAND LIST FILTERBY PATTERN "%s"
MULTI | ECHO "%s" | EXEC
CLIENT LIST ID "%s"
FLUSHALL
DBSIZE
""" % ("0123456789abcdef" * 6000, "x" * 70000, "e" * 70000, "p" * 300000, "q" * 70000, "r" * 70000 + "o",
       "s" * 70000, "t" * 70000, "u" * 70000, "s" * 70000, "g" * 70000, "v" * 70000, "1" * 70000)


# ---- masks: what is replaced on both sides before comparing ---------------------------------------

def _sorted_keys(reply):
    value = parse(reply)
    return sorted(value) if isinstance(value, list) else value


def _sorted_scan(reply):
    value = parse(reply)
    if not isinstance(value, list):
        return value
    return [value[0], sorted(value[1])]


def _hello(reply):
    value = parse(reply)
    if reply.startswith(b"-"):
        return reply
    known = pairs(value)
    return {**known, b"id": 0, b"version": b""}


def _shape(reply):
    """Types and sizes, not contents."""
    value = parse(reply)
    if isinstance(value, list):
        return [type(v) for v in value]
    return type(value)


def _client_fields(reply):
    """The names of the fields that Redis 7.0 has too, per line."""
    value = parse(reply)
    lines = value.decode().strip().splitlines()
    return [[f.split("=")[0] for f in line.split() if not f.startswith("lib-")] for line in lines]


def _info_sections(reply):
    names = [line[2:] for line in parse(reply).decode().splitlines() if line.startswith("# ")]
    return [n for n in names if n not in ("Pool", "Cost", "Repair", "Backup", "Unknowncommands")]


def _keyspace(reply):
    return re.sub(rb"avg_ttl=\d+", b"", parse(reply))


def _docs(reply):
    return [(name, pairs(docs)[b"since"], pairs(docs)[b"group"],
             pairs(docs).get(b"deprecated_since"))
            for name, docs in pairs(parse(reply)).items()]


def _slow_commands(reply):
    """Names of the commands, and how an entry looks."""
    return [[(type(f)) for f in entry] + [entry[3][0].upper()] for entry in parse(reply)]


def _histogram(reply):
    return list(pairs(parse(reply)))


def _is_help(reply):
    """A HELP: that it is one."""
    value = parse(reply)
    return (value[0], value[-2], len(value) > 4)


def _command_info(reply):
    """Everything but the order within sets, and subcommands."""
    def tidy(info):
        if info is None:
            return None
        name, arity, flags, first, last, step, cats, tips, keys, _subs = info
        keys = [sorted((k, sorted(v) if k == b"flags" else v) for k, v in pairs(key).items()
                       if k != b"notes") for key in keys]
        return [name, arity, sorted(flags), first, last, step, sorted(cats), sorted(tips), keys]
    return [tidy(info) for info in parse(reply)]


MASKS = [
    (r"KEYS .*", _sorted_keys, "the order of keys is the hash table's"),
    (r"SCAN .*", _sorted_scan, "the order of keys is the hash table's"),
    (r"(d:)?HELLO.*", _hello, "connections are numbered, and Debian's Redis is 7.0"),
    (r"TIME", _shape, "time passes"),
    (r"CONFIG GET save appendonly SAVE", lambda r: pairs(parse(r)), "the order is a hash table's"),
    (r"CLIENT ID", _shape, "connections are numbered"),
    (r"CLIENT (INFO|LIST.*)", lambda r: _client_fields(r) if r[:1] in b"$=" else r,
     "numbers, addresses and memory; 7.2 adds lib-name and lib-ver"),
    (r"MEMORY USAGE .*", lambda r: _shape(r) if r[:1] == b":" else r, "bytes used here and there"),
    (r"COMMAND COUNT", _shape, "an object cache has fewer commands"),
    (r"COMMAND INFO .*", _command_info, "sets have no order; subcommands are compared by name"),
    (r"COMMAND DOCS .*", _docs, "the words are ours"),
    (r"COMMAND LIST FILTERBY PATTERN .*",
     lambda r: sorted(set(parse(r)) & {b"get", b"getdel", b"getex", b"getrange", b"getset"})
     if r[:1] == b"*" else r, "an object cache has fewer commands"),
    (r"INFO.*", lambda r: sorted(set(_info_sections(r)) - {"Modules"}),
     "figures; the sections are compared"),
    (r"SLOWLOG GET.*", lambda r: _slow_commands(r) if r[:1] == b"*" else r,
     "durations and times"),
    (r"LATENCY HISTOGRAM.*", _histogram, "durations of commands"),
    (r"LATENCY DOCTOR", lambda r: r[:1], "advice in words"),
    (r"(CLIENT|OBJECT|MEMORY|COMMAND|CONFIG|SLOWLOG|LATENCY) HELP", _is_help,
     "the words are ours, and fewer subcommands"),
    (r"(b:)?OBJECT IDLETIME o", _shape, "time passes"),
]

# ---- differences: line -> (what we answer or None for anything, why) -------------------------------

NEWER = "Redis 7.2, whose commands we speak, has it; Debian's 7.0 does not"
DIFFERENCES = {
    r"CLIENT NO-TOUCH (on|off)": ([b"+OK\r\n"], NEWER),
    r"CLIENT NO-TOUCH maybe": ([b"-ERR syntax error\r\n"], NEWER),
    r"CLIENT SETINFO lib-(name me|ver 1.2)": ([b"+OK\r\n"], NEWER),
    r"CLIENT SETINFO lib-name \"a b\"":
        ([b"-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"], NEWER),
    r"CLIENT SETINFO foo bar": ([b"-ERR Unrecognized option 'foo'\r\n"], NEWER),
    r"CLIENT SETINFO lib-name":
        ([b"-ERR wrong number of arguments for 'client|setinfo' command\r\n"], NEWER),
    r"COMMAND GETKEYS PING": ([b"-ERR The command has no key arguments\r\n"],
                              "7.2 takes a command without arguments here, 7.0 does not"),
    r"COMMAND GETKEYS GET": ([b"-ERR Invalid number of arguments specified for command\r\n"],
                             "7.2 takes a command without arguments here, 7.0 does not"),
    r"COMMAND INFO (mget mset .*|scan|rename .*)":
        (None, "7.2 added tips and key flags to some of these"),
    r"OBJECT ENCODING o": ([b"$3\r\nraw\r\n"], "bytes lie in functions as they came"),
}

# ---- settings ----------------------------------------------------------------------------------------

# Every setting that both have, and what is written to it (both take it, and then show the same) and
# what neither takes. FIXED: both show the same and neither changes it to anything else while running.
# OWN: what is shown depends on the machine, or why it may differ.
FIXED, OWN = "fixed", "own"
SIZES_TAKEN = ["1mb", "2m", "2GB", "3g", "5000000", "1500kb", "1500k", "1073741824b"]
SIZES_REFUSED = ["x", "1x", "1.5gb", "1tb", "-1"]
INTEGERS_REFUSED = ["x", "", "1.5", "10s", "10ms", "1kb", "0x10"]
SETTINGS = {
    "appendfsync": (["always", "everysec", "no", "ALWAYS"], ["sometimes", "", "1"]),
    "appendonly": FIXED,
    "bind": (OWN, r"\S+( \S+)*"),
    "client-output-buffer-limit": (
        ["normal 1mb 0 5", "replica 1 1k 1 pubsub 0 0 0", "normal 0 0 0 slave 2MB 1 1 slave 1 1 1", ""],
        ["normal 0 0", "master 1 1 1", "normal x 0 0", "normal 0 0 1s", "normal -1 0 0",
         "normal 1 1 -1", "normal 1 1 1 what 0 0 0"]),
    "client-query-buffer-limit": (SIZES_TAKEN, [*SIZES_REFUSED, "0", "1000000"]),
    "cluster-enabled": FIXED,
    "databases": FIXED,
    "dir": (OWN, r"/.*"),
    "latency-tracking": FIXED,
    "loglevel": (["debug", "warning"], ["loud", "", "1"]),
    "maxclients": (["9000", "1"], [*INTEGERS_REFUSED, "0", "-1"]),
    "maxmemory": ([*SIZES_TAKEN, "0", "100b"], SIZES_REFUSED),
    "maxmemory-clients": ([*SIZES_TAKEN, "0", "5%", "100%", "0%"], [*SIZES_REFUSED, "101%", "-1%"]),
    "port": (OWN, r"\d+"),
    "proto-max-bulk-len": (SIZES_TAKEN, [*SIZES_REFUSED, "0", "1000000"]),
    "save": FIXED,
    "slowlog-log-slower-than": (["0", "-1", "5000", "10000"], [*INTEGERS_REFUSED, "-2"]),
    "slowlog-max-len": (["0", "128", "10000"], [*INTEGERS_REFUSED, "-1"]),
    "tcp-keepalive": FIXED,
    "timeout": (["300", "0", "2147483647"], [*INTEGERS_REFUSED, "-1", "2147483648"]),
}

# ---- raw input ---------------------------------------------------------------------------------------

# No zero byte in a line: Redis then waits for a line's end that it cannot see.
RAW = [
    b"PING\r\n", b"PING\n", b"  PING  \r\n", b"\r\n", b"\r\n\r\nPING\r\n", b"ECHO 'a b'\r\n",
    b"ECHO \"a\\x41\\n\"\r\n", b"ECHO \"\"\r\n", b"ECHO 'it\\'s'\r\n", b"SET inline-key v\r\n",
    b"GET inline-key\r\nSTRLEN inline-key\r\nDEL inline-key\r\n",
    b"SET inline-key 'some words' EX 100\r\nGET inline-key\r\nDEL inline-key\r\n",
    b"MSET i1 1 i2 ''\r\nMGET i1 i2\r\nDEL i1 i2\r\n",
    b"MULTI\r\nSET i3 x\r\nGET i3\r\nDEL i3\r\nEXEC\r\n",
    b"ECHO 'unbalanced\r\n", b"ECHO \"unbalanced\r\n", b"ECHO 'a'b\r\n", b"ECHO \"a\"b\r\n",
    b"*0\r\n", b"*-1\r\n", b"*-10\r\n", b"*x\r\n", b"*\r\n", b"*1x\r\n", b"* 1\r\n",
    b"*99999999999\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$x\r\n", b"*1\r\nPING\r\n", b"*1\r\n:1\r\n",
    b"*1\r\n$-1\r\n", b"*1\r\n$\r\n", b"*1\r\n$99999999999999\r\n", b"*1\r\n$01\r\n",
    b"*2\r\n$4\r\nECHO\r\n\r\n", b"*1\r\n$4\r\nPINGxx", b"*1\rx$4\rxPING\r\n",
    b"*1\r\n$0\r\n\r\n", b"*2\r\n$0\r\n\r\n$1\r\na\r\n",
    b"a" * 70000, b"*" + b"1" * 70000, b"*1\r\n$" + b"1" * 70000,
    b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"host: x\r\n", b"QUIT\r\nPING\r\n",
    b"GET\r\n", b"get a b\r\n", b"\xff\xfe\r\n",
]
