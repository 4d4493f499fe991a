/*
 * directives.h - the one table of settings. --help, CONFIG GET/SET, doc/infinicache.conf
 * and the tests derive from it; a row here is all a new directive needs besides the
 * code that reads its field.
 *
 * Columns: KIND, field of struct ic_config, name, default, least, most, choices, scope,
 * whether CONFIG SET may change it, help.
 *
 *   INT     int64_t, decimal                        BOOL   bool: yes | no
 *   SIZE    int64_t, bytes: 64kb 1mb 4gb (1024s)     ENUM   int, an index into choices
 *   TIME    int64_t, milliseconds: 250ms 10s 5m 1h   STRING char *, owned
 *   REAL    double, decimal: 2 0.05 1e-6 (its bounds are whole numbers)
 *   SHARE   int64_t, bytes, or if negative a percentage: 64mb 5%
 *   NAME    char *, owned: letters, digits, - and _, as many characters as its bounds say
 *   OUTPUT  struct ic_output_limits: normal 0 0 0 pubsub 32mb 8mb 60
 *
 * What bears a name of Redis's is taken and shown in Redis's unit: an INT where Redis has seconds.
 *
 * Scope: P the proxy, L the local platform, PL both; U only `infinicache up`.
 */
#ifndef IC_BASE_DIRECTIVES_H
#define IC_BASE_DIRECTIVES_H

#define IC_NO_LIMIT INT64_MAX

/* clang-format off */
#define IC_DIRECTIVES(X) \
X(STRING, bind, "bind", "127.0.0.1", 0, 0, "", P, FIXED, \
  "Address clients connect to. Any other than loopback needs a password.") \
X(INT, port, "port", "6378", 0, 65535, "", P, FIXED, "Port for Redis clients.") \
X(STRING, node_bind, "node-bind", "127.0.0.1", 0, 0, "", P, FIXED, \
  "Address functions dial. Frames are not encrypted: a private network only.") \
X(INT, node_port, "node-port", "6380", 0, 65535, "", P, FIXED, "Port for functions.") \
X(STRING, node_address, "node-address", "", 0, 0, "", P, FIXED, \
  "ADDRESS:PORT functions are told to dial, no name; empty: node-bind and node-port.") \
X(STRING, http_bind, "http-bind", "127.0.0.1", 0, 0, "", P, FIXED, "Address of the admin HTTP server.") \
X(INT, http_port, "http-port", "6381", 0, 65535, "", P, FIXED, \
  "Port of the admin HTTP server (/healthz, /metrics).") \
X(STRING, http_hosts, "http-hosts", "", 0, 0, "", PL, FIXED, \
  "Names, with commas between them, by which this machine is asked over HTTP (admin and platform) beside its " \
  "addresses and localhost. Other names in Host are refused: a web page may have made them mean this machine.") \
X(STRING, dir, "dir", "", 0, 0, "", PL, FIXED, \
  "Folder of the journal, the logs and the local platform's functions.") \
X(STRING, requirepass_file, "requirepass-file", "", 0, 0, "", P, FIXED, \
  "File whose first line is the clients' password; or set INFINICACHE_PASSWORD.") \
X(INT, maxclients, "maxclients", "10000", 1, 1000000, "", P, RUNTIME, "Most client connections at a time.") \
X(SHARE, maxmemory_clients, "maxmemory-clients", "256mb", -100, IC_NO_LIMIT, "", P, RUNTIME, \
  "Most memory that clients take in the proxy, all together: connections, requests that are not complete, " \
  "queued commands, watched keys, replies they have not read. Beyond it the largest are closed. A " \
  "percentage is one of maxmemory (0: of the pool's memory). 0: no bound.") \
X(SIZE, client_query_buffer_limit, "client-query-buffer-limit", "128mb", 1 << 20, IC_NO_LIMIT, "", P, RUNTIME, \
  "Most memory that one client's arguments, queued commands and watched keys take: a request beyond it " \
  "is answered with an error. Values do not count beyond their first 64 KB, they are not kept.") \
