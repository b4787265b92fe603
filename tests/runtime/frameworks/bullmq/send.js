// Queues what its input says: a line each.
'use strict';
const fs = require('node:fs');
const { Queue } = require('bullmq');

(async () => {
  const queue = new Queue('jobs', { connection: { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) } });
  const lines = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean);
  await queue.addBulk(lines.map((line) => ({ name: 'work', data: JSON.parse(line) })));
  await queue.close();
})();
