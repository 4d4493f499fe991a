// node-redis in RESP3: node node_redis_client.js PORT, pairs on standard input.
const { createClient, RESP_TYPES } = require('redis');
const roundTrip = require('./pairs');

async function main() {
  const client = createClient({ RESP: 3, socket: { port: Number(process.argv[2]), reconnectStrategy: false } });
  client.on('error', (error) => { console.error(error); process.exit(1); });
  await client.connect();
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  await roundTrip((key, value) => client.set(key, value), (key) => binary.get(key));
  await client.close();
}

main().catch((error) => { console.error(error); process.exit(1); });
