// Jobs that write the ledger, and what a drain needs of every program with BullMQ: close() on the stop signal.
'use strict';
const fs = require('node:fs');
const { Worker } = require('bullmq');

const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };

// One write to a file that is opened to append: lines of several processes do not mix.
function note(event, more = {}) {
  const line = {
    event,
    worker: process.env.MESSENGER_CONSUMER_NAME,
    pid: process.pid,
    monotonic_ns: Number(process.hrtime.bigint()),
    ...more,
  };
  fs.appendFileSync(process.env.LEDGER_FILE, `${JSON.stringify(line)}\n`);
}

const worker = new Worker(
  'jobs',
  async (job) => {
    note('started', { message: job.data.message });
    await new Promise((resolve) => setTimeout(resolve, job.data.seconds * 1000));
    note('finished', { message: job.data.message });
  },
  {
    connection,
    concurrency: Number(process.env.EBBTIDE_CONCURRENCY),
    lockDuration: 4000,
    stalledInterval: 2000,
  },
);
worker.on('ready', () => note('consuming'));
worker.on('error', (error) => console.error(error.message));
process.once('SIGTERM', async () => {
  await worker.close();
  process.exit(0);
});