X(OUTPUT, client_output_buffer_limit, "client-output-buffer-limit", \
  "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60", 0, 0, "", P, RUNTIME, \
  "Replies a client may leave unread before it is closed: by class, bytes at once, bytes for so many " \
  "seconds; 0: as many as maxmemory-clients allows. Limits below 16 KiB are as 16 KiB. Clients here are of the " \
  "class normal. Values of more than 64 KB do not count (2 KB, if the limit is below 1 MB), they are not kept.") \
X(INT, turn_work, "turn-work", "10000", 1, 1000000000, "", P, RUNTIME, \
  "How much is done in one turn of the loop for clients, in keys looked at or small commands, and for functions, in " \
  "chunks that they list: what takes longer goes on in later turns, so that others do not wait for it. Meanwhile " \
  "nobody looks at keys if it is a transaction or a command of many keys.") \
X(INT, timeout_s, "timeout", "0", 0, INT32_MAX, "", P, RUNTIME, \
  "Closes a client idle for so many seconds; 0: never.") \
X(SIZE, max_object_size, "max-object-size", "4gb", 1, INT64_C(1) << 40, "", P, RUNTIME, "Largest value of a SET.") \
X(SIZE, proto_max_bulk_len, "proto-max-bulk-len", "1024gb", 1 << 20, INT64_C(1) << 40, "", P, RUNTIME, \
  "A longer argument is a protocol error and ends the connection. A value below this and above " \
  "max-object-size is refused with an error that says so, and the connection goes on.") \
X(SIZE, max_key_size, "max-key-size", "64kb", 1, 64 << 10, "", P, RUNTIME, "Longest key.") \
X(SIZE, window_memory, "window-memory", "32mb", 1 << 20, INT64_C(1) << 36, "", P, FIXED, \
  "Buffers for bytes on their way between clients and functions, for all requests together.") \
X(SIZE, unit_size, "unit-size", "64kb", 64, 1 << 20, "", P, RUNTIME, \
  "Bytes of one object that go to one function in a row (multiple of 64); fewer if a stripe of all its functions would not fit " \
  "into window-memory.") \
X(STRING, code_table, "code-table", "256kb:1+2,4mb:4+2,*:10+2", 0, 0, "", P, FIXED, \
  "Erasure code by object size: below 256 KiB 1 data and 2 parity chunks, and so on.") \
X(INT, functions, "functions", "16", 1, 65535, "", P, FIXED, "Functions in the pool.") \
X(SIZE, memory, "memory", "256mb", 128 << 20, INT64_C(10240) << 20, "", P, FIXED, \
  "Memory of each function.") \
X(NAME, function_prefix, "function-prefix", "infinicache", 1, 40, "", P, FIXED, \
  "Functions are named PREFIX-0, PREFIX-1, ...") \
X(STRING, platform_endpoint, "platform-endpoint", "http://127.0.0.1:6382", 0, 0, "", P, FIXED, \
  "URL of the AWS Lambda API; https://lambda.REGION.amazonaws.com on AWS.") \
X(NAME, platform_run, "platform-run", "", 0, 80, "", P, FIXED, \
  "Which run of the platform the functions are of: what they held is gone if it is another than last time. " \
  "`infinicache up` sets it; empty: not known.") \
X(STRING, region, "region", "us-east-1", 0, 0, "", PL, FIXED, "AWS region, part of signatures and ARNs.") \
X(TIME, function_timeout, "function-timeout", "300s", 20000, 900000, "", P, FIXED, \
  "Timeout the functions are created with; an invocation ends before it (at most 300 s).") \
X(TIME, lease, "lease", "0", 0, 300000, "", P, RUNTIME, \
  "How long a node stays after its last request; 0: as long as that is expected to pay, by `billing`.") \
X(REAL, latency_value, "latency-value", "0.00003", 0, 1000, "", P, RUNTIME, \
  "Dollars that a second of waiting for a sleeping function costs whoever waits. The default is a server " \
  "of two processors at $0.10 an hour that waits; a person's time is some 0.01.") \
