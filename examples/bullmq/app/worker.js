// A worker: takes as many jobs as the stack says, and ends after them when it is asked to.
'use strict';
const Redis = require('ioredis');
const { Worker } = require('bullmq');

// A worker waits for its Redis for as long as it takes: BullMQ asks for this.
const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });

async function send(job) {
  await new Promise((resolve) => setTimeout(resolve, job.data.milliseconds ?? 100));
}

const worker = new Worker('mail', send, { connection, concurrency: Number(process.env.EBBTIDE_CONCURRENCY) });
// Without a listener an error of the connection ends the process.
worker.on('error', (error) => console.error(error.message));
process.once('SIGTERM', async () => {
  await worker.close();
  process.exit(0);
});
