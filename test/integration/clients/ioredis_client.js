// ioredis (RESP2): node ioredis_client.js PORT, pairs on standard input.
const Redis = require('ioredis');
const roundTrip = require('./pairs');

const client = new Redis({ port: Number(process.argv[2]), maxRetriesPerRequest: 0 });
roundTrip((key, value) => client.set(key, value), (key) => client.getBuffer(key))
  .then(() => client.quit())
  .catch((error) => { console.error(error); process.exit(1); });
