// What both Node clients share: the pairs of standard input, and storing and reading them back
// through a client's set(key, buffer) and get(key) -> buffer.
const crypto = require('crypto');
const fs = require('fs');

const pairs = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean).map((line) => line.split('\t'));

module.exports = async function roundTrip(set, get) {
  for (const [key, path] of pairs) {
    const reply = await set(key, fs.readFileSync(path));
    if (String(reply) !== 'OK') throw new Error(`SET ${key}: ${reply}`);
  }
  for (const [key] of pairs) {
    const value = await get(key);
    if (!Buffer.isBuffer(value)) throw new Error(`GET ${key}: ${value}`);
    console.log(`${key}\t${crypto.createHash('sha256').update(value).digest('hex')}`);
  }
};