X(TIME, warm_interval, "warm-interval", "60s", 0, 86400000, "", P, RUNTIME, \
  "Each function is invoked at least so often, so that the platform keeps it; 0: never.") \
X(TIME, peer_age, "peer-age", "10m", 1000, 86400000, "", P, RUNTIME, \
  "Chunks of an instance whose function has answered with another one for so long are lost.") \
X(TIME, backup_interval, "backup-interval", "300s", 0, 86400000, "", P, RUNTIME, \
  "How often new data is copied to a second instance of each function; 0: never.") \
X(SIZE, backup_rate, "backup-rate", "32mb", 0, INT64_C(1) << 36, "", P, RUNTIME, \
  "Bytes per second that backups copy at most, all together; 0: no limit.") \
X(TIME, peer_interval, "peer-interval", "4m", 0, 86400000, "", P, RUNTIME, \
  "Second instances are invoked at least so often, so that the platform keeps them; 0: only for new data. " \
  "Below half of peer-age and of the time after which the platform ends an idle instance.") \
X(TIME, invoke_timeout, "invoke-timeout", "10s", 100, 300000, "", P, RUNTIME, \
  "How long a request waits for its function to wake.") \
X(TIME, node_timeout, "node-timeout", "10s", 10, 300000, "", P, RUNTIME, \
  "How long an awake node may take to answer one request.") \
X(TIME, read_deadline, "read-deadline", "2s", 10, 300000, "", P, RUNTIME, \
  "A read of a chunk that takes longer is replaced by one of another chunk.") \
X(ENUM, hedge, "hedge", "adaptive", 0, 0, "off|adaptive|always", P, RUNTIME, \
  "When further chunks are asked beside those that suffice: after read-deadline, after a delay learnt " \
  "from recent reads, or at once, as in the 2020 paper (each invocation is paid for).") \
X(TIME, write_deadline, "write-deadline", "5s", 10, 300000, "", P, RUNTIME, \
  "A SET is answered after this although some parity chunks are not sealed.") \
X(SIZE, min_read_rate, "min-read-rate", "64kb", 0, INT64_C(1) << 32, "", P, RUNTIME, \
  "A client that reads an object, or its last replies, slower than so many bytes per second on average is cut; 0: never. " \
  "What its system has acknowledged counts, bursts of up to 3 MiB included. What it sends meanwhile " \
  "counts as well: a pipeline may be sent whole before the first reply is read.") \
X(SIZE, min_write_rate, "min-write-rate", "1kb", 0, INT64_C(1) << 32, "", P, RUNTIME, \
  "A client that sends a value slower than so many bytes per second, over ten seconds in which nothing but the " \
  "client is waited for, is cut; 0: never. One that holds memory which others wait for is cut before.") \
X(ENUM, repair, "repair", "eager", 0, 0, "eager|lazy|off", P, RUNTIME, \
  "Lost chunks are rebuilt as soon as they are missed, after a GET that met them, or not.") \
X(SIZE, repair_rate, "repair-rate", "64mb", 0, INT64_C(1) << 36, "", P, RUNTIME, \
  "Bytes per second that repair reads and writes; 0: no limit.") \
X(ENUM, eviction, "eviction", "gdsf", 0, 0, "gdsf|sieve|s3fifo|lru|clock", P, RUNTIME, \
  "Which object goes first when memory runs out.") \
X(SIZE, maxmemory, "maxmemory", "0", 0, IC_NO_LIMIT, "", P, RUNTIME, \
  "Most bytes of objects; 0: what the pool holds.") \
X(SIZE, catalog_memory, "catalog-memory", "1gb", 1 << 20, IC_NO_LIMIT, "", P, RUNTIME, \
  "Most memory for what the proxy knows about the objects; half as much again during a rebuild.") \
X(ENUM, appendfsync, "appendfsync", "everysec", 0, 0, "always|everysec|no", P, RUNTIME, \
  "When the journal is forced to the disk.") \
