// Takes what Alertmanager sends and keeps it, one JSON object a line.
//
//   node webhook.mjs PORT FILE

import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [port, file] = process.argv.slice(2);
createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    if (request.method === 'POST') appendFileSync(file, `${JSON.stringify(JSON.parse(body))}\n`);
    response.end('ok\n');
  });
}).listen(Number(port), '127.0.0.1');
