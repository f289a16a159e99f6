// graphql_differ.cjs URL SEED N: N documents made from the server's own schema; the server and graphql-js must agree on
// which are valid. Nothing is executed: the request names an operation that no document has. One JSON on stdout.
// SPDX-License-Identifier: Apache-2.0
'use strict';
const {buildClientSchema, getIntrospectionQuery} = require('graphql');
const {documents} = require('./graphql_documents.cjs');

const [url, seed, n] = process.argv.slice(2);

async function ask(body) {
  const answer = await fetch(url, {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)});
  return answer.json();
}

async function main() {
  const {data} = await ask({query: getIntrospectionQuery({inputValueDeprecation: true, oneOf: true})});
  const counts = {valid: 0, invalid: 0, limit: 0}, differ = [];
  for (const {text, why} of documents(buildClientSchema(data), Number(seed), Number(n))) {
    const {errors} = await ask({query: text, operationName: 'NoSuchOperation'});
    const code = errors[0].extensions.code;
    if (code === 'limit') {
      counts.limit++;
      continue;
    }
    const valid = code === 'operation';
    counts[valid ? 'valid' : 'invalid']++;
    if (valid !== (why === '')) differ.push({text, ours: valid ? 'valid' : errors[0].message, theirs: why || 'valid'});
  }
  process.stdout.write(JSON.stringify({counts, differ}));
}

main().catch((e) => { process.stderr.write(String(e.stack)); process.exit(1); });