X(ENUM, rebuild, "rebuild", "auto", 0, 0, "auto|yes|no", P, FIXED, \
  "Whether a starting proxy fills its catalog from the functions: auto if the journal is missing, " \
  "damaged or of another version, yes in any case (the journal is set aside), no never.") \
X(TIME, adopt_wait, "adopt-wait", "1500ms", 0, 60000, "", P, FIXED, \
  "How long a starting proxy waits for active nodes to dial in.") \
X(ENUM, loglevel, "loglevel", "info", 0, 0, "debug|info|warning|error", PL, RUNTIME, "Events below this level are not logged.") \
X(INT, slowlog_log_slower_than, "slowlog-log-slower-than", "10000", -1, IC_NO_LIMIT, "", P, RUNTIME, \
  "SLOWLOG keeps commands that took so many microseconds; -1: none.") \
X(INT, slowlog_max_len, "slowlog-max-len", "128", 0, 10000, "", P, RUNTIME, "Entries SLOWLOG keeps.") \
X(STRING, platform_bind, "platform-bind", "127.0.0.1", 0, 0, "", L, FIXED, \
  "Address of the local platform. Any other than loopback needs keys of your own.") \
X(INT, platform_port, "platform-port", "6382", 0, 65535, "", L, FIXED, "Port of the local platform.") \
X(STRING, account, "account", "000000000000", 0, 0, "", L, FIXED, "AWS account number in ARNs.") \
X(STRING, credentials_file, "credentials-file", "", 0, 0, "", PL, FIXED, \
  "File with two lines, access key id and secret; empty: AWS_ACCESS_KEY_ID and " \
  "AWS_SECRET_ACCESS_KEY, or else test and test.") \
X(ENUM, billing, "billing", "1ms", 0, 0, "1ms|100ms", PL, FIXED, "Billed durations are rounded up to this.") \
X(ENUM, architecture, "architecture", "x86_64", 0, 0, "x86_64|arm64", P, FIXED, \
  "Architecture of the functions, for what they cost.") \
X(STRING, prices, "prices", "", 0, 0, "", P, FIXED, \
  "Overrides list prices: NAME=DOLLARS,NAME=DOLLARS; an unknown name is answered with all names.") \
X(ENUM, transfer_zones, "transfer-zones", "same", 0, 0, "same|cross", P, FIXED, \
  "Whether the functions are in the proxy's zone; between zones each byte costs.") \
X(REAL, budget_per_hour, "budget-per-hour", "0", 0, 1000000, "", P, RUNTIME, \
  "Dollars per 60 minutes: at 80 % of it no warm-ups, at 90 % no backups, at 100 % no new keys; 0: none.") \
X(ENUM, routing, "routing", "mru", 0, 0, "mru|lru|random", L, FIXED, \
  "Which idle instance of a function gets an invocation.") \
X(TIME, reuse_delay, "reuse-delay", "0s", 0, 60000, "", L, FIXED, \
  "An instance that has just returned gets no invocation for so long; one that comes meanwhile goes to another.") \
X(STRING, reclaim, "reclaim", "none", 0, 0, "", L, FIXED, \
  "Model of the cloud that takes instances back: none, or poisson:RATE (a minute), zipf:S, mass:TIME, " \
  "age:TIME, idle:TIME, several joined by +; see doc/reclaim.md.") \
X(INT, reclaim_speed, "reclaim-speed", "1", 1, 60000, "", L, FIXED, \
  "The time of that model goes by so many times faster than ours.") \
X(INT, reclaim_seed, "reclaim-seed", "1", 0, IC_NO_LIMIT, "", L, FIXED, \
  "Seed of that model: the same instances are taken in the same minutes.") \
X(INT, concurrency, "concurrency", "1000", 1, 100000, "", L, FIXED, \
  "Invocations the platform runs at a time; more are throttled.") \
X(TIME, instance_idle, "instance-idle", "15m", 100, IC_NO_LIMIT, "", L, FIXED, \
  "An instance that was not invoked for so long is reclaimed.")
/* clang-format on */

#endif
